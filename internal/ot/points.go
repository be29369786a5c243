package ot

// Points are as many points X as Y, of D numbers each, end to end. To pair two of them costs the square of their
// distance.
type Points struct {
	X, Y []float32
	D    int
}

// held is the most costs that Assign keeps, 32 MiB of them. Those of more points are worked out whenever they are asked
// for, so that 10,000 points take some 4 MB, most of it the lists of their rows, and not 800.
const held = 1 << 22

// Len returns how many points there are on each side.
func (p Points) Len() int {
	if p.D < 1 || len(p.X) != len(p.Y) || len(p.X)%p.D != 0 {
		panic("ot: points: want as many on each side, of D numbers")
	}
	return len(p.X) / p.D
}

// Costs fills row with the costs of pairing point i of X with each of Y.
func (p Points) Costs(i int, row []float64) {
	x := p.X[i*p.D : (i+1)*p.D]
	if p.D == 2 { // in the plane a call a pair would be most of the time
		x0, x1 := float64(x[0]), float64(x[1])
		for j := range row {
			a, b := x0-float64(p.Y[2*j]), x1-float64(p.Y[2*j+1])
			row[j] = float64(a*a) + float64(b*b)
		}
		return
	}
	for j := range row {
		row[j] = squared(x, p.Y[j*p.D:(j+1)*p.D])
	}
}

// squared is |x - y|². Four sums run side by side, as one would wait for itself at every addition.
func squared(x, y []float32) float64 {
	var s [4]float64
	for len(x) >= 4 && len(y) >= 4 {
		a, b, c, d := float64(x[0])-float64(y[0]), float64(x[1])-float64(y[1]), float64(x[2])-float64(y[2]), float64(x[3])-float64(y[3])
		s[0] += float64(a * a)
		s[1] += float64(b * b)
		s[2] += float64(c * c)
		s[3] += float64(d * d)
		x, y = x[4:], y[4:]
	}
	for i := range x {
		e := float64(x[i]) - float64(y[i])
		s[0] += float64(e * e)
	}
	return s[0] + s[1] + (s[2] + s[3])
}

// hold works the costs of n rows out once, where that takes little memory.
func hold(n int, costs func(i int, row []float64)) func(i int, row []float64) {
	if n*n > held {
		return costs
	}
	all := make([]float64, n*n)
	for i := range n {
		costs(i, all[i*n:(i+1)*n])
	}
	return func(i int, row []float64) { copy(row, all[i*n:]) }
}

// meanCost is the mean of |x - y|² over all n² pairs: that of |x|² and of |y|², less twice the product of mean x and
// mean y.
func (p Points) meanCost() float64 {
	n := float64(p.Len())
	x, y := make([]float64, p.D), make([]float64, p.D)
	var mean float64
	for i := range p.X {
		a, b := float64(p.X[i]), float64(p.Y[i])
		mean += (a*a + b*b) / n
		x[i%p.D] += a / n
		y[i%p.D] += b / n
	}
	for k := range x {
		mean -= 2 * x[k] * y[k]
	}
	return mean
}

// Assign pairs each point of X with one of Y so that the sum of squared distances is least: see the function Assign.
// An error says that a distance is not a finite number.
func (p Points) Assign() (Pairs, error) {
	n := p.Len()
	return Assign(n, hold(n, p.Costs))
}

// AssignWithin is Assign where a point of X is paired with a point of its class alone: points i of X and of Y have the
// class class[i]. It returns the number in Y of the partner of each point of X. Whatever depends on the class alone is
// so left as it was, which a pairing across classes does not do: there the law of Y given the class of X changes.
func (p Points) AssignWithin(class []int) ([]int, error) {
	members := map[int][]int{}
	for i, c := range class {
		members[c] = append(members[c], i)
	}
	of := make([]int, p.Len())
	for _, m := range members { // in any order: no class knows of another
		pairs, err := p.among(m).Assign()
		if err != nil {
			return nil, err
		}
		for i, j := range pairs.Of {
			of[m[i]] = m[j]
		}
	}
	return of, nil
}

// among are the points of those numbers.
func (p Points) among(members []int) Points {
	q := Points{D: p.D}
	for _, i := range members {
		q.X = append(q.X, p.X[i*p.D:(i+1)*p.D]...)
		q.Y = append(q.Y, p.Y[i*p.D:(i+1)*p.D]...)
	}
	return q
}
