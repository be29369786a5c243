// Package lab trains small models on the spot and measures what the lecture claims of them.
//
// Nearly everything happens between two distributions in the plane, a source at t = 1 and a target at t = 0, where
// distances can be computed exactly and a field can be looked at:
//
//	source ──z_t = (1-t) x + t eps──▶ target        v(z, t) is a perceptron of three hidden layers
//
// [Table] is the benchmark of Tong et al. (2024, Simulation-free Schrödinger bridges via score and flow matching,
// table 2): four pairs of distributions, three ways to train a flow from the one to the other, and two figures of each:
//
//	W2   the exact 2-Wasserstein distance of what the flow makes to the target
//	NPE  | E ∫|v|² dt - W2²(source, target) | / W2²(source, target): how much longer than the shortest its paths are
//
// The protocol is theirs but for the activation, SiLU in place of SELU. Their code has several sets called moons, and
// which of them the table used is not said; here they are those of torchcfm/utils.py.
//
// [Figures] are the lecture's claims, each as a drawing with its numbers: lines that cross and the velocity that is
// learned there, particles under a field, a flow beside diffusion, times and their embedding, averaged weights,
// couplings, bases, guidance, and what the transformer of package flow costs on pixels and on latents. Where there is
// an exact field (package path), learned ones are compared with it.
//
// Models are graphs of package ops that package engine trains, and every draw is a function of the seed, so that a table
// is the same each time on one machine.
package lab
