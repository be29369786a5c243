package kernels

// gramCols is what the number of columns of AddGram's matrices is a multiple of: that of its widest tile.
const gramCols = 16

// gramRows is the number of rows that a call of assembly takes, at most; such sums are added in order.
const gramRows = 4096

// AddGram adds xᵀ·x to c, on and above the diagonal: c[i,j] += Σ_r x[r,i]·x[r,j] for i <= j.
// x is (n, d), c (d, d), both float64, as sums over many samples need it; d is a multiple of 16. What is below the diagonal
// is undefined afterwards.
func AddGram(c, x []float64, d int) {
	if d <= 0 || d%gramCols != 0 || len(x)%d != 0 || len(c) < d*d {
		panic("kernels: gram: bad sizes")
	}
	rows, cols := gramTile()
	for len(x) > 0 {
		n := min(len(x)/d, gramRows)
		for i := 0; i < d; i += rows {
			for j := i / cols * cols; j < d; j += cols {
				addGramTile(c[i*d+j:], x[i:], x[j:], n, d)
			}
		}
		x = x[n*d:]
	}
}

// addGramTileGeneric is c[i,j] += Σ_r a[r,i]·b[r,j] for i < rows, j < cols and n rows r, all d apart.
func addGramTileGeneric(c, a, b []float64, n, d, rows, cols int) {
	for i := range rows {
		line := c[i*d : i*d+cols]
		for j := range line {
			var sum float64
			for r := range n {
				sum += float64(a[r*d+i] * b[r*d+j])
			}
			line[j] += sum
		}
	}
}
