// Package flow is the stage that learns to turn noise into latents: the U-Net of latent diffusion
// (Rombach et al. 2022), or a transformer over latent tokens that is conditioned on time by adaptive
// layer norm (Peebles & Xie 2023), either conditioned on the class by cross-attention to
// context tokens, trained by flow matching on straight paths (Lipman et al. 2023, Liu et al. 2023).
//
// An Arch says which network it is and how large; Net is its layers on a graph; NewTraining,
// NewConditioning and NewEvaluation build the graphs that are run. Parameters have PyTorch's
// names (inp.weight, blocks.0.cross_attn.kv.weight, …). The transformer, say (unet has a picture
// of the other):
//
//	z (N, L, C) ─inp, + pos──▶ x (N, L, D) ─blocks, out──▶ velocity (N, L, C)
//	t (N) ─────────time──────▶ (N, D) ───────┘ scales, shifts and gates
//	labels (N) ────cond──────▶ context (N, M, D) ─kv of each block─┘ keys and values
//
// In the place of classes a network may read captions or properties: newEncoder says which encoder
// of crossattn makes their tokens. Everything but the network's input still speaks of labels; a book
// has the row of numbers that a label stands for. To sampling, the classes of such a model are
// whatever is asked for: see Model.Prompted.
//
// A Noising pairs the latents of a batch with noise: a Base says how noise is distributed, fitted
// to the latents by the stage, and the coupling which noise of a batch goes with which latent.
//
// A Sampler computes nothing twice: the keys and values of a generation's labels once, what
// depends on the time once an evaluation for all samples, and once for both halves of a guided
// sample what comes before the first cross-attention.
//
// A Likelihood goes the other way, from a latent to its log-density.
//
// Time is the lecture's: t = 0 is data, t = 1 is noise, z_t = (1-t) x + (t + sigma_min) eps,
// and the velocity is v = x - eps = -dz/dt. With objective: noise the path is that of diffusion
// models, and the network predicts eps.
package flow
