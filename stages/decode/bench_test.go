package decode

import (
	"bytes"
	"context"
	"testing"

	"lfm/internal/checkpoint"
	"lfm/internal/engine/cpu"
	"lfm/internal/latent"
	"lfm/internal/nn"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// BenchmarkGenerate draws 256 pictures of the size of examples/critters, with the guidance
// and solver of lfm generate, in batches of 1 and of 64; sampler is the same without decoder
// and files' texts, the most that generating could reach.
func BenchmarkGenerate(b *testing.B) {
	const pictures = 256
	backend := cpu.Open(0)
	defer backend.Close()
	ae, fl := untrained(b)
	labels, numbers := make([]int, pictures), make([]int, pictures)
	for i := range numbers {
		numbers[i] = i
	}
	o := flow.SampleOptions{Guidance: 3, Steps: 20, Solver: "heun"}
	perSecond := func(b *testing.B) {
		b.ReportMetric(float64(b.N*pictures)/b.Elapsed().Seconds(), "pictures/s")
	}
	b.Run("sampler/batch=64", func(b *testing.B) {
		sampler, err := fl.NewSampler(backend, 64, o)
		if err != nil {
			b.Fatal(err)
		}
		defer sampler.Close()
		latents := make([]float32, pictures*sampler.Size())
		for b.Loop() {
			if _, err := sampler.Draw(context.Background(), latents, labels, numbers, 1); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b)
	})
	for name, batch := range map[string]int{"batch=1": 1, "batch=64": 64} {
		b.Run(name, func(b *testing.B) {
			r := Request{Labels: labels, Numbers: numbers, Seed: 1, Batch: batch, SampleOptions: o}
			for b.Loop() {
				if err := Generate(context.Background(), backend, ae, fl, r, func(Drawn) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			perSecond(b)
		})
	}
}

// untrained is a model of the size of examples/critters with its first weights.
func untrained(b *testing.B) (*autoencoder.Model, *flow.Model) {
	arch := autoencoder.Arch{Channels: 16, LatentChannels: 4, Downsample: 4, Size: 32}
	training, err := autoencoder.NewTraining(arch, 1)
	if err != nil {
		b.Fatal(err)
	}
	ae := autoencoder.NewModel(arch, initial(b, training.Params))
	spec := flow.Spec{
		Arch:   flow.Arch{Tokens: 64, Channels: 4, Width: 128, Depth: 4, Heads: 4, Classes: 2, ContextTokens: 8},
		Latent: latent.Shape{H: 8, W: 8, C: 4}, Stats: latent.Stats{Mean: make([]float64, 4), Std: []float64{1, 1, 1, 1}},
		Classes: []string{"cat", "dog"}, Autoencoder: ae.ID.String(),
	}
	net, err := flow.NewEvaluation(spec.Arch, 1, 1)
	if err != nil {
		b.Fatal(err)
	}
	return ae, flow.NewModel(spec, initial(b, net.Params))
}

// initial is a file of parameters' first values.
func initial(b *testing.B, params *nn.Params) *checkpoint.File {
	var tensors []checkpoint.Tensor
	for _, p := range params.All() {
		tensors = append(tensors, checkpoint.Tensor{Name: p.Name, Shape: p.Shape(), Data: p.Initial(1)})
	}
	var file bytes.Buffer
	if err := checkpoint.Write(&file, tensors, nil); err != nil {
		b.Fatal(err)
	}
	f, err := checkpoint.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		b.Fatal(err)
	}
	return f
}
