package engine

import "lfm/internal/ops"

// inPlace says whether result k of an operation may lie where operand j lies. Point-wise
// operations may always; these others read each stretch of the operand wholly before
// they write the same stretch of the result, and no other stretch later.
func inPlace(kind ops.Kind, j, k int) bool {
	return false
}
