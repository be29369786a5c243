// Package crossattn conditions a network on context tokens by cross-attention, as latent
// diffusion does (Rombach et al. 2022, section 3.3): every latent token asks a question of
// the context and reads what answers it.
//
//	labels (N) ──ClassTokens.Encode──▶ context (N, M, W) ──Attention.KeysValues──▶ kv (N, M, 2D)
//	                                                                                  │
//	                                      tokens x (N, L, D) ──Attention.Attend───────┴──▶ (N, L, D)
//
// There are only a few types. An Encoder makes context tokens of conditions, and each has a null
// context, which stands for "no condition" and makes classifier-free guidance possible (Ho &
// Salimans 2022). ClassTokens has M learned tokens for each class, and for the class after the
// last, the null context. TextTokens is a small transformer over the word pieces of a text, into
// which a Tokenizer cuts it; no text is its null context. NumberTokens takes a vector of numbers
// through two layers. Attention is one layer of multi-head cross-attention. Parameters is where
// layers get their learned tensors from; Learn serves a graph of your own.
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

import "gorgonia.org/gorgonia"

// Encoder makes context tokens (N, M, W) of conditions: labels (N), token numbers (N, M) or
// numbers (N, P+1).
type Encoder interface {
	Encode(conditions *gorgonia.Node) *gorgonia.Node
}
