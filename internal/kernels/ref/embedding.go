package ref

import "math"

// TimeEmbedding is, with K = dim/2 and the frequencies f[k] = exp(-ln 10⁴·k/K),
//
//	e[n,k] = sin(1000·t[n]·f[k]),  e[n,K+k] = cos(1000·t[n]·f[k])
//
// t is (n), e (n, dim), dim even. The frequencies and the angles are rounded to F, as in
// the model's PyTorch form; sine and cosine are taken in float64.
func TimeEmbedding[F Float](e, t []F, n, dim int) {
	half := dim / 2
	for k := range half {
		f := F(math.Exp(-math.Log(1e4) * float64(k) / float64(half)))
		for i := range n {
			angle := float64(F(1000*t[i]) * f)
			e[i*dim+k], e[i*dim+half+k] = F(math.Sin(angle)), F(math.Cos(angle))
		}
	}
}

// Embedding looks rows up: y[n] = table[ids[n]]. ids are whole numbers below the number of
// rows; y is (n, width), table (vocab, width).
func Embedding[F Float](y, table, ids []F, n, width int) {
	for i := range n {
		copy(y[i*width:(i+1)*width], table[int(ids[i])*width:])
	}
}

// EmbeddingGrad is the gradient of Embedding by its table: dtable[v] = Σ of dy[n] over the
// samples with ids[n] = v (rule of 16).
func EmbeddingGrad[F Float](dtable, dy, ids []F, n, width, vocab int) {
	for v := range vocab {
		for j := range width {
			dtable[v*width+j] = F(total(n, func(i int) float64 {
				if int(ids[i]) != v {
					return 0
				}
				return float64(dy[i*width+j])
			}))
		}
	}
}
