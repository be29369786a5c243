// Package plot draws figures, as SVG and as PNG from one description.
//
//	f := plot.Figure{Title: "error by steps", Panels: []plot.Panel{{
//		XLabel: "steps", YLabel: "error", LogX: true, LogY: true,
//		Marks: []plot.Mark{plot.Line{At: points, Color: plot.Blue, Label: "flow"}},
//	}}}
//	svg, png := f.SVG(), …
//
// A [Figure] is a row of [Panel]s with axes of their own; a [Mark] is what is drawn in one: [Line], [Dots], [Arrows] or
// [Heat]. Axes span what is drawn unless they are given.
//
// Panels are drawn on a canvas that has lines, filled shapes and words only, and there is one for each format. Bytes
// are a pure function of the description.
package plot
