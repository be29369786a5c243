// Package nn builds layers of parameters and operations on a gorgonia graph.
//
// A model's parameters live in a Params, in the order in which they were made, under the
// names that PyTorch gives them. A Scope is a place in that list of names:
//
//	params := nn.NewParams(gorgonia.NewGraph())
//	block := params.Root().In("blocks", "0")
//	mlp := nn.NewLinear(block.In("mlp", "0"), 256, 1024) // blocks.0.mlp.0.weight (1024, 256), blocks.0.mlp.0.bias (1024)
//	y := ops.GELU(mlp.Apply(x))
//
// Layers are nouns: making one makes its parameters, Apply adds its computation to the
// graph, and applying one twice shares its weights. A Param is a leaf of the graph, without
// a value: engines and the tape machine are given values by name. Its Init says how they
// begin, by PyTorch's defaults, and Initial draws them from a seed and the parameter's name
// alone, so that a model's first weights do not depend on the order of its layers.
package nn
