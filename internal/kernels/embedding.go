package kernels

import "lfm/internal/kernels/ref"

// TimeShape is that of an embedding of N times in Dim numbers each; Dim is even.
type TimeShape struct{ N, Dim int }

// TimeEmbeddingItems counts times.
func TimeEmbeddingItems(s TimeShape) int { return s.N }

// TimeEmbedding is [sin | cos] of 1000·t at Dim/2 frequencies: ref.TimeEmbedding. t is (N),
// e (N, Dim).
func TimeEmbedding(e, t []float32, s TimeShape, i0, i1 int) {
	need("time-embedding", "e", len(e), s.N*s.Dim)
	need("time-embedding", "t", len(t), s.N)
	ref.TimeEmbedding(e[i0*s.Dim:i1*s.Dim], t[i0:i1], i1-i0, s.Dim)
}

// EmbeddingShape is that of N rows of Width numbers out of a table of Vocab rows.
type EmbeddingShape struct{ N, Width, Vocab int }

// EmbeddingItems counts samples.
func EmbeddingItems(s EmbeddingShape) int { return s.N }

// Embedding is y[n] = table[ids[n]]. y is (N, Width), table (Vocab, Width); ids (N) are
// whole numbers.
func Embedding(y, table, ids []float32, s EmbeddingShape, i0, i1 int) {
	need("embedding", "y", len(y), s.N*s.Width)
	need("embedding", "table", len(table), s.Vocab*s.Width)
	need("embedding", "ids", len(ids), s.N)
	for n := i0; n < i1; n++ {
		row := int(ids[n])
		copy(y[n*s.Width:(n+1)*s.Width], table[row*s.Width:(row+1)*s.Width])
	}
}

// EmbeddingGradItems counts tiles of 256 columns of a row of the table.
func EmbeddingGradItems(s EmbeddingShape) int { return s.Vocab * divideUp(s.Width, sampleTile) }

// EmbeddingGradScratch is for the 16 partial sums of a tile.
func EmbeddingGradScratch(s EmbeddingShape) int { return ref.Parts * min(sampleTile, s.Width) }

// EmbeddingGrad is dtable[v] = Σ of dy[n] over the samples with ids[n] = v, by the rule of 16.
func EmbeddingGrad(dtable, dy, ids []float32, s EmbeddingShape, scratch []float32, i0, i1 int) {
	need("embedding-grad", "dtable", len(dtable), s.Vocab*s.Width)
	need("embedding-grad", "dy", len(dy), s.N*s.Width)
	need("embedding-grad", "ids", len(ids), s.N)
	need("embedding-grad", "scratch", len(scratch), EmbeddingGradScratch(s))
	tiles := divideUp(s.Width, sampleTile)
	for i := i0; i < i1; i++ {
		row, from := i/tiles, i%tiles*sampleTile
		to := min(from+sampleTile, s.Width)
		addSamples(dtable[row*s.Width+from:row*s.Width+to], s.N, scratch, func(n int) []float32 {
			if int(ids[n]) != row {
				return nil
			}
			return dy[n*s.Width+from : n*s.Width+to]
		})
	}
}
