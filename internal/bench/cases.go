package bench

import (
	"context"
	"slices"

	"lfm/internal/engine"
	"lfm/internal/profile"
	"lfm/stages/autoencoder"
	"lfm/stages/flow"
)

// Case is one task of the reference model.
type Case struct {
	Name  string
	Batch int // items that are computed at a time
	Items int // items of a step; 0: a batch

	// FLOP is the work of an item.
	FLOP func() (float64, error)

	// Losses are those before each of 20 training steps on fill's weights and inputs, at
	// batch 64; nil where nothing is trained.
	Losses func(ctx context.Context, b engine.Backend) ([]float64, error)

	open func(b engine.Backend, batch int) (workload, error)
}

// workload is a case ready to run.
type workload interface {
	step(ctx context.Context) error // on a whole batch
	Close() error
}

// Sampling of the case flow-sample-10.
const (
	sampleSteps    = 10
	sampleGuidance = 3
)

// Cases are the five that the reference model is compared at, and two whole stages.
var Cases = slices.Concat([]Case{
	{
		Name: "ae-train", Batch: 64,
		FLOP:   func() (float64, error) { return sum(3, encodeFLOP, decodeFLOP) },
		Losses: autoencoderLosses,
		open: func(b engine.Backend, batch int) (workload, error) {
			return openAutoencoder(b, batch, initial, noisyImages(batch))
		},
	},
	{Name: "encode", Batch: 256, FLOP: encodeFLOP, open: openEncode},
	{Name: "decode", Batch: 256, FLOP: decodeFLOP, open: openDecode},
}, flowCases(flow.R1), []Case{
	{
		Name: "encode-stage", Batch: 256, Items: stageImages, FLOP: encodeFLOP,
		open: func(b engine.Backend, batch int) (workload, error) {
			return openEncodeStage(b, batch, stageImages)
		},
	},
	{
		Name: "decode-stage", Batch: 20, Items: stagePerClass * 10,
		FLOP: func() (float64, error) { return sum(1, decodeFLOP, sampleFLOP(flow.R1)) },
		open: func(b engine.Backend, batch int) (workload, error) {
			return openDecodeStage(b, batch, stagePerClass)
		},
	},
})

// flowCases are those of a flow.
func flowCases(a flow.Arch) []Case {
	return []Case{
		{
			Name: "flow-train", Batch: 64,
			FLOP:   func() (float64, error) { return sum(3, velocityFLOP(a)) },
			Losses: flowLosses,
			open: func(b engine.Backend, batch int) (workload, error) {
				return openFlow(b, a, batch, initial, noisyLatents(a, batch))
			},
		},
		{
			Name: "flow-sample-10", Batch: 64, FLOP: sampleFLOP(a),
			open: func(b engine.Backend, batch int) (workload, error) { return openSample(b, a, batch) },
		},
	}
}

// encodeFLOP is the work of encoding an image.
func encodeFLOP() (float64, error) {
	e, err := autoencoder.NewEncoding(autoencoder.R1, 1)
	if err != nil {
		return 0, err
	}
	return profile.GraphFLOP(e.Graph), nil
}

// decodeFLOP is the work of decoding a latent.
func decodeFLOP() (float64, error) {
	d, err := autoencoder.NewDecoding(autoencoder.R1, 1)
	if err != nil {
		return 0, err
	}
	return profile.GraphFLOP(d.Graph), nil
}

// velocityFLOP is the work of evaluating a flow's network for one sample.
func velocityFLOP(a flow.Arch) func() (float64, error) {
	return func() (float64, error) {
		c, err := flow.NewConditioning(a, 1)
		if err != nil {
			return 0, err
		}
		e, err := flow.NewEvaluation(a, 1, 1)
		if err != nil {
			return 0, err
		}
		return profile.GraphFLOP(c.Graph) + profile.GraphFLOP(e.Graph), nil
	}
}

// sampleFLOP is the work of a guided sample.
func sampleFLOP(a flow.Arch) func() (float64, error) {
	return func() (float64, error) { return sum(2*sampleSteps, velocityFLOP(a)) }
}

// sum is times the works together.
func sum(times float64, works ...func() (float64, error)) (total float64, err error) {
	for _, work := range works {
		w, err := work()
		if err != nil {
			return 0, err
		}
		total += times * w
	}
	return total, nil
}
