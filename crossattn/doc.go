// Package crossattn conditions a network on context tokens by cross-attention, as latent
// diffusion does (Rombach et al. 2022, section 3.3): every latent token asks a question of
// the context and reads what answers it.
//
//	labels (N) ──ClassTokens.Encode──▶ context (N, M, W) ──Attention.KeysValues──▶ kv (N, M, 2D)
//	                                                                                  │
//	                                      tokens x (N, L, D) ──Attention.Attend───────┴──▶ (N, L, D)
//
// There are only a few types. ClassTokens is a context encoder: each class has M learned
// tokens of its own, and so has the null context, the class after the last, which stands for
// "no condition" and makes classifier-free guidance possible (Ho & Salimans 2022). Attention
// is one layer of multi-head cross-attention. Parameters is where layers get their learned
// tensors from; Learn serves a graph of your own.
//
// Keys and values depend on the context alone, so that a sampler can compute them once and
// let every step of every solver attend to them: KeysValues and Attend are the two halves of
// Apply. Queries and Answer are those of Attend, for tokens that ask several contexts the same.
//
// All names of this package use types of gorgonia and of its own. Values are float32; labels
// are whole numbers in float32. Tensors are named and shaped as PyTorch's nn.Embedding and
// nn.Linear have them: weight (classes+1, M·W); q, kv and o with weight (out, in) and bias
// (out), keys before values in kv's rows.
//
// Misuse, such as a width that does not divide into the heads, panics with the sizes that do
// not fit.
package crossattn
