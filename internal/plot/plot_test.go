package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"
)

// figure has every kind of mark, and words that are markup elsewhere.
func figure() Figure {
	at := []Point{{0, 0}, {4, 2}}
	return Figure{Title: "a < b & c", Panels: []Panel{
		{Title: "marks", XLabel: "x", YLabel: "y", X: Range{0, 4}, Y: Range{0, 4}, Marks: []Mark{
			Heat{Rows: [][]float64{{-1, 1}}, X: Range{0, 4}, Y: Range{2, 4}},
			Line{At: at, Color: Blue, Label: "<line>"}, Dots{At: []Point{{1, 1}}, Color: Green, Radius: 8}, Arrows{From: at[:1], To: at[1:], Color: Red},
		}},
		{LogX: true, LogY: true, Marks: []Mark{Line{At: []Point{{1, 1}, {1000, 0.01}}, Color: Orange, Dash: true}}},
	}}
}

// TestSVG: the file is XML, keeps words as they are, and is the same each time.
func TestSVG(t *testing.T) {
	file := figure().SVG()
	var words []string
	for d := xml.NewDecoder(bytes.NewReader(file)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			words = append(words, string(text))
		}
	}
	for _, want := range []string{"a < b & c", "<line>", "marks", "1000", "0.01"} {
		if !slices.Contains(words, want) {
			t.Errorf("no %q among %q", want, words)
		}
	}
	if !bytes.Equal(file, figure().SVG()) {
		t.Error("another file the second time")
	}
}

// TestPNG: what stands where in a panel is there in the picture, in its colour, and the same each time.
func TestPNG(t *testing.T) {
	file, err := figure().PNG()
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	at := func(x, y float64) color.Color { // of the first panel, from 0 to 4
		return color.NRGBAModel.Convert(picture.At(int(scale*(left+side*x/4)), int(scale*(headline+top+side*(1-y/4)))))
	}
	for _, c := range []struct {
		x, y float64
		want color.Color
	}{{1, 3.5, Blue}, {3, 3.5, Orange}, {1, 1, Green}, {3.25, 0.75, color.NRGBA{255, 255, 255, 255}}} {
		if got := at(c.x, c.y); got != c.want {
			t.Errorf("at (%g, %g) %v, want %v", c.x, c.y, got, c.want)
		}
	}
	if again, _ := figure().PNG(); !bytes.Equal(file, again) {
		t.Error("another file the second time")
	}
}

// TestTicks: ticks are round, on the axis, and neither few nor many.
func TestTicks(t *testing.T) {
	for _, a := range []axis{{0, 1, false}, {-7, 7, false}, {0.013, 0.031, false}, {-3e4, 7e4, false}, {1, 64, true}, {0.02, 11, true}, {1e-3, 1e5, true}} {
		ticks := a.ticks()
		if len(ticks) < 3 || len(ticks) > 11 {
			t.Errorf("%v: %v", a, ticks)
		}
		for _, v := range ticks {
			if v < a.lo || v > a.hi || len(strings.Trim(number(v), "-0.e+")) > 2 {
				t.Errorf("%v: a tick at %s", a, number(v))
			}
		}
	}
}

// TestRefusal: what has no place on an axis is a mistake of the program.
func TestRefusal(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a logarithmic axis took a zero")
		}
	}()
	Figure{Panels: []Panel{{LogX: true, Marks: []Mark{Line{At: []Point{{0, 1}, {1, 2}}}}}}}.SVG()
}
