// Package autoencodertest makes autoencoders for the tests of what is built on them.
package autoencodertest

import (
	"bytes"
	"encoding/json"
	"testing"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/ops/optest"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/autoencoder"
)

// Artifact publishes an autoencoder that was never trained: its weights are functions of
// their names alone.
func Artifact(t testing.TB, b *pipelinetest.Bench, a autoencoder.Arch) *artifacts.Artifact {
	t.Helper()
	graph, err := autoencoder.NewTraining(a, 1)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []checkpoint.Tensor
	for _, p := range graph.Params.All() {
		values := optest.Fill(p.Name, p.Size())
		for i := range values {
			values[i] *= 0.3
		}
		tensors = append(tensors, checkpoint.Tensor{Name: p.Name, Shape: p.Shape(), Data: values})
	}
	var weights bytes.Buffer
	if err := checkpoint.Write(&weights, tensors, nil); err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(autoencoder.NewModel(a, nil).Spec)
	if err != nil {
		t.Fatal(err)
	}
	return b.Artifact(autoencoder.Output, map[string][]byte{"autoencoder.json": spec, "autoencoder.safetensors": weights.Bytes()})
}
