package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lfm/internal/report/reporttest"
)

// readReport writes the report and reads it.
func (p *program) readReport(args ...string) string {
	p.t.Helper()
	p.run(append([]string{"report"}, args...)...)
	page, err := os.ReadFile(filepath.Join(p.dir, "report.html"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(page)
}

// colours makes a class of 60 pictures of one colour each.
func colours(t *testing.T, dir string, red uint8) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		m := image.NewNRGBA(image.Rect(0, 0, 16, 16))
		draw.Draw(m, m.Bounds(), image.NewUniform(color.NRGBA{red, uint8(4 * i), 200, 255}), image.Point{}, draw.Src)
		var file bytes.Buffer
		err := png.Encode(&file, m)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.png", i)), file.Bytes(), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestReportHostile: the report of a run with a stage of every kind, whose classes are named to do
// harm, is a page that keeps its promises and shows all that there is.
func TestReportHostile(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.judged()
	colours(t, filepath.Join(p.dir, "pictures", `"><script>alert(1)<img src=x onerror=alert(1)>&'`), 0)
	colours(t, filepath.Join(p.dir, "pictures", "{{.}}"), 100)
	text, err := os.ReadFile(filepath.Join(p.dir, defaultFile))
	if err != nil {
		t.Fatal(err)
	}
	p.write(defaultFile, strings.Replace(string(text), "source: critters, count: 60", "source: pictures", 1))
	p.run("run")
	page := p.readReport()
	reporttest.Check(t, page)
	for _, want := range []string{"onerror=alert(1)&gt;&amp;", "{{.}}", "Samples, averaged weights", "Samples, last weights", "w = 8", "t = 0.5",
		"floor: real images", "ceiling: reconstructions", "memorised", "classifier: loss", "accuracy"} {
		if !strings.Contains(page, want) {
			t.Errorf("the report does not show %q", want)
		}
	}
	if strings.Contains(page, "Left out") {
		t.Errorf("something is left out: %s", page[strings.Index(page, "Left out"):])
	}
	reporttest.Check(t, p.readReport(".", "."))
}
