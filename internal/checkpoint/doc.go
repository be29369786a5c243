// Package checkpoint writes and reads named tensors as safetensors, and keeps the
// rotating checkpoints of a training run.
//
// A safetensors file is
//
//	+-----------+---------------------+-----------------------+
//	| n (8 B)   | header (n B, JSON)  | tensors, end to end   |
//	+-----------+---------------------+-----------------------+
//
//	{"__metadata__":{"kind":"flow"},
//	 "blocks.0.weight":{"dtype":"F32","shape":[256,64],"data_offsets":[0,65536]}, …}
//
// with all numbers little-endian, offsets counted from the end of the header, and the
// header padded with spaces so that the tensors begin at a multiple of 8. Any
// safetensors reader opens it. Write's bytes are a pure function of its arguments.
// Read trusts nothing: it checks every length before it allocates.
//
//	checkpoint.Write(w, []checkpoint.Tensor{{Name: "w", Shape: []int{2, 3}, Data: w}}, nil)
//	f, err := checkpoint.ReadFile("weights.safetensors")
//	w, err := f.Floats("w", 2, 3)
//
// A Series is a folder with the two newest checkpoints of a run. Each is a safetensors
// file followed by a trailer with the SHA-256 of everything before it:
//
//	series := checkpoint.OpenSeries(work.FS, work.Path("checkpoints"))
//	f, step, err := series.Latest()     // nil, 0: begin at the beginning
//	err = series.Save(step, tensors, meta)
package checkpoint
