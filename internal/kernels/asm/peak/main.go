// Command peak writes the register-only multiply-add loops that tell what a core could
// do at best.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// accumulators is the number of independent sums: two multiply-adds a cycle, four
// cycles each, need eight; sixteen leave room.
const accumulators = 16

func main() {
	ConstraintExpr("!noasm")
	loop("peakAVX512", 16, ZMM)
	loop("peakAVX2", 8, YMM)
	Generate()
}

// loop writes a function that does n rounds of 16 multiply-adds, all by a factor of zero so that no value grows. AVX2, which
// has 16 registers, has 14 sums for them, two of which are used twice.
func loop(name string, lanes int, vec func() reg.VecVirtual) {
	TEXT(name, NOSPLIT, "func(n int)")
	Doc(name + " does n rounds of 16 multiply-adds on registers alone.")
	n := Load(Param("n"), GP64())
	var acc []reg.VecVirtual
	count := accumulators
	if lanes == 8 {
		count = 14
	}
	for range count {
		v := vec()
		zero(lanes, v)
		acc = append(acc, v)
	}
	factor := vec()
	zero(lanes, factor)
	Label("loop")
	for i := range accumulators {
		a := acc[i%count]
		VFMADD231PS(factor, factor, a)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

func zero(lanes int, v reg.VecVirtual) {
	if lanes == 16 {
		VPXORD(v, v, v)
		return
	}
	VPXOR(v, v, v)
}
