package lab

import (
	"context"
	"fmt"
	"math"

	"lfm/internal/engine"
	"lfm/internal/ode"
	"lfm/internal/path"
	"lfm/internal/plot"
	"lfm/internal/rng"
)

var guidance = Figure{
	Name:  "guidance",
	Claim: "More guidance makes samples clearer of their class and less varied; w = 0 is no condition, w = 1 plainly conditional.",
	draw:  drawGuidance,
}

// The classes are two Gaussians that overlap, left and right of the middle.
const classOffset, classStd = 1.0, 1.0

// drawGuidance trains one network with and without the class, which it is told in a number: -1 left, 1 right, 0 not told.
// It draws the right class.
func drawGuidance(ctx context.Context, s studio) (plot.Figure, Numbers, error) {
	l, err := s.learn(ctx, classes, 4, s.of(8000))
	if err != nil {
		return plot.Figure{}, nil, err
	}
	defer l.close()
	const n = 500
	told := make([]float32, n)
	without, err := l.field(n, engine.Average, make([]float32, n))
	if err != nil {
		return plot.Figure{}, nil, err
	}
	for i := range told {
		told[i] = 1
	}
	with, err := l.field(n, engine.Average, told)
	if err != nil {
		return plot.Figure{}, nil, err
	}
	f, numbers := plot.Figure{Title: "Guidance towards the right one of two classes"}, Numbers{}
	noise := normal2.draw(n, figureSeed, tested)
	for _, w := range []float64{0, 1, 2, 4} {
		z := carried(guided(with, without, float32(w)), noise, 50)
		var right, mean, spread float64
		for _, p := range places(z) {
			right += 1 / (1 + math.Exp(-2*p.X*classOffset/(classStd*classStd))) / n
			mean += p.X / n
		}
		for _, p := range places(z) {
			spread += (p.X - mean) * (p.X - mean) / n
		}
		numbers["w"] = append(numbers["w"], w)
		numbers["mean probability of the class"] = append(numbers["mean probability of the class"], right)
		numbers["deviation along the axis of classes"] = append(numbers["deviation along the axis of classes"], math.Sqrt(spread))
		span := plot.Range{Lo: -4, Hi: 6}
		f.Panels = append(f.Panels, plot.Panel{Title: fmt.Sprintf("w = %g: class %.2f, deviation %.2f", w, right, math.Sqrt(spread)), Square: true, X: span, Y: plot.Range{Lo: -5, Hi: 5}, Marks: []plot.Mark{
			plot.Line{At: ring(-classOffset, 0, 2*classStd), Color: plot.Orange, Dash: true, Label: "left"},
			plot.Line{At: ring(classOffset, 0, 2*classStd), Color: plot.Blue, Dash: true, Label: "right"},
			plot.Dots{At: places(z), Color: plot.Faint(plot.Purple, 0.6), Radius: 2, Label: "samples"},
		}})
	}
	return f, numbers, nil
}

// classes draws a batch of both classes, a fifth of it without being told which.
func classes(step int, in, target []float32) error {
	which, noise, x := rng.New(figureSeed, rng.Times), rng.New(figureSeed, rng.Noise), rng.New(figureSeed, "lab classes")
	for i := range figureBatch {
		var u [3]float32
		var e, d, z, v [2]float32
		which.Uniform(u[:], uint64(step), uint64(i))
		noise.Normal(e[:], uint64(step), uint64(i))
		x.Normal(d[:], uint64(step), uint64(i))
		class := float32(1)
		if u[1] < 0.5 {
			class = -1
		}
		d[0], d[1] = classOffset*class+classStd*d[0], classStd*d[1]
		path.Straight{}.Interpolate(z[:], v[:], d[:], e[:], u[0])
		if u[2] < 0.2 {
			class = 0
		}
		copy(in[4*i:], []float32{z[0], z[1], u[0], class})
		copy(target[2*i:], v[:])
	}
	return nil
}

// guided is v(null) + w (v(class) - v(null)).
func guided(with, without ode.Field[float32], w float32) ode.Field[float32] {
	var null []float32
	return func(dst, z []float32, t float64) {
		if null == nil {
			null = make([]float32, len(z))
		}
		with(dst, z, t)
		without(null, z, t)
		for i, v := range null {
			dst[i] = v + w*(dst[i]-v)
		}
	}
}

// ring is a circle.
func ring(x, y, radius float64) (at []plot.Point) {
	for i := range 73 {
		sin, cos := math.Sincos(float64(i) * math.Pi / 36)
		at = append(at, plot.Point{X: x + radius*cos, Y: y + radius*sin})
	}
	return at
}
