package kernels

// blocks are the sizes of what is worked on at a time, by the sizes of the caches that it is to stay in. They
// change no bit of any result: sums do not end where these blocks do.
type blocks struct {
	rows  int  // of a product's block of A
	group int  // items of a weight gradient that are computed together, at most maxGroup
	roomy bool // tiles of AVX-512 read A as it lies, beside a panel of B
}

// maxGroup is the size of the greatest group of items.
const maxGroup = 32

// sized is the blocks for second-level caches of at least so many KiB, and who has such.
//
// A block of rows of 256 numbers takes a KiB a row, and as much for the rows that are fetched
// meanwhile. A group of items takes 9 KiB of sums an item, 32 KiB for a panel of four items,
// and as much again for what is fetched, beside the blocks of A.
var sized = []struct {
	kib int
	blocks
}{
	{1024, blocks{rows: 96, group: 32}}, // Intel's servers since Skylake (1 to 2 MiB), Tiger Lake and desktops since Alder Lake, Zen 4 and 5
	{512, blocks{rows: 96, group: 16}},  // Zen to Zen 3, Ice Lake's laptops (512 KiB)
	{0, blocks{rows: 48, group: 8}},     // Haswell to Comet Lake (256 KiB)
}

// cut is what this processor's work is cut by.
var cut = blocksFor(firstCache(), secondCache())

// Caches are roomy from a first-level one that holds a panel of B and half as much again, if the second-level one, from which A
// comes line by line, is near: the larger, the farther. Zen 5 has such, with which a copy of A for each worker made a training
// step of the flow 2 to 3 % longer. On Intel's Sapphire Rapids (48 KiB and 2 MiB) it made it 1 to 3 % shorter.
const (
	roomyFirst  = 48 << 10 // at least
	roomySecond = 1 << 20  // at most
)

// blocksFor is the sizes for first- and second-level caches of so many bytes; where they are not known, 0 or
// less, they are those of Zen 3.
func blocksFor(first, second int) blocks {
	if second <= 0 {
		second = 512 << 10
	}
	b := sized[len(sized)-1].blocks
	for _, s := range sized {
		if second >= s.kib<<10 {
			b = s.blocks
			break
		}
	}
	b.roomy = first >= roomyFirst && second <= roomySecond
	return b
}
