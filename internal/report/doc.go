// Package report writes what a run learned as one HTML page that needs nothing beside itself: no
// network, no script, no file. Plain data goes in; the package knows no stage and no store.
//
//	page := &report.Page{Runs: []report.Run{run}}
//	err := page.Write(file)
//
// A [Run] has [Stage]s, drawn as a graph with their settings, and [Section]s of [Exhibit]s: a [Chart],
// a [Gallery] of pictures, or a [Table] each. A page of two runs has them side by side: stages,
// sections and exhibits of one name stand beside each other, charts share their axes, and settings
// that differ are marked and listed first.
//
//	+-------------------------+
//	| name, state, facts      |
//	| graph of stages         |   arcs from what a stage needs
//	| settings                |   each stage's; of two runs, differences first
//	| section …               |   charts as SVG, pictures as data: URIs, tables
//	| left out                |   a line for each thing that there is nothing of, and why
//	+-------------------------+
//
// Charts say their values where the mouse rests (SVG's <title>). The page follows the reader's choice
// of light or dark, fits a telephone, and prints. A Content-Security-Policy within it forbids the
// browser to load or run anything, whatever the names in a run may be.
package report
