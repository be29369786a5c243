package crossattn_test

import (
	"fmt"
	"log"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/crossattn"
)

// Four latent tokens of two samples read the context of a class and the null context, on
// gorgonia's own machine.
func Example() {
	g := gorgonia.NewGraph()
	params := crossattn.Learn(g, 7)
	classes := crossattn.NewClassTokens(params.In("cond"), 10, 8, 32)   // ten classes of 8 tokens of 32
	layer := crossattn.NewAttention(params.In("cross_attn"), 16, 32, 4) // tokens of 16, 4 heads

	labels := gorgonia.NewTensor(g, tensor.Float32, 1, gorgonia.WithShape(2), gorgonia.WithName("labels"))
	x := gorgonia.NewTensor(g, tensor.Float32, 3, gorgonia.WithShape(2, 4, 16), gorgonia.WithName("x"),
		gorgonia.WithInit(gorgonia.Ones()))

	context := classes.Encode(labels) // (2, 8, 32)
	kv := layer.KeysValues(context)   // (2, 8, 32): keys and values, good for every step of a sampler
	y := layer.Attend(x, kv)          // (2, 4, 16)

	class, null := float32(3), float32(classes.Null())
	if err := gorgonia.Let(labels, tensor.New(tensor.WithBacking([]float32{class, null}))); err != nil {
		log.Fatal(err)
	}
	machine := gorgonia.NewTapeMachine(g)
	defer machine.Close()
	if err := machine.RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("context", context.Value().Shape())
	fmt.Println("keys and values", kv.Value().Shape())
	fmt.Println("tokens", y.Value().Shape())
	for _, p := range params.Nodes() {
		fmt.Println(p.Name(), p.Shape())
	}

	// Output:
	// context (2, 8, 32)
	// keys and values (2, 8, 32)
	// tokens (2, 4, 16)
	// cond.weight (11, 256)
	// cross_attn.q.weight (16, 16)
	// cross_attn.q.bias (16)
	// cross_attn.kv.weight (32, 32)
	// cross_attn.kv.bias (32)
	// cross_attn.o.weight (16, 16)
	// cross_attn.o.bias (16)
}
