package autoencoder

import (
	"slices"
	"strings"
	"testing"
)

// TestShapes: each member of the family codes its images to the latents that it says.
func TestShapes(t *testing.T) {
	for _, a := range []Arch{R1, {Channels: 16, LatentChannels: 3, Downsample: 2, Size: 12}, {Channels: 6, LatentChannels: 1, Downsample: 8, Size: 8}} {
		m, err := NewTraining(a, 1)
		if err != nil {
			t.Errorf("%+v: %v", a, err)
			continue
		}
		s := a.LatentSize()
		if !slices.Equal(m.Mean.Shape(), []int{1, s, s, a.LatentChannels}) || !slices.Equal(m.Reconstruction.Shape(), []int{1, a.Size, a.Size, 3}) {
			t.Errorf("%+v: latents %v, images %v", a, m.Mean.Shape(), m.Reconstruction.Shape())
		}
	}
}

// TestR1Size: the reference model has as many parameters as its PyTorch twin.
func TestR1Size(t *testing.T) {
	m, err := NewTraining(R1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Params.Count(), r1Parameters; got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
}

// r1Parameters is sum(p.numel() for p in Autoencoder().parameters()) in torch_reference.py.
const r1Parameters = 1589611

// TestValidate: what a family member cannot be is said in the words of the settings.
func TestValidate(t *testing.T) {
	for _, c := range []struct {
		want string
		a    Arch
	}{
		{"downsample is 3", Arch{32, 4, 3, 32}},
		{"downsample is 16", Arch{32, 4, 16, 32}},
		{"size 30", Arch{32, 4, 4, 30}},
		{"size 0", Arch{32, 4, 4, 0}},
		{"latent_channels is 0", Arch{32, 0, 4, 32}},
		{"channels is 5", Arch{5, 4, 4, 32}},
		{"channels is 40", Arch{40, 4, 4, 32}},
	} {
		if _, err := NewTraining(c.a, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.a, err, c.want)
		}
	}
	if _, err := NewTraining(R1, 0); err == nil {
		t.Error("a batch of 0 was built")
	}
}
