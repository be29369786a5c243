package train

import (
	"fmt"
	"strconv"
	"strings"

	"lfm/internal/engine"
)

// metrics gathers JSON lines that depend on the steps alone: means over the steps since the
// line before, and figures of evaluations.
//
//	{"step":10,"loss":0.91,"grad_norm":1.2,"learning_rate":0.0002}
//	{"step":10,"loss":0.91,"grad_norm":1.2,"learning_rate":0.0002,"skipped":1}
//	{"step":500,"heldout_loss":0.52}
type metrics struct {
	rows   []byte
	window window
}

// window sums the steps since the last line.
type window struct {
	steps, skipped int
	loss, norm     float64
	rate           float64 // of the last step
}

// rowEvery is how many steps a line stands for: two thousand lines are enough to plot.
func rowEvery(steps int) int { return max(1, (steps+1999)/2000) }

func (m *metrics) add(r engine.Report, rate float64) {
	w := &m.window
	w.rate = rate
	if r.Skipped {
		w.skipped++
		return
	}
	w.steps++
	w.loss += r.Loss
	w.norm += r.GradNorm
}

// row writes the window out as a line and begins a new one.
func (m *metrics) row(step int) {
	w := m.window
	var figures Figures
	if w.steps > 0 {
		n := float64(w.steps)
		figures = Figures{{"loss", w.loss / n}, {"grad_norm", w.norm / n}}
	}
	figures = append(figures, Figure{"learning_rate", w.rate})
	if w.skipped > 0 {
		figures = append(figures, Figure{"skipped", float64(w.skipped)})
	}
	m.figures(step, figures)
	m.window = window{}
}

// figures writes a line. A figure that is not finite is null.
func (m *metrics) figures(step int, figures Figures) {
	m.rows = fmt.Appendf(m.rows, `{"step":%d`, step)
	for _, f := range figures {
		value := "null"
		if engine.Finite(f.Value) {
			value = strconv.FormatFloat(f.Value, 'g', -1, 64)
		}
		m.rows = fmt.Appendf(m.rows, `,%q:%s`, f.Name, value)
	}
	m.rows = append(m.rows, "}\n"...)
}

// text is the window as a checkpoint keeps it, to the bit.
func (w window) text() string {
	return fmt.Sprintf("%d %d %x %x %x", w.steps, w.skipped, w.loss, w.norm, w.rate)
}

// parseWindow reads what text wrote.
func parseWindow(text string) (w window, err error) {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return w, fmt.Errorf("window %q", text)
	}
	ints := []*int{&w.steps, &w.skipped}
	floats := []*float64{&w.loss, &w.norm, &w.rate}
	for i, field := range fields {
		if i < len(ints) {
			*ints[i], err = strconv.Atoi(field)
		} else {
			*floats[i-len(ints)], err = strconv.ParseFloat(field, 64)
		}
		if err != nil {
			return w, fmt.Errorf("window: %w", err)
		}
	}
	return w, nil
}
