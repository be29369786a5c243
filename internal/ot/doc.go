// Package ot pairs two sets at the least cost: optimal transport between as many points here as there.
//
//	pairs, err := ot.Assign(n, func(i int, costs []float64) { … }) // row i of the matrix of costs
//	pairs.Of[i]                                                     // the partner of i
//
//	pairs, err := ot.Points{X: x, Y: y, D: d}.Assign()             // by squared distance
//	of, err := ot.Points{X: x, Y: y, D: d}.AssignWithin(class)     // each class for itself
//
//	plan, err := ot.Sinkhorn(n, costs, epsilon)            // soft: at the least cost and entropy
//	plan, err := ot.Points{X: x, Y: y, D: d}.Sinkhorn(0.1) // at a tenth of the mean cost
//	plan.Draw(uniform)                                     // a permutation whose mean is the plan
//
// [Assign] is exact. Costs are asked for a row at a time, and memory grows with n alone; a [Plan] is n by n.
package ot
