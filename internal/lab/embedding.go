package lab

import (
	"context"
	"math"

	"gorgonia.org/gorgonia"

	"lfm/internal/engine"
	"lfm/internal/nn"
	"lfm/internal/ops"
	"lfm/internal/plot"
)

var embedding = Figure{
	Name:  "embedding",
	Claim: "Sines and cosines of many frequencies tell times apart that are one number else, and near times stay near.",
	draw:  drawEmbedding,
}

const embeddingDim, embeddingTimes = 64, 101

func drawEmbedding(_ context.Context, s studio) (plot.Figure, Numbers, error) {
	rows, err := s.embed()
	if err != nil {
		return plot.Figure{}, nil, err
	}
	heat := make([][]float64, embeddingTimes)
	numbers := Numbers{}
	cosine := func(i, j int) (sum float64) {
		for k := range embeddingDim {
			sum += rows[i][k] * rows[j][k] * 2 / embeddingDim // sin² + cos² = 1 of each frequency
		}
		return sum
	}
	var marks []plot.Mark
	for i := range heat {
		heat[i] = rows[i]
	}
	for k, i := range []int{20, 50, 80} {
		var similar, at []float64
		for j := range embeddingTimes {
			similar, at = append(similar, cosine(i, j)), append(at, float64(j)/100)
		}
		colour := []plot.Line{{Color: plot.Blue, Label: "to t = 0.2"}, {Color: plot.Green, Label: "to t = 0.5"}, {Color: plot.Orange, Label: "to t = 0.8"}}[k]
		colour.At, colour.Width = series(at, similar), 2
		marks = append(marks, colour)
	}
	nearest, farthest := math.Inf(-1), math.Inf(1)
	for i := range embeddingTimes {
		for j := range i {
			switch {
			case i-j >= 5:
				nearest = max(nearest, cosine(i, j))
			case i-j == 1:
				farthest = min(farthest, cosine(i, j))
			}
		}
	}
	numbers["greatest likeness of times 0.05 or more apart"] = []float64{nearest}
	numbers["least likeness of times 0.01 apart"] = []float64{farthest}
	return plot.Figure{
		Title: "The embedding of time",
		Panels: []plot.Panel{
			{Title: "A row for each time: -1 blue, 1 orange", XLabel: "component: sines, then cosines", YLabel: "t",
				X: plot.Range{Lo: 0, Hi: embeddingDim}, Y: plot.Range{Lo: 0, Hi: 1},
				Marks: []plot.Mark{plot.Heat{Rows: heat, X: plot.Range{Lo: 0, Hi: embeddingDim}, Y: plot.Range{Lo: 0, Hi: 1}}}},
			{Title: "Likeness of embeddings (cosine)", XLabel: "t", YLabel: "cosine", Marks: marks},
		},
	}, numbers, nil
}

// embed runs the operation that models embed time with on 0, 0.01, …, 1.
func (s studio) embed() ([][]float64, error) {
	g := gorgonia.NewGraph()
	t := nn.Input(g, "t", embeddingTimes)
	out := ops.TimeEmbedding(t, embeddingDim)
	plan, err := engine.Compile(g, gorgonia.Nodes{out}, nil)
	if err != nil {
		return nil, err
	}
	machine, err := s.backend.Open(plan, engine.Options{})
	if err != nil {
		return nil, err
	}
	defer machine.Close()
	at, values := make([]float32, embeddingTimes), make([]float32, embeddingTimes*embeddingDim)
	for i := range at {
		at[i] = float32(i) / (embeddingTimes - 1)
	}
	machine.Set(t, at)
	if err := machine.RunAll(); err != nil {
		return nil, err
	}
	machine.Get(out, values)
	rows := make([][]float64, embeddingTimes)
	for i := range rows {
		rows[i] = floats(values[i*embeddingDim : (i+1)*embeddingDim])
	}
	return rows, nil
}
