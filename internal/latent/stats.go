package latent

import "math"

// Stats are mean and standard deviation per channel, over every place of every latent of split=train.
type Stats struct {
	Mean []float64 `json:"mean"`
	Std  []float64 `json:"std"`
}

// Normalize sets dst to (src - mean)/std; both hold whole places, C numbers each, and may be one slice. A channel that
// never varies is shifted only.
func (s Stats) Normalize(dst, src []float32) {
	c := s.check(len(dst), len(src))
	for i, v := range src {
		k := i % c
		dst[i] = float32((float64(v) - s.Mean[k]) / s.scale(k))
	}
}

// Denormalize sets dst to src·std + mean, the inverse of Normalize.
func (s Stats) Denormalize(dst, src []float32) {
	c := s.check(len(dst), len(src))
	for i, v := range src {
		k := i % c
		dst[i] = float32(float64(float64(v)*s.scale(k)) + s.Mean[k])
	}
}

func (s Stats) check(dst, src int) int {
	c := len(s.Mean)
	if dst != src || c == 0 || len(s.Std) != c || src%c != 0 {
		panic("latent: normalize: lengths do not match the channels")
	}
	return c
}

func (s Stats) scale(k int) float64 {
	if s.Std[k] == 0 {
		return 1
	}
	return s.Std[k]
}

// moments gather count, mean and sum of squared deviations per channel.
type moments struct {
	n        float64
	mean, m2 []float64
}

func newMoments(c int) moments { return moments{mean: make([]float64, c), m2: make([]float64, c)} }

// merge adds the moments of other numbers (Chan, Golub and LeVeque 1979). Sums depend on the order in which moments are
// merged, so it is always rows within a shard, then shards, both in order. The conversions keep compilers from fusing,
// so that every machine rounds alike.
func (m *moments) merge(o moments) {
	if o.n == 0 {
		return
	}
	n := m.n + o.n
	for k := range m.mean {
		d := o.mean[k] - m.mean[k]
		m.mean[k] += float64(d * (o.n / n))
		m.m2[k] += o.m2[k] + float64(float64(d*d)*(m.n*o.n/n))
	}
	m.n = n
}

// set takes the moments of one latent, in two passes.
func (m *moments) set(latent []float32) {
	c := len(m.mean)
	clear(m.mean)
	clear(m.m2)
	m.n = float64(len(latent) / c)
	for i, v := range latent {
		m.mean[i%c] += float64(v)
	}
	for k := range m.mean {
		m.mean[k] /= m.n
	}
	for i, v := range latent {
		d := float64(v) - m.mean[i%c]
		m.m2[i%c] += float64(d * d)
	}
}

// stats closes the gathering.
func (m *moments) stats() Stats {
	s := Stats{Mean: m.mean, Std: make([]float64, len(m.m2))}
	for k := range s.Std {
		s.Std[k] = math.Sqrt(m.m2[k] / m.n)
	}
	return s
}

// tally is what a shard adds to latents.json.
type tally struct {
	train  moments
	counts map[string]int // by split
	flips  int
	labels []int
	row    moments // work memory
}

func newTally(h Header) *tally {
	return &tally{
		train: newMoments(h.Shape.C), row: newMoments(h.Shape.C),
		counts: map[string]int{}, labels: make([]int, len(h.Classes)),
	}
}

// add counts one row.
func (t *tally) add(r Row) {
	t.counts[r.Split]++
	t.labels[r.Label]++
	if r.Flip {
		t.flips++
	}
	if r.Split == Train {
		t.row.set(r.Latent)
		t.train.merge(t.row)
	}
}

// merge adds what a later shard has.
func (t *tally) merge(o *tally) {
	t.train.merge(o.train)
	t.flips += o.flips
	for k, n := range o.counts {
		t.counts[k] += n
	}
	for k, n := range o.labels {
		t.labels[k] += n
	}
}
