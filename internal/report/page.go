package report

import (
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"slices"
	"time"
)

// Page is one run, or two to be compared.
type Page struct {
	Runs    []Run
	Refresh time.Duration // the browser asks for the page again after this time; 0: never
	Made    string        // by whom and when, the last line of the page
}

// Run is what there is to say of a run.
type Run struct {
	Name     string // of the pipeline
	ID       string
	State    string // finished, running, failed, …
	Error    string // why it failed; "" if it did not
	Facts    []Fact
	Stages   []Stage // in the order of running: after all that they need
	Sections []Section
	LeftOut  []string // what the run has nothing of, and why, a sentence each
}

// Fact is a word about a run.
type Fact struct{ Name, Value string }

// Stage is a node of the graph.
type Stage struct {
	Name, Kind string
	State      string // executed, cached, running, …
	Needs      []string
	Seconds    float64 // that it took, in this run or, if it was cached, in the one that made it; 0: unknown
	Took       string  // the same in words
	Note       string  // why it ran, how far it is
	Done       float64 // part that is done of a running stage, 0 … 1
	Output     string  // short ID of what it made
	Settings   []Setting
}

// Setting is what a stage's result depends on.
type Setting struct{ Name, Value string }

// Section is a chapter of exhibits.
type Section struct {
	Title    string
	Text     string // how to read it
	Exhibits []Exhibit
}

// Exhibit is one of a Chart, a Gallery and a Table.
type Exhibit struct {
	Title   string // unique in its section
	Text    string // how to read it
	Chart   *Chart
	Gallery *Gallery
	Table   *Table
	Wide    bool // takes the page's whole width
}

// Gallery is rows of pictures.
type Gallery struct {
	Heads []string // over the columns; nil for none
	Rows  []Strip
}

// Strip is a row of pictures behind a label.
type Strip struct {
	Label    string
	Pictures []Picture
}

// Picture is a PNG file.
type Picture struct {
	PNG   []byte
	Title string // what it shows, where the mouse rests and for who cannot see it
	Large bool   // it is a whole page of pictures, and is not enlarged
}

// Table is rows of figures behind a name each.
type Table struct {
	Heads []Head
	Rows  []Row
}

// Head is a column's name and what it means.
type Head struct{ Name, Meaning string }

// Row is a line of a table. Rows that are Bounds are what others are held to.
type Row struct {
	Cells []Cell
	Bound bool
}

// Cell is a figure in words; the best of its column may be marked.
type Cell struct {
	Text string
	Best bool
}

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
)

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"css":     func() template.CSS { return template.CSS(pageCSS) },
	"data":    dataURI,
	"graph":   graph,
	"letter":  func(i int) string { return string(rune('A' + i)) },
	"percent": func(part float64) float64 { return 100 * min(max(part, 0), 1) },
	"seconds": func(d time.Duration) int { return max(1, int(d.Round(time.Second).Seconds())) },
}).Parse(pageHTML))

// dataURI is a picture as an address that holds it.
func dataURI(png []byte) template.URL {
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png))
}

// Write writes the page.
func (p *Page) Write(w io.Writer) error { return pageTemplate.Execute(w, p) }

// Two says whether runs are compared.
func (p *Page) Two() bool { return len(p.Runs) > 1 }

// Title is what the page is about.
func (p *Page) Title() string {
	title := p.Runs[0].Name
	for _, r := range p.Runs[1:] {
		if r.Name != title {
			title += " and " + r.Name
		}
	}
	return title
}

// Chapter is a section of all runs.
type Chapter struct {
	Title, Text string
	Rows        []Beside
}

// Beside is an exhibit of all runs; nil where a run has it not.
type Beside struct {
	Title string
	Wide  bool
	Of    []*Exhibit
	span  span // of the charts among them
}

// Common is how to read the exhibit, where all runs say the same.
func (b Beside) Common() string {
	var first *Exhibit
	for _, e := range b.Of {
		switch {
		case e == nil:
		case first == nil:
			first = e
		case e.Text != first.Text:
			return ""
		}
	}
	if first == nil {
		return ""
	}
	return first.Text
}

// SVG draws the chart of an exhibit.
func (b Beside) SVG(e *Exhibit) template.HTML { return e.Chart.svg(b.span) }

// Chapters joins the sections of all runs by title, in the order in which they come first, and
// in them the exhibits.
func (p *Page) Chapters() []Chapter {
	var chapters []Chapter
	for i := range p.Runs {
		for _, s := range p.Runs[i].Sections {
			at := slices.IndexFunc(chapters, func(c Chapter) bool { return c.Title == s.Title })
			if at < 0 {
				at = len(chapters)
				chapters = append(chapters, Chapter{Title: s.Title, Text: s.Text})
			}
			chapters[at].add(s.Exhibits, i, len(p.Runs))
		}
	}
	return chapters
}

// add puts the exhibits of run i of n into their rows.
func (c *Chapter) add(exhibits []Exhibit, i, n int) {
	for k := range exhibits {
		e := &exhibits[k]
		at := slices.IndexFunc(c.Rows, func(b Beside) bool { return b.Title == e.Title })
		if at < 0 {
			at = len(c.Rows)
			c.Rows = append(c.Rows, Beside{Title: e.Title, Wide: e.Wide || n > 1, Of: make([]*Exhibit, n), span: empty})
		}
		c.Rows[at].Of[i] = e
		if e.Chart != nil {
			c.Rows[at].span = c.Rows[at].span.with(e.Chart)
		}
	}
}

// Difference is a setting that two runs do not share; a value is "" where a run lacks it. Of a stage that
// one run lacks, or has not come to, it is the kind, and no setting is told.
type Difference struct {
	Stage, Name string
	Values      []string
}

// Differences lists what differs, stage by stage. Stages are matched by name.
func (p *Page) Differences() (all []Difference) {
	if !p.Two() {
		return nil
	}
	for _, name := range p.stages() {
		a, b := p.Runs[0].stage(name), p.Runs[1].stage(name)
		if a.Name == "" || b.Name == "" || len(a.Settings) == 0 || len(b.Settings) == 0 {
			if x, y := a.inShort(), b.inShort(); x != y {
				all = append(all, Difference{name, "the stage", []string{x, y}})
			}
			continue
		}
		for _, setting := range slices.Concat(a.Settings, b.Settings) {
			x, y := a.value(setting.Name), b.value(setting.Name)
			told := slices.ContainsFunc(all, func(d Difference) bool { return d.Stage == name && d.Name == setting.Name })
			if x != y && !told {
				all = append(all, Difference{name, setting.Name, []string{x, y}})
			}
		}
	}
	return all
}

// stages are the names of the stages of all runs.
func (p *Page) stages() (names []string) {
	for _, r := range p.Runs {
		for _, s := range r.Stages {
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

// Differs says whether a stage's setting is not the same in all runs.
func (p *Page) Differs(stage, setting string) bool {
	for i := range p.Runs {
		if p.Runs[i].stage(stage).value(setting) != p.Runs[0].stage(stage).value(setting) {
			return true
		}
	}
	return false
}

// stage is a stage by its name; an empty one if there is none.
func (r *Run) stage(name string) Stage {
	for _, s := range r.Stages {
		if s.Name == name {
			return s
		}
	}
	return Stage{}
}

// value is a setting, "" if there is none.
func (s Stage) value(setting string) string {
	for _, x := range s.Settings {
		if x.Name == setting {
			return x.Value
		}
	}
	return ""
}

// inShort is a stage without its settings: its kind, and its state where it has none.
func (s Stage) inShort() string {
	if s.Name != "" && len(s.Settings) == 0 {
		return s.Kind + ", " + s.State
	}
	return s.Kind
}

// Slowest is the longest time that a stage took, in seconds.
func (r *Run) Slowest() (longest float64) {
	for _, s := range r.Stages {
		longest = max(longest, s.Seconds)
	}
	return longest
}

// Share is the part of Slowest that a stage took, 0 … 1.
func (r *Run) Share(s Stage) float64 {
	if s.Seconds == 0 {
		return 0
	}
	return s.Seconds / r.Slowest()
}
