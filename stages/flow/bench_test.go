package flow

import (
	"testing"

	"lfm/internal/engine"
	"lfm/internal/engine/cpu"
	"lfm/internal/ops/optest"
	"lfm/internal/optim"
	"lfm/internal/profile"
)

// BenchmarkTraining is a step of each network at the default settings, for latents of 8x8x4.
func BenchmarkTraining(b *testing.B) {
	const batch = 128
	for _, kind := range []string{Transformer, UNet} {
		b.Run(kind, func(b *testing.B) {
			graph, plan, err := compileTraining(defaultArch(kind), batch, true)
			if err != nil {
				b.Fatal(err)
			}
			backend := cpu.Open(0)
			defer backend.Close()
			m, err := backend.Open(plan, engine.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			for _, p := range graph.Params.All() {
				m.Set(p.Node, p.Initial(1))
			}
			m.Set(graph.Zt, optest.Fill("zt", graph.Zt.DataSize()))
			m.Set(graph.Target, optest.Fill("target", graph.Target.DataSize()))
			m.Set(graph.T, make([]float32, batch))
			m.Set(graph.Labels, make([]float32, batch))
			step := 0
			for b.Loop() {
				m.SetScalars(optim.AdamW{Rate: 1e-3, EMA: 0.999}.Scalars(step))
				if err := m.RunAll(); err != nil {
					b.Fatal(err)
				}
				step++
			}
			seconds := b.Elapsed().Seconds()
			b.ReportMetric(float64(b.N*batch)/seconds, "images/s")
			b.ReportMetric(float64(b.N)*profile.GraphFLOP(graph.Graph)/seconds/1e9, "GFLOP/s")
		})
	}
}
