// Command point writes the point-wise functions, the sums and the row functions behind
// activations, norms, softmax, losses and the optimizer.
//
// Each is written once, by a writer that emits AVX2 or AVX-512. The last elements of a
// row are the same instructions under a mask, so that an element's bits do not depend on
// where in a row it stands.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("!noasm")
	for _, w := range []*writer{{name: "AVX2", lanes: 8}, {name: "AVX512", lanes: 16}} {
		w.pointwiseFunctions()
		w.adamw("adamw", false)
		w.adamw("adamwEMA", true)
		w.reductions()
		w.sumSquares()
		w.layerNorm()
		w.layerNormScaleShift()
		w.layerNormGrad()
		w.softmaxColumns()
		w.softmaxBlock()
		w.dotRows()
		w.channelFunctions()
		w.columnFunctions()
		w.squares()
		w.winogradInput()
		w.winogradOutput()
		w.winogradWeights()
	}
	Generate()
}
