package engine

import (
	"cmp"
	"slices"
)

// alignment of arena offsets in floats: 256 bytes, what GPUs want and cache lines divide.
const alignment = 64

// Align rounds a number of floats up to where the next buffer of a place may begin.
func Align(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

// placeArena gives every arena buffer an offset, so that buffers in use at the same time
// do not overlap, and returns the floats needed.
//
// It is the greedy rule of Pisarchyk and Lee (2020, "Efficient memory management for deep
// neural net inference", 5.2): buffers by falling size, each into the smallest gap that
// is free throughout its life. Small buffers then fill what large ones leave.
func placeArena(buffers []Buffer) int {
	var order []int
	for i, b := range buffers {
		if b.Place == Arena {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(-cmp.Compare(buffers[a].Size, buffers[b].Size), cmp.Compare(buffers[a].First, buffers[b].First))
	})

	total := 0
	var placed []int // by rising offset
	for _, i := range order {
		b := &buffers[i]
		b.Offset = smallestGap(buffers, placed, b)
		total = max(total, b.Offset+Align(b.Size))
		at, _ := slices.BinarySearchFunc(placed, b.Offset, func(j, offset int) int {
			return cmp.Compare(buffers[j].Offset, offset)
		})
		placed = slices.Insert(placed, at, i)
	}
	return total
}

// smallestGap finds where b fits best between the placed buffers that live with it.
func smallestGap(buffers []Buffer, placed []int, b *Buffer) int {
	end, best, bestGap := 0, -1, 0
	for _, j := range placed {
		other := &buffers[j]
		if other.Last < b.First || b.Last < other.First {
			continue
		}
		if gap := other.Offset - end; gap >= Align(b.Size) && (best < 0 || gap < bestGap) {
			best, bestGap = end, gap
		}
		end = max(end, other.Offset+Align(other.Size))
	}
	if best < 0 {
		return end
	}
	return best
}
