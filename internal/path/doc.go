// Package path joins data to noise, by the straight lines of flow matching or the turn of diffusion models, and samples
// the times at which a model is trained on the way.
//
// Time runs from t = 0, data, to t = 1, noise, and the velocity points back to the data, as in the lecture:
//
//	z_t = (1-t) x + (t + σ) eps        v = x - eps = -dz/dt
//	z_{t-dt} = z_t + dt v              ∂p/∂t = div(p v)
//
//	x ●━━━━━━━━━━━●━━━━━━━━━━━━━━● eps
//	  t=0         z_t ──▶ v      t=1        (v drawn at z_t points left, to x)
//
// [Straight] is one such line, sample by sample: what training interpolates, and how sampling starts and ends.
// σ (sigma_min) keeps a trace of noise at t = 0. With σ > 0 the path is the plain one cut off and scaled:
// t' = (t+σ)/(1+σ) and z' = z/(1+σ) turn one into the other, so sampling starts at (1+σ) times unit noise, and the last
// trace of noise is taken away by x = (z + σ v)/(1+σ). This is the lecture's variant. Lipman et al. (2023) have
// (σ + (1-σ)t) eps and another target; the two must not be mixed.
//
// [Diffusion] is the path of diffusion models, at the two usual speeds [LinearBeta] and [Cosine]. A [Path] is a [Moment]
// for each time. An [Objective] is a path and what a network predicts along it, velocity or noise; its methods convert the
// one to the other, to data and to score, and make the steps of DDIM, ancestral and stochastic sampling.
//
// [Uniform] and [LogitNormal] are distributions of t, given by their quantile functions so that [Stratified] can spread
// the times of a batch evenly; [Shifted] moves either towards noise or data. [Karras] are times of steps, by
// the noise level of a path.
//
// [Mixture] knows the exact answer where there is one: the velocity averaged over all data, its divergence, and the
// score, for data sets of finitely many points and for Gaussian mixtures, on every path. Tests hold solvers, losses and
// guidance to it.
package path
