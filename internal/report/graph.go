package report

import (
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"
)

const (
	rowHeight = 60 // of a stage, as page.css has it
	gutter    = 88 // width of the arcs
)

// graph draws an arc from each stage down to those that need it. Stage i lies at the right edge, in
// the middle of row i.
func graph(stages []Stage) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="arcs" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-label="what each stage needs">`, gutter, rowHeight*len(stages))
	y := func(i int) int { return i*rowHeight + rowHeight/2 }
	for i, s := range stages {
		for _, name := range s.Needs {
			from := slices.IndexFunc(stages, func(s Stage) bool { return s.Name == name })
			if from < 0 || from >= i {
				continue
			}
			reach := min(14+16*(i-from), gutter-14)
			x, left := gutter-8, gutter-8-reach*4/3 // a cubic comes three quarters of the way to its handles
			fmt.Fprintf(&b, `<path d="M%d %dC%d %d %d %d %d %d"><title>%s</title></path>`, x, y(from), left, y(from), left, y(i)-1, x-5, y(i)-1,
				html.EscapeString(s.Name+" needs "+name))
			fmt.Fprintf(&b, `<path class="head" d="M%d %dl-6 -4v8z"/>`, x-3, y(i)-1)
		}
	}
	for i, s := range stages {
		fmt.Fprintf(&b, `<circle class="%s" cx="%d" cy="%d" r="4.5"/>`, html.EscapeString(s.State), gutter-6, y(i))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}
