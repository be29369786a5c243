package lab

import (
	"lfm/internal/ot"
	"lfm/internal/path"
	"lfm/internal/rng"
)

// Method is a way to train a flow: how source and target are paired, and the path between a pair.
type Method string

const (
	ICFM  Method = "I-CFM"  // independent pairs, straight paths with a little noise on them
	OTCFM Method = "OT-CFM" // the same, with the pairs of a batch by optimal transport
	FM    Method = "FM"     // Lipman et al. (2023): towards a small Gaussian at each data point; from Gaussian sources only
)

// sigma is the benchmark's noise: of I-CFM's and OT-CFM's paths, and of FM's at t = 0.
const sigma = 0.1

// task is what a flow is to do.
type task struct{ source, target set }

// String is the name of the task in the table.
func (k task) String() string { return k.source.name + "→" + k.target.name }

// fromNormal reports whether the source is N(0, I).
func (k task) fromNormal() bool { return k.source.name == normal2.name }

// can reports whether the method is defined from the task's source.
func (k task) can(m Method) bool { return m != FM || k.fromNormal() }

// pairs is what a method draws batches from.
type pairs struct {
	method         Method
	source, target []float32 // n points of each (n, 2); a source of nil is N(0, I), of which every batch has new points
	sigma          float32
	seed           uint64
	times          path.Times      // uniform if nil
	objective      *path.Objective // another path and prediction than the method's; none if nil
}

// fill returns the rows z, t (batch, 3) of a step and what is wanted there (batch, 2).
func (p pairs) fill() fill {
	n := len(p.target) / 2
	sources, targets := rng.NewOrder(p.seed, n), rng.NewOrder(p.seed+1<<32, n)
	fresh, times, noise := rng.New(p.seed, "lab source"), rng.New(p.seed, rng.Times), rng.New(p.seed, rng.Noise)
	return func(step int, in, target []float32) error {
		batch := len(target) / 2
		eps, x := make([]float32, 2*batch), make([]float32, 2*batch)
		for i := range batch {
			point(x, i, p.target, targets.Index(step, batch, i))
			if p.source == nil {
				fresh.Normal(eps[2*i:2*i+2], uint64(step), uint64(i))
			} else {
				point(eps, i, p.source, sources.Index(step, batch, i))
			}
		}
		if p.method == OTCFM {
			paired, err := ot.Points{X: x, Y: eps, D: 2}.Assign()
			if err != nil {
				return err
			}
			eps = gather(eps, paired.Of)
		}
		var xi, zt, v [2]float32
		for i := range batch {
			u := times.Float64(uint64(step), uint64(i))
			if p.times != nil {
				u = p.times.Sample(u)
			}
			t := float32(u)
			xi = [2]float32{}
			if p.sigma > 0 {
				noise.Normal(xi[:], uint64(step), uint64(i))
			}
			p.between(zt[:], v[:], x[2*i:2*i+2], eps[2*i:2*i+2], xi[:], t)
			copy(in[3*i:], []float32{zt[0], zt[1], t})
			copy(target[2*i:], v[:])
		}
		return nil
	}
}

// between sets zt and v to the point at time t on the path from eps to x, and to the velocity there. xi is unit noise.
func (p pairs) between(zt, v, x, eps, xi []float32, t float32) {
	if p.objective != nil {
		p.objective.Interpolate(zt, v, x, eps, t)
		return
	}
	if p.method == FM {
		for i := range zt {
			zt[i] = (1-t)*x[i] + (p.sigma+(1-p.sigma)*t)*eps[i]
			v[i] = x[i] - (1-p.sigma)*eps[i]
		}
		return
	}
	path.Straight{}.Interpolate(zt, v, x, eps, t)
	for i := range zt {
		zt[i] += p.sigma * xi[i]
	}
}

// point sets point i of dst to point j of src.
func point(dst []float32, i int, src []float32, j int) { copy(dst[2*i:2*i+2], src[2*j:2*j+2]) }

// gather returns the points of src in the order that of names.
func gather(src []float32, of []int) []float32 {
	dst := make([]float32, len(src))
	for i, j := range of {
		point(dst, i, src, j)
	}
	return dst
}
