package optest

import (
	"fmt"
	"testing"

	"lfm/internal/checkpoint"
)

// Golden is a file of values that PyTorch computed for a small reference model: param.<name>,
// input.<name>, output.<name>, grad.<name>, loss and losses, as peers/torch_golden.py
// writes them. Its images are (N, C, H, W).
type Golden struct{ file *checkpoint.File }

// GoldenTolerance bounds the relative L2 distance of each tensor from PyTorch's: both compute
// in float32, in other orders, through some 40 layers.
const GoldenTolerance = 1e-4

// OpenGolden reads a golden file.
func OpenGolden(t testing.TB, path string) *Golden {
	t.Helper()
	f, err := checkpoint.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &Golden{f}
}

// Names are the tensors of the file, in its order.
func (g *Golden) Names() []string {
	names := make([]string, len(g.file.Tensors))
	for i, t := range g.file.Tensors {
		names[i] = t.Name
	}
	return names
}

// Floats gives a tensor's numbers as they stand. It panics if there is no such tensor.
func (g *Golden) Floats(name string) []float32 {
	t, ok := g.file.Get(name)
	if !ok {
		panic(fmt.Sprintf("optest: the golden file has no %s", name))
	}
	if t.Ints == nil {
		return t.Data
	}
	x := make([]float32, len(t.Ints))
	for i, v := range t.Ints {
		x[i] = float32(v)
	}
	return x
}

// Images gives the numbers of a tensor (N, C, H, W) in the order (N, H, W, C).
func (g *Golden) Images(name string) []float32 {
	x := g.Floats(name)
	t, _ := g.file.Get(name)
	if len(t.Shape) != 4 {
		panic(fmt.Sprintf("optest: %s is %v, want (N, C, H, W)", name, t.Shape))
	}
	c, h, w := t.Shape[1], t.Shape[2], t.Shape[3]
	y := make([]float32, len(x))
	for i := range x {
		j, k, l := i/w%h, i%w, i/(w*h)%c
		y[((i/(c*h*w)*h+j)*w+k)*c+l] = x[i]
	}
	return y
}
