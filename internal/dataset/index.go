package dataset

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
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
	ID    string // its path in the source, with slashes
	Label int    // number of its class
	Split string // Train or Test
}

// entry is an image in an Index.
type entry struct {
	Item
	digest artifacts.ID // of its file, or of what it is made from
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
	Items      []entry
	Skipped    []Skip

	told     *told    // captions of the items; nil where there are none
	rowsLeft int      // rows of the file of captions that are of no item
	heldOut  int      // images that test_captions took from training
	unsaid   []string // phrases of test_captions that no caption has
}

// counts returns the images of each class, split by split.
func (x *Index) counts() map[string][]int {
	n := map[string][]int{Train: make([]int, len(x.Classes)), Test: make([]int, len(x.Classes))}
	for _, it := range x.Items {
		n[it.Split][it.Label]++
	}
	return n
}

// write writes the file: a field a line, and an ID a line, so that two indexes can be compared by eye.
func (x *Index) write(out io.Writer) error {
	b := bufio.NewWriterSize(out, 1<<16) // its first error is Flush's
	field := func(name string, v any) { fmt.Fprintf(b, ",\n%q: %s", name, text(v)) }
	// list writes n values in brackets, each behind a separator.
	list := func(name, before, after string, n int, put func(int)) {
		fmt.Fprintf(b, ",\n%q: [", name)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(before)
			put(i)
		}
		b.WriteString(after)
	}
	number := func(n int) { b.Write(strconv.AppendInt(b.AvailableBuffer(), int64(n), 10)) }
	fmt.Fprintf(b, "{%q: %q", "format", indexFormat)
	field("origin", x.Origin)
	field("size", x.Size)
	field("channels", channels)
	field("fit", x.Fit)
	field("background", x.Background)
	list("classes", "\n", "]", len(x.Classes), func(i int) { b.Write(text(x.Classes[i])) })
	field("counts", x.counts())
	list("skipped", "\n", "]", len(x.Skipped), func(i int) { b.Write(text(x.Skipped[i])) })
	list("labels", "", "]", len(x.Items), func(i int) { number(x.Items[i].Label) })
	fmt.Fprintf(b, ",\n%q: [", "test")
	sep := ""
	for i := range x.Items {
		if x.Items[i].Split == Test {
			b.WriteString(sep)
			number(i)
			sep = ","
		}
	}
	fmt.Fprintf(b, "],\n%q: \"", "digests")
	for i := range x.Items {
		b.Write(hex.AppendEncode(b.AvailableBuffer(), x.Items[i].digest[:]))
	}
	b.WriteByte('"')
	list("ids", "\n", "]}\n", len(x.Items), func(i int) { b.Write(text(x.Items[i].ID)) })
	return b.Flush()
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

// warnings says what a user should know about the set.
func (x *Index) warnings() []string {
	var w []string
	if n := len(x.Skipped); n > 0 {
		w = append(w, fmt.Sprintf("%s skipped, for example %s: %s (index.json of the data set lists all)", plural(n, "image"), x.Skipped[0].ID, x.Skipped[0].Reason))
	}
	if x.rowsLeft > 0 {
		w = append(w, fmt.Sprintf("%s of the file of captions belong to no image of the set", several(x.rowsLeft, "row", "rows")))
	}
	if len(x.unsaid) > 0 {
		w = append(w, fmt.Sprintf("no caption has %q of test_captions: no image is held out for it", x.unsaid))
	}
	if len(x.Classes) == 1 {
		w = append(w, fmt.Sprintf("there is one class only, %q: training is unconditional", x.Classes[0]))
	}
	counts := x.counts()
	if n, first := missing(counts[Train]); n > 0 {
		w = append(w, fmt.Sprintf("%s of %d have no image to train on, for example %q: nothing can be learned of them", several(n, "class", "classes"), len(x.Classes), x.Classes[first]))
	}
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
	items := x.Items[:0]
	for i, it := range x.Items {
		label, ok := number[classOf[i]]
		if !ok {
			continue
		}
		it.Label = label
		items = append(items, it)
	}
	x.Items = items
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

// missing returns how many counts are nought, and the first that is.
func missing(counts []int) (n, first int) {
	for i := range slices.Backward(counts) {
		if counts[i] == 0 {
			n, first = n+1, i
		}
	}
	return n, first
}

func several(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func sum(v []int) (s int) {
	for _, n := range v {
		s += n
	}
	return s
}
