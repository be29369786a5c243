package evaluate

import (
	"testing"

	"lfm/artifacts"
	"lfm/internal/dataset"
	"lfm/pipeline"
	"lfm/pipeline/pipelinetest"
	"lfm/stages/autoencoder"
	"lfm/stages/classifier"
	"lfm/stages/encode"
	"lfm/stages/flow"
)

// data opens a data set of so many critters of three kinds, 16 pixels wide.
func data(t *testing.T, b *pipelinetest.Bench, count int, change func(*dataset.Config)) pipeline.Inputs {
	t.Helper()
	c := dataset.Default()
	c.Source, c.Count, c.Size, c.TestFraction = "critters", count, 16, 0.3
	c.Classes = []string{"cat", "frog", "penguin"}
	if change != nil {
		change(c)
	}
	src, err := dataset.Open(c, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Inputs{Data: b.Data(src), Source: src, Artifacts: map[string]*artifacts.Artifact{}}
}

func classifierOf(b *pipelinetest.Bench, in pipeline.Inputs, steps int) *artifacts.Artifact {
	c := classifier.DefaultConfig()
	c.Channels, c.Features, c.Batch, c.Steps, c.LearningRate = 8, 16, 16, steps, 4e-3
	return b.Run(classifier.Kind(pipelinetest.CPU), c, pipeline.Inputs{Data: in.Data, Source: in.Source})
}

// trained adds to in the artifacts that a stage is made from: all models trained for so many steps.
func trained(t *testing.T, b *pipelinetest.Bench, in *pipeline.Inputs, classifierSteps, autoencoderSteps, flowSteps int) {
	t.Helper()
	a := autoencoder.DefaultConfig()
	a.Channels, a.Batch, a.Steps, a.LearningRate = 8, 16, autoencoderSteps, 4e-3
	in.Artifacts["classifier"] = classifierOf(b, *in, classifierSteps)
	ae := b.Run(autoencoder.Kind(pipelinetest.CPU), a, pipeline.Inputs{Data: in.Data, Source: in.Source})
	in.Artifacts["autoencoder"] = ae
	in.Artifacts["flow"] = flowOf(b, *in, flowSteps)
}

// flowOf trains a flow on the latents of the data set.
func flowOf(b *pipelinetest.Bench, in pipeline.Inputs, steps int) *artifacts.Artifact {
	latents := b.Run(encode.Kind(pipelinetest.CPU), encode.DefaultConfig(),
		pipeline.Inputs{Data: in.Data, Source: in.Source, Artifacts: map[string]*artifacts.Artifact{"autoencoder": in.Artifacts["autoencoder"]}})
	f := flow.DefaultConfig()
	f.Arch, f.Depth = flow.Transformer, 2 // which the race detector slows less than convolutions
	f.Width, f.Heads, f.ContextTokens, f.Previews = 48, 2, 2, false
	f.Batch, f.Steps, f.LearningRate, f.EMA = 16, steps, 4e-3, 0.98
	return b.Run(flow.Kind(pipelinetest.CPU), f, pipeline.Inputs{Artifacts: map[string]*artifacts.Artifact{"encode": latents, "autoencoder": in.Artifacts["autoencoder"]}})
}
