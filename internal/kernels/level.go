package kernels

import (
	"fmt"
	"os"
	"sync/atomic"
)

// ISA is an instruction set that kernels are written for.
type ISA int32

const (
	Generic ISA = iota // plain Go
	AVX2               // AVX2 and FMA: 8 floats a register
	AVX512             // AVX-512 F, BW, DQ and VL: 16 floats a register
)

func (l ISA) String() string {
	switch l {
	case Generic:
		return "generic"
	case AVX2:
		return "avx2"
	case AVX512:
		return "avx512"
	}
	return fmt.Sprintf("ISA(%d)", int32(l))
}

// level is the instruction set in use. It is read at every call of a kernel and
// changed by tests alone.
var level atomic.Int32

// levelNote says why the environment's wish was not granted; "" if it was.
var levelNote string

func init() {
	l, note := chooseLevel(os.Getenv("LFM_CPU"), supported())
	levelNote = note
	level.Store(int32(l))
}

// chooseLevel is the instruction set that wish, the value of LFM_CPU, stands for, or the
// best one where there is no wish or it cannot be granted; then note says why.
func chooseLevel(wish string, best ISA) (l ISA, note string) {
	if wish == "" {
		return best, ""
	}
	for l := Generic; l <= AVX512; l++ {
		if l.String() != wish {
			continue
		}
		if l > best {
			return best, fmt.Sprintf("LFM_CPU=%s is not available here; using %s", wish, best)
		}
		return l, ""
	}
	return best, fmt.Sprintf("LFM_CPU=%q is none of generic, avx2, avx512; using %s", wish, best)
}

// Level is the instruction set in use: the best that the processor and the build have, or
// the one that the environment variable LFM_CPU names (generic, avx2, avx512).
func Level() ISA { return ISA(level.Load()) }

// LevelNote says in one line why LFM_CPU was not followed. It is empty if it was, or is
// not set.
func LevelNote() string { return levelNote }

// Levels lists what can be used here, plainest first.
func Levels() []ISA {
	var all []ISA
	for l := Generic; l <= supported(); l++ {
		all = append(all, l)
	}
	return all
}

// SetLevel makes kernels use l from now on and returns what was used before. It is there
// for tests and benchmarks: weights packed at one level are not to be multiplied at
// another, and results differ in their last bits. It panics if l is not in [Levels].
func SetLevel(l ISA) (before ISA) {
	if l < Generic || l > supported() {
		panic("kernels: set level: not available: " + l.String())
	}
	return ISA(level.Swap(int32(l)))
}
