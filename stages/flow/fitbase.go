package flow

import (
	"bytes"
	"context"
	"fmt"

	"lfm/artifacts"
	"lfm/internal/checkpoint"
	"lfm/internal/latent"
	"lfm/internal/metrics"
)

// maxPoints is the most numbers that base empirical holds, 32 MiB: latents beyond are left out, those that stay spread
// evenly over all.
const maxPoints = 1 << 23

// learned are the latents that a base is fitted to: those of the training split, normalised.
type learned struct {
	set  *latent.Set
	spec *Spec
	rows []int
}

// each hands out one latent after the other, with its label. x is the callee's until it returns.
func (l *learned) each(ctx context.Context, take func(x []float32, label int)) error {
	x := make([]float32, l.set.Shape().Size())
	for i, row := range l.rows {
		if i%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := l.set.Read(x, row); err != nil {
			return err
		}
		l.spec.Stats.Normalize(x, x)
		take(x, l.spec.Label(l.set.Label(row)))
	}
	return nil
}

// fitBase fits the base that settings ask for and gives it to the spec. It returns the file that it is kept in, nil for
// N(0, I), and has read the base from that, so that training and sampling know the same numbers. hold says how other, the
// latents of another source, are held meanwhile.
func (s *stage) fitBase(ctx context.Context, set *latent.Set, spec *Spec, other *artifacts.Artifact, hold latent.Options) (file []byte, err error) {
	var tensors []checkpoint.Tensor
	l := &learned{set, spec, set.Rows(latent.Train)}
	switch s.config.Base {
	case gaussian:
		return nil, nil
	case correlated:
		tensors, err = fitSpectrum(ctx, l)
	case moments:
		tensors, err = fitNormals(ctx, l, 1)
	case classMoments:
		tensors, err = fitNormals(ctx, l, len(spec.Classes))
	case empirical:
		tensors, err = gatherPoints(ctx, spec, other, hold)
	}
	if err != nil {
		return nil, fmt.Errorf("flow: base %s: %w", s.config.Base, err)
	}
	var b bytes.Buffer
	if err := checkpoint.Write(&b, tensors, map[string]string{"format": fmt.Sprint(format), "base": s.config.Base}); err != nil {
		return nil, err
	}
	f, err := checkpoint.Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		return nil, err
	}
	spec.Base = s.config.Base
	spec.base, err = readBase(spec.Base, spec.Latent, len(spec.Classes), f)
	return b.Bytes(), err
}

// gatherPoints reads the latents of another source, normalised as the model's own are, so that a picture that is in both
// is one point. For that they must come from one autoencoder.
func gatherPoints(ctx context.Context, spec *Spec, other *artifacts.Artifact, hold latent.Options) ([]checkpoint.Tensor, error) {
	set, err := latent.Open(ctx, other.Path, hold)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	if set.Shape() != spec.Latent {
		return nil, fmt.Errorf("its latents are %v, and the others %v", set.Shape(), spec.Latent)
	}
	if theirs := set.Summary().Autoencoder; theirs != spec.Autoencoder {
		return nil, fmt.Errorf("its latents are those of autoencoder %.12s, and the others of %.12s; only latents of one autoencoder lie in one space: encode both sources with the same", theirs, spec.Autoencoder)
	}
	size := set.Shape().Size()
	rows := set.Rows(latent.Train)
	l := &learned{set, spec, metrics.Spread(rows, max(1, maxPoints/size))}
	var data []float32
	err = l.each(ctx, func(x []float32, _ int) { data = append(data, x...) })
	if err == nil && len(data) == 0 {
		err = fmt.Errorf("its source has no training images")
	}
	return []checkpoint.Tensor{{Name: latentsTensor, Shape: []int{len(data) / size, size}, Data: data}}, err
}
