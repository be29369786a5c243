package dataset

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"lfm/internal/critters"
)

// drawnCaptions is the setting that has the built-in set say what it drew.
const drawnCaptions = "drawn"

// Bounds of what a file of captions may hold.
const (
	maxCaptionsFile = 512 << 20 // bytes
	maxCaption      = 4096      // bytes of one
	maxProperties   = 256
)

// told is what is said of images: a caption each, and numbers of the same names for all.
type told struct {
	Format     string    `json:"format"`
	Properties []string  `json:"properties"`
	Captions   []string  `json:"captions"`
	Values     []float32 `json:"values"` // (images, properties)
}

const (
	captionsFile   = "captions.json"
	captionsFormat = "lfm captions 1"
)

// numbers are the properties of image i.
func (t *told) numbers(i int) []float32 {
	p := len(t.Properties)
	return t.Values[i*p : (i+1)*p : (i+1)*p]
}

// add appends an image.
func (t *told) add(caption string, numbers []float32) {
	t.Captions, t.Values = append(t.Captions, caption), append(t.Values, numbers...)
}

// encode is the text of captions.json, a caption a line.
func (t *told) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{%q: %q,\n%q: %s,\n%q: [", "format", captionsFormat, "properties", text(t.Properties), "captions")
	for i, c := range t.Captions {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(text(c))
	}
	fmt.Fprintf(&b, "],\n%q: %s}\n", "values", text(t.Values))
	return b.Bytes()
}

// decodeTold reads captions.json for so many images.
func decodeTold(data []byte, images int) (*told, error) {
	var t told
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, err
	}
	if t.Format != captionsFormat {
		return nil, fmt.Errorf("this is format %q, this program reads %q", t.Format, captionsFormat)
	}
	if len(t.Captions) != images || len(t.Values) != images*len(t.Properties) {
		return nil, fmt.Errorf("there are %d captions and %d numbers of %d properties for %d images", len(t.Captions), len(t.Values), len(t.Properties), images)
	}
	return &t, nil
}

// captionsPath is where the file of captions lies, or "" if there is none.
func captionsPath(c *Config, dir string) string {
	if c.Captions == "" || c.Captions == drawnCaptions || filepath.IsAbs(c.Captions) {
		return strings.TrimPrefix(c.Captions, drawnCaptions)
	}
	return filepath.Join(dir, c.Captions)
}

// validateCaptions reports what is wrong with the settings of captions.
func (c *Config) validateCaptions() error {
	switch ext := strings.ToLower(filepath.Ext(c.Captions)); {
	case c.Captions == "" && len(c.ClassWords) > 0:
		return fieldError{"class_words", "has phrases, but the data set has no captions: set captions too"}
	case len(c.ClassWords) > 0 && len(c.Classes) > 0:
		return fieldError{"class_words", "makes classes of captions, and classes chooses folders: leave one of them out"}
	case c.Captions == "" && len(c.TestCaptions) > 0:
		return fieldError{"test_captions", "has phrases, but the data set has no captions: set captions too"}
	case c.Captions == "":
		return nil
	case c.generated() && c.Captions != drawnCaptions:
		return fieldError{"captions", fmt.Sprintf("is %q: critters say what they are by captions: drawn", c.Captions)}
	case !c.generated() && c.Captions == drawnCaptions:
		return fieldError{"captions", "is drawn, which only critters have: name a .jsonl, .csv or .tsv file"}
	case !c.generated() && ext != ".jsonl" && ext != ".csv" && ext != ".tsv":
		return fieldError{"captions", fmt.Sprintf("names %s: want a .jsonl, .csv or .tsv file", c.Captions)}
	}
	for i, p := range c.ClassWords {
		if len(words(p)) == 0 || slices.Contains(c.ClassWords[:i], p) {
			return fieldError{"class_words", fmt.Sprintf("has %q, which holds no word or stands there twice", p)}
		}
	}
	for _, p := range c.TestCaptions {
		if len(words(p)) == 0 {
			return fieldError{"test_captions", fmt.Sprintf("has %q, which holds no word", p)}
		}
	}
	return nil
}

// describeCaptions writes a text that changes whenever captions do, and nothing where there are none.
func (s *Source) describeCaptions(ctx context.Context, out io.Writer) error {
	switch {
	case s.cfg.Captions == "":
		return nil
	case s.captions == "":
		fmt.Fprintln(out, "captions drawn")
	default:
		sum := sha256.New()
		if err := s.readCaptions(ctx, func(r io.Reader) error { _, err := io.Copy(sum, r); return err }); err != nil {
			return err
		}
		fmt.Fprintf(out, "captions %x\n", sum.Sum(nil))
	}
	if len(s.cfg.ClassWords) > 0 {
		fmt.Fprintf(out, "class words %q\n", s.cfg.ClassWords)
	}
	if len(s.cfg.TestCaptions) > 0 {
		fmt.Fprintf(out, "test captions %q\n", s.cfg.TestCaptions)
	}
	return nil
}

// readCaptions opens the file of captions for read.
func (s *Source) readCaptions(ctx context.Context, read func(io.Reader) error) error {
	f, size, err := openRegular(s.captions)
	if errors.Is(err, fs.ErrNotExist) {
		return fieldError{"captions", fmt.Sprintf("names %s, which does not exist", s.captions)}
	}
	if err == nil {
		defer f.Close()
		if size > maxCaptionsFile {
			err = fmt.Errorf("has %d MiB, more than %d", size>>20, maxCaptionsFile>>20)
		} else {
			err = read(io.LimitReader(f, maxCaptionsFile))
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("dataset: %s: %w", s.captions, reason(err))
	}
	return err
}

// caption gives the images of an index their captions. Those that the file has no row for are skipped.
func (s *Source) caption(ctx context.Context, x *Index) error {
	switch {
	case s.cfg.Captions == "":
		return nil
	case s.captions == "":
		x.told = s.origin.(*drawn).told(len(x.Items))
	default:
		var rows *rows
		err := s.readCaptions(ctx, func(r io.Reader) (err error) {
			rows, err = parseCaptions(r, filepath.Ext(s.captions))
			return err
		})
		if err != nil {
			return err
		}
		if len(x.Items) == 0 {
			return nil // there is nothing to say anything of, and index tells
		}
		example := x.Items[0].ID
		if x.join(rows) == 0 {
			return fieldError{"captions", fmt.Sprintf("names %s, in which no image of the source has a row: file_name is an image's path in the source, such as %q; the first row has %q",
				s.captions, example, rows.first)}
		}
	}
	x.holdOut(s.cfg.TestCaptions)
	if n := len(x.unsaid); n > 0 && n == len(s.cfg.TestCaptions) {
		return fieldError{"test_captions", fmt.Sprintf("has %q, and no caption says so: a caption has a phrase if it has its words, one behind the other", x.unsaid[0])}
	}
	if len(s.cfg.ClassWords) == 0 {
		return nil
	}
	before := len(x.Items)
	x.classify(s.cfg.ClassWords)
	if left := before - len(x.Items); left == before || left > 0 && s.cfg.generated() {
		return fieldError{"class_words", fmt.Sprintf("has no phrase for %d of %d images; of the last one, %s", left, before, x.Skipped[len(x.Skipped)-1].Reason)}
	}
	sortSkips(x.Skipped)
	return nil
}

// told is what critters say of the first n images of the set.
func (d *drawn) told(n int) *told {
	t := &told{Properties: critters.Properties}
	for i := range n {
		c := critters.Describe(uint64(d.cfg.Seed), d.number(i))
		t.add(c.Caption, c.Numbers)
	}
	return t
}

// join keeps the images that have a row, and returns how many they are.
func (x *Index) join(r *rows) int {
	x.told = &told{Properties: r.properties}
	items := x.Items[:0]
	for _, it := range x.Items {
		row, ok := r.of[it.ID]
		if !ok {
			x.Skipped = append(x.Skipped, Skip{it.ID, "has no row in the file of captions"})
			continue
		}
		items = append(items, it)
		x.told.add(row.caption, row.numbers)
	}
	x.rowsLeft = len(r.of) - len(items)
	x.Items = items
	sortSkips(x.Skipped)
	return len(items)
}

// classify makes phrases the classes. Images whose caption has none of them are skipped.
func (x *Index) classify(phrases []string) {
	items, all := x.Items[:0], x.told
	x.Classes, x.told = phrases, &told{Properties: all.Properties}
	for i, it := range x.Items {
		caption := all.Captions[i]
		it.Label = slices.IndexFunc(phrases, func(p string) bool { return says(caption, p) })
		if it.Label < 0 {
			x.Skipped = append(x.Skipped, Skip{it.ID, fmt.Sprintf("its caption %q has no phrase of class_words", caption)})
			continue
		}
		items = append(items, it)
		x.told.add(caption, all.numbers(i))
	}
	x.Items = items
}

// holdOut puts images whose caption has one of the phrases to the test images, and keeps account of what that did.
func (x *Index) holdOut(phrases []string) {
	for _, p := range phrases {
		said := false
		for i, caption := range x.told.Captions {
			if !says(caption, p) {
				continue
			}
			said = true
			if it := &x.Items[i]; it.Split == Train {
				it.Split = Test
				x.heldOut++
			}
		}
		if !said {
			x.unsaid = append(x.unsaid, p)
		}
	}
}

// says reports whether the words of a phrase stand in a text, one behind the other.
func says(text, phrase string) bool {
	t, p := words(text), words(phrase)
	for i := 0; i+len(p) <= len(t); i++ {
		if slices.Equal(t[i:i+len(p)], p) {
			return true
		}
	}
	return false
}

// words are the runs of letters and digits of a text, in lower case.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// rows is a file of captions: a row an image, by the image's path.
type rows struct {
	properties []string
	of         map[string]row
	first      string // path of the first row
}

type row struct {
	caption string
	numbers []float32
}

// parseCaptions reads a file of captions: JSON lines, or a table whose first line names its columns, with commas or, in
// a .tsv, tabs. The columns are
//
//	file_name        path of the image in the source
//	text, caption    what it shows; either name will do, and without either the captions are empty
//	any other        a property, if it is a number in the first row, and then it is one in all; else passed over
func parseCaptions(in io.Reader, ext string) (*rows, error) {
	r := &rows{of: map[string]row{}}
	if strings.ToLower(ext) == ".jsonl" {
		return r, r.readLines(in)
	}
	table := csv.NewReader(in)
	table.ReuseRecord = true
	if strings.ToLower(ext) == ".tsv" {
		table.Comma, table.LazyQuotes = '\t', true
	}
	return r, r.readTable(table)
}

// cell is one value of a row: a text, or a number.
type cell struct {
	text   string
	number float64
	isNum  bool
}

// readTable reads a table with a line of names.
func (r *rows) readTable(table *csv.Reader) error {
	names, err := table.Read()
	if err == io.EOF {
		return errors.New("is empty: its first line names the columns, such as file_name,text")
	}
	if err != nil {
		return err
	}
	names = slices.Clone(names)
	names[0] = strings.TrimPrefix(names[0], "\ufeff") // as spreadsheets write it
	if len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		return errors.New("names a column twice in its first line")
	}
	cells := make(map[string]cell, len(names))
	for {
		values, err := table.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for i, v := range values {
			number, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			cells[names[i]] = cell{text: v, number: number, isNum: err == nil}
		}
		line, _ := table.FieldPos(0)
		if err := r.add(cells); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// readLines reads an object a line.
func (r *rows) readLines(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var object map[string]json.RawMessage
		err := json.Unmarshal(lines.Bytes(), &object)
		if err == nil {
			cells := make(map[string]cell, len(object))
			for name, value := range object {
				var c cell
				if json.Unmarshal(value, &c.text) != nil {
					c.isNum = json.Unmarshal(value, &c.number) == nil && string(value) != "null"
				}
				cells[name] = c
			}
			err = r.add(cells)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return errors.New("has a line of more than 1 MiB: it is to hold one JSON object a line")
	}
	return lines.Err()
}

// add takes a row.
func (r *rows) add(cells map[string]cell) error {
	name := path.Clean(strings.TrimLeft(strings.ReplaceAll(cells["file_name"].text, `\`, "/"), "/"))
	if cells["file_name"].text == "" {
		return errors.New("there is no file_name: it is the path of the image in the source")
	}
	if _, again := r.of[name]; again {
		return fmt.Errorf("%s has a row already", name)
	}
	if len(r.of) == 0 {
		r.first = name
		for column, c := range cells {
			if c.isNum && column != "file_name" && column != "text" && column != "caption" {
				r.properties = append(r.properties, column)
			}
		}
		slices.Sort(r.properties)
		if len(r.properties) > maxProperties {
			return fmt.Errorf("there are %d columns of numbers, at most %d can be used", len(r.properties), maxProperties)
		}
	}
	caption := cells["text"].text
	if caption == "" {
		caption = cells["caption"].text
	}
	if len(caption) > maxCaption || !utf8.ValidString(caption) {
		return fmt.Errorf("the caption of %s is not UTF-8, or longer than %d bytes", name, maxCaption)
	}
	to := row{caption: strings.Join(strings.Fields(caption), " "), numbers: make([]float32, len(r.properties))}
	for i, p := range r.properties {
		c := cells[p]
		if to.numbers[i] = float32(c.number); !c.isNum || math.IsNaN(c.number) || math.IsInf(float64(to.numbers[i]), 0) {
			return fmt.Errorf("%s is %q: it is a number in the first row, so it must be a finite one in all", p, c.text)
		}
	}
	r.of[name] = to
	return nil
}

// Captioned reports whether the images have captions and properties.
func (s *Set) Captioned() bool { return s.told != nil }

// Caption returns what is said of image i, or nothing.
func (s *Set) Caption(i int) string {
	if s.told == nil {
		return ""
	}
	return s.told.Captions[i]
}

// Properties names the numbers that are known of every image.
func (s *Set) Properties() []string {
	if s.told == nil {
		return nil
	}
	return s.told.Properties
}

// Numbers returns the properties of image i.
func (s *Set) Numbers(i int) []float32 {
	if s.told == nil {
		return nil
	}
	return s.told.numbers(i)
}
