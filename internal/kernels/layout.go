package kernels

import "lfm/internal/kernels/ref"

// SampleShape is that of N samples of M numbers each.
type SampleShape struct{ N, M int }

// BroadcastAddItems counts samples.
func BroadcastAddItems(s SampleShape) int { return s.N }

// BroadcastAdd is y[n] = x[n] + b for each sample. x, y are (N, M), b (M). y may be x.
func BroadcastAdd(y, x, b []float32, s SampleShape, i0, i1 int) {
	need("broadcast-add", "y", len(y), s.N*s.M)
	need("broadcast-add", "x", len(x), s.N*s.M)
	need("broadcast-add", "b", len(b), s.M)
	for n := i0; n < i1; n++ {
		Add(y[n*s.M:(n+1)*s.M], x[n*s.M:(n+1)*s.M], b[:s.M])
	}
}

// sampleTile is the number of columns that are summed over samples at once.
const sampleTile = 256

// BroadcastAddGradItems counts tiles of 256 numbers.
func BroadcastAddGradItems(s SampleShape) int { return divideUp(s.M, sampleTile) }

// BroadcastAddGradScratch is for the 16 partial sums of a tile.
func BroadcastAddGradScratch(s SampleShape) int { return ref.Parts * min(sampleTile, s.M) }

// BroadcastAddGrad is db = Σ_n dy[n] by the rule of 16; the gradient by x is dy itself.
func BroadcastAddGrad(db, dy []float32, s SampleShape, scratch []float32, i0, i1 int) {
	need("broadcast-add-grad", "db", len(db), s.M)
	need("broadcast-add-grad", "dy", len(dy), s.N*s.M)
	need("broadcast-add-grad", "scratch", len(scratch), BroadcastAddGradScratch(s))
	for i := i0; i < i1; i++ {
		from, to := i*sampleTile, min((i+1)*sampleTile, s.M)
		addSamples(db[from:to], s.N, scratch, func(n int) []float32 { return dy[n*s.M+from : n*s.M+to] })
	}
}

// addSamples is dst = Σ of the rows row(n), n < count, by the rule of 16; a nil row is
// left out. scratch holds 16 rows.
func addSamples(dst []float32, count int, scratch []float32, row func(n int) []float32) {
	width := len(dst)
	part := func(p int) []float32 { return scratch[p*width : (p+1)*width] }
	for p := range ref.Parts {
		clear(part(p))
		i0, i1 := ref.Part(p, count)
		for n := i0; n < i1; n++ {
			if r := row(n); r != nil {
				Add(part(p), part(p), r)
			}
		}
	}
	for step := 1; step < ref.Parts; step *= 2 {
		for p := 0; p < ref.Parts; p += 2 * step {
			Add(part(p), part(p), part(p+step))
		}
	}
	copy(dst, part(0))
}

// SliceShape is that of the columns [From, To) of Rows rows of Width numbers.
type SliceShape struct{ Rows, Width, From, To int }

// SliceItems counts rows.
func SliceItems(s SliceShape) int { return s.Rows }

// Slice is y[r] = x[r, From:To]. x is (Rows, Width), y (Rows, To-From).
func Slice(y, x []float32, s SliceShape, i0, i1 int) {
	need("slice", "y", len(y), s.Rows*(s.To-s.From))
	need("slice", "x", len(x), s.Rows*s.Width)
	width := s.To - s.From
	for r := i0; r < i1; r++ {
		copy(y[r*width:(r+1)*width], x[r*s.Width+s.From:r*s.Width+s.To])
	}
}

// SliceGradItems counts rows.
func SliceGradItems(s SliceShape) int { return s.Rows }

// SliceGrad is dx[r, From:To] = dy[r], and 0 in the other columns.
func SliceGrad(dx, dy []float32, s SliceShape, i0, i1 int) {
	need("slice-grad", "dx", len(dx), s.Rows*s.Width)
	need("slice-grad", "dy", len(dy), s.Rows*(s.To-s.From))
	width := s.To - s.From
	for r := i0; r < i1; r++ {
		row := dx[r*s.Width : (r+1)*s.Width]
		clear(row[:s.From])
		copy(row[s.From:s.To], dy[r*width:(r+1)*width])
		clear(row[s.To:])
	}
}

// ConcatShape is that of Rows rows, M numbers of the one and N of the other.
type ConcatShape struct{ Rows, M, N int }

// ConcatItems counts rows.
func ConcatItems(s ConcatShape) int { return s.Rows }

// Concat is y[r] = (a[r], b[r]). a is (Rows, M), b (Rows, N), y (Rows, M+N).
func Concat(y, a, b []float32, s ConcatShape, i0, i1 int) {
	need("concat", "y", len(y), s.Rows*(s.M+s.N))
	need("concat", "a", len(a), s.Rows*s.M)
	need("concat", "b", len(b), s.Rows*s.N)
	for r := i0; r < i1; r++ {
		row := y[r*(s.M+s.N) : (r+1)*(s.M+s.N)]
		copy(row[:s.M], a[r*s.M:(r+1)*s.M])
		copy(row[s.M:], b[r*s.N:(r+1)*s.N])
	}
}
