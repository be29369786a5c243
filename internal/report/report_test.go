package report

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"lfm/internal/report/reporttest"
)

// hostile is a name that would do harm in a page that did not escape it.
const hostile = `"><script>alert(1)</script><img src=http://x.test/a.png onerror=alert(1)></title></style>&'`

// run is a run with an exhibit of each sort, and a name everywhere.
func run(name string) Run {
	line := Line{Name: name}
	for i := range 1000 {
		line.Points = append(line.Points, Point{X: float64(i), Y: 1 / float64(i+1)})
	}
	line.Points[3].Y, line.Points[7].X = math.NaN(), math.Inf(1)
	return Run{
		Name: name, ID: name, State: name, Error: name, Facts: []Fact{{name, name}}, LeftOut: []string{name},
		Stages: []Stage{
			{Name: "data", Kind: "dataset", State: "cached", Seconds: 1, Took: name},
			{Name: name, Kind: name, State: name, Needs: []string{"data", "gone"}, Note: name, Output: name, Settings: []Setting{{name, name}, {"steps", "1"}}},
			{Name: "third", Kind: "k", State: "running", Needs: []string{"data", name}, Done: 0.25},
		},
		Sections: []Section{{Title: name, Text: name, Exhibits: []Exhibit{
			{Title: "chart", Text: name, Chart: &Chart{X: name, Y: name, LogY: true, Lines: []Line{line, {Name: "few", Points: []Point{{0, 1}, {9, 2}}, Marked: true}}, Levels: []Level{{name, 0.5}}}},
			{Title: "gallery", Gallery: &Gallery{Heads: []string{name}, Rows: []Strip{{Label: name, Pictures: []Picture{{PNG: []byte("png"), Title: name}, {PNG: []byte("large"), Title: name, Large: true}}}}}},
			{Title: "table", Table: &Table{Heads: []Head{{name, name}}, Rows: []Row{{Cells: []Cell{{name, true}}, Bound: true}}}},
		}}},
	}
}

// written is the page as text.
func written(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSelfContained: whatever the names in runs are, the page is well formed, has no script, and
// nothing in it makes a browser load anything.
func TestSelfContained(t *testing.T) {
	for _, p := range []*Page{
		{Runs: []Run{{}}},
		{Runs: []Run{run(hostile)}, Made: hostile, Refresh: 2 * time.Second},
		{Runs: []Run{run(hostile), run("b")}, Made: hostile},
	} {
		page := written(t, p)
		reporttest.Check(t, page)
		if strings.Contains(page, "ZgotmplZ") {
			t.Error("html/template found something that it does not trust")
		}
		if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
			t.Error("a number that is none is drawn")
		}
		if got := strings.Contains(page, `http-equiv="refresh"`); got != (p.Refresh > 0) {
			t.Errorf("refreshes itself: %v, want %v", got, p.Refresh > 0)
		}
	}
}

// TestDifferences: two runs that share all but a setting, a setting that one lacks, a stage, and one that
// was not reached differ in these alone, and nothing else is marked.
func TestDifferences(t *testing.T) {
	one := Run{Name: "p", Stages: []Stage{
		{Name: "flow", Kind: "flow", Settings: []Setting{{"steps", "100"}, {"width", "64"}, {"seed", "7"}}},
		{Name: "decode", Kind: "decode", Settings: []Setting{{"guidance", "2"}}},
		{Name: "evaluate", Kind: "evaluate", Settings: []Setting{{"samples", "8"}}},
	}}
	two := Run{Name: "p", Stages: []Stage{
		{Name: "flow", Kind: "flow", Settings: []Setting{{"steps", "200"}, {"width", "64"}, {"seed", "7"}, {"base", "normal"}}},
		{Name: "evaluate", Kind: "evaluate", State: "waiting"},
	}}
	p := &Page{Runs: []Run{one, two}}
	want := "[{flow steps [100 200]} {flow base [ normal]} {decode the stage [decode ]} {evaluate the stage [evaluate evaluate, waiting]}]"
	if got := fmt.Sprint(p.Differences()); got != want {
		t.Errorf("differences %s\nwant        %s", got, want)
	}
	page := written(t, p)
	if got := strings.Count(page, `class="differs"><dt>`); got != 5 {
		t.Errorf("%d settings are marked, want steps twice, base, guidance and samples", got)
	}
	if same := written(t, &Page{Runs: []Run{one, one}}); !strings.Contains(same, "Nothing: every setting") || strings.Contains(same, `class="differs"`) {
		t.Error("a run beside itself differs")
	}
	if alone := written(t, &Page{Runs: []Run{one}}); strings.Contains(alone, "What differs") {
		t.Error("one run is compared")
	}
}

// TestBeside: exhibits of one name stand in one row, and their charts show the same span.
func TestBeside(t *testing.T) {
	chart := func(title string, y ...float64) Exhibit {
		c := &Chart{X: "x", Y: "y", Lines: []Line{{}}}
		for i, v := range y {
			c.Lines[0].Points = append(c.Lines[0].Points, Point{float64(i), v})
		}
		return Exhibit{Title: title, Chart: c}
	}
	p := &Page{Runs: []Run{
		{Sections: []Section{{Title: "s", Exhibits: []Exhibit{chart("a", 1, 2), chart("b", 5)}}}},
		{Sections: []Section{{Title: "s", Exhibits: []Exhibit{chart("c", 1), chart("a", 0, 9, 3)}}, {Title: "u"}}},
	}}
	c := p.Chapters()
	if len(c) != 2 || len(c[0].Rows) != 3 {
		t.Fatalf("%d chapters, want s with rows a, b, c, and u: %+v", len(c), c)
	}
	a := c[0].Rows[0]
	if a.Of[0] == nil || a.Of[1] == nil || a.span != (span{0, 2, 0, 9}) {
		t.Errorf("row a is of %v and shows %v, want both runs and x 0 to 2, y 0 to 9", a.Of, a.span)
	}
	if b := c[0].Rows[1]; b.Of[0] == nil || b.Of[1] != nil {
		t.Errorf("row b is of %v, want the first run alone", b.Of)
	}
}

// TestCommon: a text is that of all runs only where all that have the exhibit say it; to say nothing is to say something else.
func TestCommon(t *testing.T) {
	says := func(text string) *Exhibit { return &Exhibit{Text: text} }
	for _, c := range []struct {
		of   []*Exhibit
		want string
	}{
		{[]*Exhibit{says("a"), says("a")}, "a"},
		{[]*Exhibit{nil, says("a")}, "a"},
		{[]*Exhibit{says("a"), says("b")}, ""},
		{[]*Exhibit{says(""), says("a")}, ""},
		{[]*Exhibit{says("a"), says("")}, ""},
		{[]*Exhibit{nil, nil}, ""},
	} {
		if got := (Beside{Of: c.of}).Common(); got != c.want {
			t.Errorf("%d exhibits have %q in common, want %q", len(c.of), got, c.want)
		}
	}
}

// TestAxis: whatever is shown, an axis has at least two ticks, in order and on it, and the ends of
// what is shown lie on it too.
func TestAxis(t *testing.T) {
	for _, log := range []bool{false, true} {
		for _, v := range [][2]float64{{0, 1}, {0.5, 0.95}, {1e-5, 3}, {3, 3}, {0, 0}, {-2, 7}, {1, 4000}, {1e-9, 1.01e-9}, {999, 1001}, {2, 80}, {1, -1}} {
			a := newAxis(v[0], v[1], 50, 400, 0.05, log)
			ticks := a.ticks()
			if len(ticks) < 2 || len(ticks) > 14 {
				t.Errorf("%v, log %v: ticks %v", v, log, ticks)
			}
			last := 50 - 1e-6
			for _, tick := range ticks {
				at := a.at(tick)
				if at < last || at > 400+1e-6 {
					t.Errorf("%v, log %v: tick %v lies at %v, behind %v, on an axis from 50 to 400", v, log, tick, at, last)
				}
				last = at
			}
			if v[0] <= v[1] && (a.at(v[0]) < 50 || a.at(v[1]) > 400) {
				t.Errorf("%v, log %v: the ends lie at %v and %v, off the axis", v, log, a.at(v[0]), a.at(v[1]))
			}
		}
	}
}

// TestJoin: however many points there are, no more than n stretches are drawn, each between its least
// and its greatest point, and few points are drawn as they are.
func TestJoin(t *testing.T) {
	for _, n := range []int{0, 1, 5, 159, 160, 161, 1000, 5003} {
		points := make([]Point, n)
		for i := range points {
			points[i] = Point{float64(i), math.Sin(float64(i))}
		}
		all := join(points, 160)
		if len(all) != min(n, 160) {
			t.Errorf("%d points make %d stretches", n, len(all))
		}
		for i, j := range all {
			if j.y < j.low-1e-12 || j.y > j.high+1e-12 || n <= 160 && (j.x != points[i].X || j.y != points[i].Y) {
				t.Errorf("%d points: stretch %d is %v", n, i, j)
			}
		}
	}
}
