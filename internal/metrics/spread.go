package metrics

// Spread picks n items evenly from a list that may be sorted, by class say; all of them if
// there are no more.
func Spread(items []int, n int) []int {
	if len(items) <= n {
		return items
	}
	picked := make([]int, n)
	for i := range picked {
		picked[i] = items[i*len(items)/n]
	}
	return picked
}
