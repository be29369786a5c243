package nn

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestNames makes a few layers and wants PyTorch's names and shapes, in the order of making.
func TestNames(t *testing.T) {
	p := NewParams(gorgonia.NewGraph())
	block := p.Root().In("blocks").At(0)
	NewLinear(block.In("mlp", "0"), 3, 5)
	NewConv2d(block.In("c1"), 4, 6, 3, 1)
	NewUpsampleConv(block.In("up"), 6, 7)
	NewGroupNorm(block.In("n1"), 6, 2)
	p.Root().In("cond").Normal("weight", 1, 11, 8)
	want := []struct {
		name  string
		shape tensor.Shape
	}{
		{"blocks.0.mlp.0.weight", tensor.Shape{5, 3}}, {"blocks.0.mlp.0.bias", tensor.Shape{5}},
		{"blocks.0.c1.weight", tensor.Shape{6, 4, 3, 3}}, {"blocks.0.c1.bias", tensor.Shape{6}},
		{"blocks.0.up.weight", tensor.Shape{7, 6, 3, 3}}, {"blocks.0.up.bias", tensor.Shape{7}},
		{"blocks.0.n1.weight", tensor.Shape{6}}, {"blocks.0.n1.bias", tensor.Shape{6}},
		{"cond.weight", tensor.Shape{11, 8}},
	}
	if len(p.All()) != len(want) {
		t.Fatalf("%d parameters, want %d", len(p.All()), len(want))
	}
	count := 0
	for i, q := range p.All() {
		if q.Name != want[i].name || !slices.Equal(q.Shape(), want[i].shape) {
			t.Errorf("parameter %d is %s %v, want %s %v", i, q.Name, q.Shape(), want[i].name, want[i].shape)
		}
		if q.Node.Name() != q.Name || p.Get(q.Name) != q || p.Nodes()[i] != q.Node {
			t.Errorf("%s: its node or its entry is another's", q.Name)
		}
		count += q.Size()
	}
	if p.Count() != count {
		t.Errorf("Count is %d, want %d", p.Count(), count)
	}
}

// TestNameTaken: two parameters of one name would be one node to gorgonia.
func TestNameTaken(t *testing.T) {
	p := NewParams(gorgonia.NewGraph())
	NewLinear(p.Root().In("a"), 2, 2)
	defer func() {
		if recover() == nil {
			t.Error("a second a.weight was made")
		}
	}()
	NewLinear(p.Root().In("a"), 2, 2)
}

// TestInitial holds first values to their laws: bounds, mean, variance, constants.
func TestInitial(t *testing.T) {
	p := NewParams(gorgonia.NewGraph())
	NewLinear(p.Root().In("lin"), 256, 64)
	p.Root().In("emb").Normal("weight", 1, 100, 100)
	NewGroupNorm(p.Root().In("norm"), 8, 2)
	lin, emb := p.Get("lin.weight").Initial(7), p.Get("emb.weight").Initial(7)
	for _, x := range lin {
		if math.Abs(float64(x)) > 1./16 {
			t.Fatalf("a weight of %v, want at most 1/√256", x)
		}
	}
	for _, c := range []struct {
		name     string
		x        []float32
		variance float64
	}{{"uniform", lin, 1. / 256 / 3}, {"normal", emb, 1}} {
		mean, square := 0., 0.
		for _, x := range c.x {
			mean += float64(x) / float64(len(c.x))
			square += float64(x) * float64(x) / float64(len(c.x))
		}
		// 10,000 draws: the mean is within 4 standard errors, the variance within 6 %.
		if math.Abs(mean) > 4*math.Sqrt(c.variance/float64(len(c.x))) || math.Abs(square/c.variance-1) > 0.06 {
			t.Errorf("%s: mean %g, variance %g, want 0 and %g", c.name, mean, square, c.variance)
		}
	}
	for i, x := range p.Get("norm.weight").Initial(7) {
		if x != 1 || p.Get("norm.bias").Initial(7)[i] != 0 {
			t.Error("a norm does not begin as the identity")
		}
	}
}

// TestInitialIsPure: first values depend on the seed and the name, not on what else there is.
func TestInitialIsPure(t *testing.T) {
	a, b := NewParams(gorgonia.NewGraph()), NewParams(gorgonia.NewGraph())
	NewLinear(a.Root().In("x"), 3, 4)
	NewLinear(b.Root().In("y"), 3, 4)
	NewLinear(b.Root().In("x"), 3, 4)
	x, again := a.Get("x.weight").Initial(1), b.Get("x.weight").Initial(1)
	if !reflect.DeepEqual(x, again) {
		t.Error("x.weight depends on the layers before it")
	}
	if reflect.DeepEqual(x, b.Get("y.weight").Initial(1)) || reflect.DeepEqual(x, a.Get("x.weight").Initial(2)) {
		t.Error("other names or seeds give the same values")
	}
}
