package dataset

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"lfm/artifacts"
)

const (
	indexFile   = "index.json"
	indexFormat = "lfm dataset index 1"
	channels    = 3
)

// The names of the two splits.
const (
	Train = "train"
	Test  = "test"
)

// Item is an image of a data set.
type Item struct {
	ID     string       // its path in the source, with slashes
	Label  int          // number of its class
	Split  string       // Train or Test
	Digest artifacts.ID // of its file, or of what it is made from
}

// Skip is something that looked like an image and is not in the set.
type Skip struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Index lists the images of a data set.
type Index struct {
	Origin     string // "tree", "idx", "cifar", or the generator of drawn images with its version and seed
	Size       int
	Fit        string
	Background string // #rrggbb
	Classes    []string
	Items      []Item
	Skipped    []Skip

	decoded [][]byte // pixels of Items that the survey kept, or nil
}

// indexJSON is the form of an Index in its file: columns.
type indexJSON struct {
	Format     string           `json:"format"`
	Origin     string           `json:"origin"`
	Size       int              `json:"size"`
	Channels   int              `json:"channels"`
	Fit        string           `json:"fit"`
	Background string           `json:"background"`
	Classes    []string         `json:"classes"`
	Counts     map[string][]int `json:"counts"`
	Skipped    []Skip           `json:"skipped"`
	Labels     []int            `json:"labels"`
	Test       []int            `json:"test"`
	Digests    string           `json:"digests"`
	IDs        []string         `json:"ids"`
}

// counts returns the images of each class, split by split.
func (x *Index) counts() map[string][]int {
	n := map[string][]int{Train: make([]int, len(x.Classes)), Test: make([]int, len(x.Classes))}
	for _, it := range x.Items {
		n[it.Split][it.Label]++
	}
	return n
}

// encode writes the file: a field a line, and an ID a line, so that two indexes can be compared by eye.
func (x *Index) encode() []byte {
	labels, test, ids := make([]int, len(x.Items)), []int{}, make([]string, len(x.Items))
	digests := make([]byte, 0, 64*len(x.Items))
	for i, it := range x.Items {
		labels[i], ids[i] = it.Label, it.ID
		digests = hex.AppendEncode(digests, it.Digest[:])
		if it.Split == Test {
			test = append(test, i)
		}
	}
	var b bytes.Buffer
	field := func(name string, v any) { fmt.Fprintf(&b, ",\n%q: %s", name, text(v)) }
	list := func(name string, n int, at func(int) any) {
		fmt.Fprintf(&b, ",\n%q: [", name)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("\n")
			b.Write(text(at(i)))
		}
		b.WriteString("]")
	}
	fmt.Fprintf(&b, "{%q: %q", "format", indexFormat)
	field("origin", x.Origin)
	field("size", x.Size)
	field("channels", channels)
	field("fit", x.Fit)
	field("background", x.Background)
	list("classes", len(x.Classes), func(i int) any { return x.Classes[i] })
	field("counts", x.counts())
	list("skipped", len(x.Skipped), func(i int) any { return x.Skipped[i] })
	field("labels", labels)
	field("test", test)
	field("digests", string(digests))
	list("ids", len(ids), func(i int) any { return ids[i] })
	b.WriteString("}\n")
	return b.Bytes()
}

// text is v as JSON that leaves &, < and > as they are.
func text(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("dataset: " + err.Error()) // strings, numbers and slices of them always encode
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// decodeIndex reads what encode wrote, and trusts none of it.
func decodeIndex(data []byte) (*Index, error) {
	var f indexJSON
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("not an index: %w", err)
	}
	if f.Format != indexFormat {
		return nil, fmt.Errorf("format is %q, this program reads %q", f.Format, indexFormat)
	}
	n := len(f.IDs)
	if f.Channels != channels || f.Size < 1 || len(f.Labels) != n || len(f.Digests) != 64*n {
		return nil, fmt.Errorf("columns do not fit together (%d ids, %d labels, %d digits of digests, %d channels)", n, len(f.Labels), len(f.Digests), f.Channels)
	}
	sums, err := hex.DecodeString(f.Digests)
	if err != nil {
		return nil, fmt.Errorf("digests: %w", err)
	}
	x := &Index{Origin: f.Origin, Size: f.Size, Fit: f.Fit, Background: f.Background, Classes: f.Classes, Skipped: f.Skipped, Items: make([]Item, n)}
	for i := range x.Items {
		if f.Labels[i] < 0 || f.Labels[i] >= len(f.Classes) {
			return nil, fmt.Errorf("image %d has label %d of %d classes", i, f.Labels[i], len(f.Classes))
		}
		x.Items[i] = Item{f.IDs[i], f.Labels[i], Train, artifacts.ID(sums[32*i : 32*i+32])}
	}
	for _, i := range f.Test {
		if i < 0 || i >= n {
			return nil, fmt.Errorf("test image %d of %d images", i, n)
		}
		x.Items[i].Split = Test
	}
	return x, nil
}

// warnings says what a user should know about the set.
func (x *Index) warnings() []string {
	var w []string
	if n := len(x.Skipped); n > 0 {
		w = append(w, fmt.Sprintf("%s skipped, for example %s: %s (index.json of the data set lists all)", plural(n, "image"), x.Skipped[0].ID, x.Skipped[0].Reason))
	}
	if len(x.Classes) == 1 {
		w = append(w, fmt.Sprintf("there is one class only, %q: training is unconditional", x.Classes[0]))
	}
	counts := x.counts()
	if sum(counts[Test]) == 0 {
		w = append(w, "there are no test images: nothing can be measured on images that training has not seen")
	}
	return w
}

// finish puts classes in their order and gives labels. classOf names the class of each item; wanted, if not
// empty, are the classes to keep, in order, and others are dropped.
func (x *Index) finish(classOf []string, wanted []string, where string) error {
	have := map[string]int{}
	for _, c := range classOf {
		have[c]++
	}
	x.Classes = wanted
	if len(wanted) == 0 {
		for c := range have {
			x.Classes = append(x.Classes, c)
		}
		sort.Strings(x.Classes)
	}
	number := map[string]int{}
	for i, c := range x.Classes {
		if have[c] == 0 {
			return fieldError{"classes", fmt.Sprintf("names %q, of which %s has no image; its classes are %s", c, where, present(have))}
		}
		number[c] = i
	}
	items, decoded := x.Items[:0], x.decoded[:0]
	for i, it := range x.Items {
		label, ok := number[classOf[i]]
		if !ok {
			continue
		}
		it.Label = label
		items = append(items, it)
		if x.decoded != nil {
			decoded = append(decoded, x.decoded[i])
		}
	}
	x.Items, x.decoded = items, decoded
	return nil
}

// present names the classes that there are.
func present(have map[string]int) string {
	var names []string
	for c := range have {
		names = append(names, c)
	}
	sort.Strings(names)
	if len(names) > 12 {
		names = append(names[:12], "…")
	}
	return strings.Join(names, ", ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return fmt.Sprintf("%d %ss were", n, what)
}

func sum(v []int) (s int) {
	for _, n := range v {
		s += n
	}
	return s
}
