package dataset

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lfm/internal/critters"
	"lfm/internal/fuzztest"
)

// told4 writes a file of captions and returns its setting.
func told4(t testing.TB, name, text string) func(*Config) {
	path := keepFile(t, name, []byte(text))
	return func(c *Config) { c.Captions = path }
}

// TestCaptions: the same captions and properties come of every format, whatever the order of rows and columns; an image
// without a row is skipped, and a row without an image is told.
func TestCaptions(t *testing.T) {
	dir := shades(t, 2, "cat", "dog").write(t)
	for name, text := range map[string]string{
		"c.csv": "file_name,text,size,artist,x\n" +
			"dog/a.png,\"a dog,\n  large\",3,me,-1.5\ncat/a.png,a red cat,1e1,,2\n./cat/b.png,,0,you,0\nno/such.png,a ghost,1,,1\n",
		"c.TSV": "\ufeffx\tsize\tcaption\tfile_name\n" +
			"-1.5\t3\ta dog, large\tdog\\a.png\n2\t10\ta red cat\tcat/a.png\n0\t0\t\tcat/b.png\n1\t1\ta ghost\tno/such.png\n",
		"c.jsonl": `{"file_name": "cat/a.png", "text": "a red cat", "size": 10, "x": 2, "tags": ["a"]}

			{"file_name": "dog/a.png", "text": "a dog, large", "size": 3, "x": -1.5}
			{"x": 0, "size": 0, "file_name": "cat/b.png", "text": ""}
			{"file_name": "no/such.png", "text": "a ghost", "size": 1, "x": 1}`,
	} {
		set, warnings := built(t, config4(dir, 4, told4(t, name, text)))
		var got []string
		for i := range set.Len() {
			got = append(got, fmt.Sprint(set.Item(i).ID, "|", set.Caption(i), "|", set.Numbers(i)))
		}
		want := []string{"cat/a.png|a red cat|[10 2]", "cat/b.png||[0 0]", "dog/a.png|a dog, large|[3 -1.5]"}
		if !slices.Equal(got, want) || !slices.Equal(set.Properties(), []string{"size", "x"}) || !set.Captioned() {
			t.Errorf("%s: %q, %q", name, set.Properties(), got)
		}
		all := strings.Join(warnings, "\n")
		if !strings.Contains(all, "dog/b.png: has no row in the file of captions") || !strings.Contains(all, "1 row of the file of captions") {
			t.Errorf("%s: warned of %q", name, all)
		}
	}
}

// TestCaptionsDigest: a set without captions is what it was before there were any; what a file of captions says, and which
// phrases are held out, is part of the digest, where it lies is not.
func TestCaptionsDigest(t *testing.T) {
	dir := shades(t, 1, "cat", "dog").write(t)
	digest := func(change ...func(*Config)) string {
		id, err := open(t, config4(dir, 4, change...), "").Digest(context.Background(), nil)
		must(t, err)
		return id.String()
	}
	const text = "file_name,text\ncat/a.png,a cat\ndog/a.png,a dog\n"
	plain, one, again := digest(), digest(told4(t, "c.csv", text)), digest(told4(t, "other.csv", text))
	words := digest(told4(t, "c.csv", text), func(c *Config) { c.ClassWords = []string{"cat", "dog"} })
	other, held := digest(told4(t, "c.csv", text+"x.png,x\n")), digest(told4(t, "c.csv", text), func(c *Config) { c.TestCaptions = []string{"a cat"} })
	if one != again {
		t.Error("the name of the file of captions is part of the digest")
	}
	if all := []string{plain, one, other, held, words}; len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Errorf("digests %q, want five", all)
	}
}

// TestTestCaptions: images whose caption has a phrase, word for word, are test images, and no other changes its side.
func TestTestCaptions(t *testing.T) {
	c := config4("critters", 8, func(c *Config) { c.Count, c.Captions = 400, drawnCaptions })
	before, _ := built(t, c)
	c.TestCaptions = []string{"Red cat", "blue owl"}
	after, _ := built(t, c)
	held := 0
	for i := range after.Len() {
		d := critters.Describe(uint64(c.Seed), i)
		if after.Caption(i) != d.Caption || !reflect.DeepEqual(after.Numbers(i), d.Numbers) {
			t.Fatalf("image %d says %q %v, want %+v", i, after.Caption(i), after.Numbers(i), d)
		}
		want := before.Split(i)
		if strings.Contains(d.Caption, "red cat") || strings.Contains(d.Caption, "blue owl") {
			want, held = Test, held+1
		}
		if after.Split(i) != want {
			t.Errorf("%q is of split %s, want %s", d.Caption, after.Split(i), want)
		}
	}
	if held == 0 {
		t.Fatal("no caption has a phrase")
	}
	c.TestCaptions = []string{"blue owl", "read cat"}
	if _, warnings := built(t, c); !strings.Contains(strings.Join(warnings, "\n"), `no caption has ["read cat"] of test_captions`) {
		t.Errorf("warned of %q", warnings)
	}
	c.Classes = []string{"cat"}
	for phrase, want := range map[string]string{"read cat": `test_captions has "read cat", and no caption says so`, "cat": "and none is left to train on: name fewer phrases", "red": ""} {
		c.TestCaptions = []string{phrase}
		if _, _, err := build(t, open(t, c, "")); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q is held out: %v, want %s", phrase, err, want)
		}
	}
	for text, want := range map[string]bool{"a red cat": true, "RED CAT, asleep": true, "a red catfish": false, "a cat, red": false, "": false} {
		if says(text, "red cat") != want {
			t.Errorf("%q has the words red cat: %v", text, !want)
		}
	}
}

// TestClassWords: images are of the class of the first phrase that their caption has, whatever their folders; those without
// are skipped, and critters all have a colour.
func TestClassWords(t *testing.T) {
	dir := shades(t, 2, "cat", "dog").write(t)
	set, _ := built(t, config4(dir, 4, told4(t, "c.csv", "file_name,text,n\ncat/a.png,a red cat,1\ncat/b.png,a blue cat,2\ndog/a.png,some dog,3\ndog/b.png,a red and blue dog,4\n"),
		func(c *Config) { c.ClassWords = []string{"blue", "red"} }))
	var got []string
	for i := range set.Len() {
		got = append(got, fmt.Sprint(set.Item(i).ID, " ", set.Classes()[set.Item(i).Label], set.Numbers(i)))
	}
	if want := []string{"cat/a.png red[1]", "cat/b.png blue[2]", "dog/b.png blue[4]"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	colours, _ := built(t, config4("critters", 8, func(c *Config) { c.Count, c.Captions, c.ClassWords = 50, drawnCaptions, critters.Colours }))
	for i := range colours.Len() {
		if colour := strings.Fields(critters.Describe(0, i).Caption)[1]; critters.Colours[colours.Item(i).Label] != colour || colours.Len() != 50 {
			t.Errorf("image %d of %d is of class %d, want %s", i, colours.Len(), colours.Item(i).Label, colour)
		}
	}
	_, _, err := build(t, open(t, config4("critters", 8, func(c *Config) { c.Count, c.Captions, c.ClassWords = 50, drawnCaptions, []string{"red"} }), ""))
	if err == nil || !strings.Contains(err.Error(), "class_words has no phrase for") {
		t.Errorf("critters of other colours: %v", err)
	}
}

// TestCaptionsRefused: what is wrong with captions is said with the file and the line.
func TestCaptionsRefused(t *testing.T) {
	dir := files{"0.png": nil, "a.png": pngOf(t, plain(4, 4, color.White)), "b.png": pngOf(t, plain(4, 4, color.Black))}.write(t)
	for _, c := range []struct{ name, text, want string }{
		{"c.csv", "", "is empty"},
		{"c.csv", "name,text\na.png,x\n", "line 2: there is no file_name"},
		{"c.csv", "file_name,text,text\n", "names a column twice"},
		{"c.csv", "file_name,text\na.png,x,y\n", "wrong number of fields"},
		{"c.csv", "file_name,size\na.png,1\nb.png,\n", `line 3: size is ""`},
		{"c.csv", "file_name,size\na.png,1\nb.png,1e99\n", `line 3: size is "1e99"`},
		{"c.csv", "file_name\na.png\n./a.png\n", "line 3: a.png has a row already"},
		{"c.csv", "file_name,text\nc.png,x\n", `no image of the source has a row: file_name is an image's path in the source, such as "a.png"; the first row has "c.png"`},
		{"c.csv", "file_name,text\na.png," + strings.Repeat("x", maxCaption+1) + "\n", "longer than 4096 bytes"},
		{"c.jsonl", "{\"file_name\": \"a.png\"}\n{", "line 2: "},
		{"c.jsonl", "{\"file_name\": \"a.png\", \"s\": 1}\n{\"file_name\": \"b.png\", \"s\": null}", "line 2: s is"},
	} {
		_, _, err := build(t, open(t, config4(dir, 4, told4(t, c.name, c.text)), ""))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s %.40q: %v, want %s", c.name, c.text, err, c.want)
		}
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.Captions = "captions.txt" },
		func(c *Config) { c.Captions = drawnCaptions },
		func(c *Config) { c.Source, c.Captions = "critters", "c.csv" },
		func(c *Config) { c.TestCaptions = []string{"cat"} },
		func(c *Config) { c.ClassWords = []string{"cat"} },
		func(c *Config) {
			c.Source, c.Captions, c.ClassWords = "critters", drawnCaptions, []string{"red", "red"}
		},
		func(c *Config) {
			c.Source, c.Captions, c.ClassWords, c.Classes = "critters", drawnCaptions, []string{"red"}, []string{"cat"}
		},
		func(c *Config) { c.Source, c.Captions, c.TestCaptions = "critters", drawnCaptions, []string{"-"} },
	} {
		if err := config4(dir, 4, change).Validate(); err == nil || !strings.Contains(err.Error(), "captions") && !strings.Contains(err.Error(), "class_words") {
			t.Errorf("settings passed: %v", err)
		}
	}
	if _, _, err := build(t, open(t, config4(dir, 4, func(c *Config) { c.Captions = "/no/such.csv" }), "")); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// FuzzCaptions reads files of captions of any bytes: they cost what they hold, and what is read of them is sound.
func FuzzCaptions(f *testing.F) {
	for _, s := range []string{
		"file_name,text,x\na.png,a cat,1\nb.png,\"a, \"\"dog\"\"\",-2\n",
		"{\"file_name\": \"a.png\", \"text\": \"a cat\", \"x\": 1}\n{\"file_name\": \"b.png\", \"text\": \"\", \"x\": 2e3}\n",
		"file_name\tx\na.png\t0x1p-2\n",
	} {
		for i := range 3 {
			f.Add([]byte(s), i)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, format int) {
		if len(data) > 1<<16 {
			return
		}
		var r *rows
		var err error
		fuzztest.Bounded(t, len(data), 2000, func() {
			r, err = parseCaptions(bytes.NewReader(data), []string{".jsonl", ".csv", ".tsv"}[uint(format)%3])
		})
		if err != nil {
			return
		}
		for name, row := range r.of {
			if name == "" || len(row.numbers) != len(r.properties) || len(row.caption) > 3*maxCaption {
				t.Fatalf("%q has %d numbers and a caption of %d bytes", name, len(row.numbers), len(row.caption))
			}
			for _, v := range row.numbers {
				if v := float64(v); math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%q has the number %v", name, v)
				}
			}
		}
	})
}

// FuzzTold: captions.json of any bytes is refused or what it says, and what is written is read again.
func FuzzTold(f *testing.F) {
	whole := &told{Properties: []string{"x", "<y>"}, Captions: []string{"a \"cat\"\n", ""}, Values: []float32{1, 0.1, -3e-20, 4}}
	if again, err := decodeTold(whole.encode(), 2); err != nil {
		f.Fatal(err)
	} else {
		again.Format = ""
		if !reflect.DeepEqual(again, whole) {
			f.Fatalf("%+v became %+v", whole, again)
		}
	}
	f.Add(whole.encode())
	f.Add([]byte(`{"format": "lfm captions 1", "properties": null, "captions": ["a", "b"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzztest.Bounded(t, len(data), 100, func() {
			if x, err := decodeTold(data, 2); err == nil && (len(x.Captions) != 2 || len(x.numbers(1)) != len(x.Properties)) {
				t.Fatalf("%+v", x)
			}
		})
	})
}

// TestCaptionsChange: a file of captions that changes while the set is indexed is told.
func TestCaptionsChange(t *testing.T) {
	dir := shades(t, 1, "cat", "dog").write(t)
	c := config4(dir, 4, told4(t, "c.csv", "file_name,text\ncat/a.png,a cat\ndog/a.png,a dog\n"))
	s := open(t, c, "")
	_, err := s.Digest(context.Background(), nil)
	must(t, err)
	must(t, os.WriteFile(c.Captions, []byte("file_name,text\ncat/a.png,a cat\n"), 0o644))
	if _, err := s.index(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "changed while it was being read") {
		t.Errorf("indexed: %v", err)
	}
}
