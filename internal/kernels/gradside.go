package kernels

// A side is one factor of the outer products: the channels at the pixels of some images.
type side struct {
	v                   []float32
	channels            int
	pixel, line, sample int  // distances between what belongs to neighbouring pixels, lines, samples
	inWeight            int  // distance of neighbouring channels in the gradient
	looked              bool // the tap looks at it
	begin               int  // what is subtracted from offsets, where v holds a box only
}

// at is the offset of what belongs to a pixel.
func (f *side) at(sample, line, pixel int) int {
	return sample*f.sample + line*f.line + pixel*f.pixel - f.begin
}

// A box is a range of samples, lines and pixels.
type box struct{ s0, s1, line0, line1, pixel0, pixel1 int }

// pixels counts the pixels of a box. They follow each other evenly, in whole lines and samples,
// unless the box lies in one line.
func (in box) pixels() int {
	return (in.s1 - in.s0) * (in.line1 - in.line0) * (in.pixel1 - in.pixel0)
}

// packPanels copies channels [col0, col1) at the pixels of a box to panels, the last one filled up
// with zeros.
func (f *side) packPanels(panels []float32, in box, col0, col1 int) {
	src, n := f.v[f.at(in.s0, in.line0, in.pixel0):], in.pixels()
	full := (col1 - col0) / panelCols
	copyPanels(panels, src[col0:], n, f.pixel, full, gradPanel)
	if rest := (col1 - col0) % panelCols; rest > 0 {
		packRows(panels[full*gradPanel:], src, n, f.pixel, col1-rest, rest)
	}
}

// sum sums channels [from, to) over the pixels of a box.
func (f *side) sum(dst []float32, in box, from, to int) {
	v := f.v[f.at(in.s0, in.line0, in.pixel0):]
	for ; from < to; from += biasCols {
		n := min(biasCols, to-from)
		sumColumns(dst, v[from:], in.pixels(), f.pixel, n)
		dst = dst[n:]
	}
}
