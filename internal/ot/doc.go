// Package ot pairs two sets at the least cost: optimal transport between as many points here as there.
//
//	pairs, err := ot.Assign(n, func(i int, costs []float64) { … }) // row i of the matrix of costs
//	pairs.Of[i]                                                     // the partner of i
//
// [Assign] is exact. Costs are asked for a row at a time, and memory grows with n alone.
package ot
