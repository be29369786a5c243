package kernels

import "testing"

// TestBlocksFor: every size of cache has blocks that fit into it, and into the arrays that hold them.
func TestBlocksFor(t *testing.T) {
	g := currentGeometry()
	for _, kib := range []int{-1, 0, 1, 256, 511, 512, 1024, 1535, 1536, 2048, 4096} {
		b := blocksFor(kib<<5, kib<<10)
		if b.rows < 1 || b.rows > g.maxRows() || b.rows%12 != 0 || b.group < 1 || b.group > maxGroup {
			t.Errorf("%d KiB: %+v", kib, b)
		}
		if kib < 256 {
			continue
		}
		if need := 2*b.rows + panelCols; need > kib {
			t.Errorf("%d KiB: a product's block of %d rows and a panel take %d", kib, b.rows, need)
		}
		if need := b.group*gradBlock*4>>10 + b.group/4*panelCols; need > kib {
			t.Errorf("%d KiB: a group of %d items takes %d", kib, b.group, need)
		}
	}
}

// TestRoomy: it is for those caches with which reading A as it lies was faster.
func TestRoomy(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second int // KiB
		want          bool
	}{
		{"Zen 4", 32, 1024, false},
		{"Zen 5", 48, 1024, true},
		{"Sapphire Rapids", 48, 2048, false},
		{"unknown", 0, 0, false},
	} {
		if got := blocksFor(c.first<<10, c.second<<10).roomy; got != c.want {
			t.Errorf("%s: roomy is %t", c.name, got)
		}
	}
}

// TestBlocksSameBits: products and gradients have the same bits whatever the blocks.
func TestBlocksSameBits(t *testing.T) {
	old := cut
	defer func() { cut = old }()
	atEachLevel(t, func(t *testing.T) {
		s := LinearShape{N: 18, Rows: 13, In: 300, Out: 260}
		x, dy := make([]float32, s.N*s.Rows*s.In), make([]float32, s.N*s.Rows*s.Out)
		for i := range x {
			x[i] = float32(i%101)/101 - 0.5
		}
		for i := range dy {
			dy[i] = float32(i%97)/97 - 0.4
		}
		w := make([]float32, s.Out*s.In)
		for i := range w {
			w[i] = float32(i%103)/103 - 0.6
		}
		var first [][]float32
		for i := range 2 * len(sized) {
			cut = sized[i/2].blocks
			cut.roomy = i%2 == 0
			dw, db, dx := make([]float32, s.Out*s.In), make([]float32, s.Out), make([]float32, len(x))
			scratch := make([]float32, max(LinearGradWeightScratch(s), LinearGradInputScratch(s)))
			packed := make([]float32, LinearGradInputPackSize(s))
			LinearGradInputPack(packed, w, s, 0, LinearGradInputPackItems(s))
			LinearGradInput(dx, dy, packed, s, scratch, 0, LinearGradInputItems(s))
			LinearGradWeight(dw, db, dy, x, s, scratch, 0, LinearGradWeightItems(s))
			got := [][]float32{dw, db, dx}
			if first == nil {
				first = got
			}
			for i, name := range []string{"dw", "db", "dx"} {
				sameBits(t, name, got[i], first[i])
			}
		}
	})
}
