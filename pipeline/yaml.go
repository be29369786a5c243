package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// reader is a file being read: it turns nodes into places.
type reader struct {
	file  string
	lines []string
	set   map[*yaml.Node]string // the --set that a node came by
}

// lineBreaks turns all that the YAML reader counts as the end of a line into one.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// linesOf takes a text apart into the lines that the YAML reader numbers.
func linesOf(text string) []string { return strings.Split(lineBreaks.Replace(text), "\n") }

// at makes an Error about a place of the file.
func (r *reader) at(line, column int, format string, args ...any) *Error {
	line = min(max(line, 1), len(r.lines)) // what is missing at the end, the YAML reader puts behind the last line
	return &Error{File: r.file, Line: line, Column: max(column, 1), Text: r.lines[line-1], Msg: fmt.Sprintf(format, args...)}
}

// locate turns a fault into an Error; other errors pass.
func (r *reader) locate(err error) error {
	var f *fault
	if !errors.As(err, &f) {
		return err
	}
	n := f.node
	if n == nil {
		return &Error{File: r.file, Msg: f.msg, Nearest: f.nearest}
	}
	if set := r.set[n]; set != "" {
		return &Error{File: r.file, Set: set, Msg: f.msg, Nearest: f.nearest}
	}
	e := r.at(n.Line, n.Column, "%s", f.msg)
	e.Nearest = f.nearest
	return e
}

// parse reads the YAML into nodes and refuses what a pipeline has no use for.
func (r *reader) parse(data []byte) (*yaml.Node, error) {
	switch {
	case len(data) > maxFile:
		return nil, r.at(1, 1, "the file is larger than %d bytes: no pipeline.yaml is", maxFile)
	case !utf8.Valid(data):
		line := slices.IndexFunc(r.lines, func(s string) bool { return !utf8.ValidString(s) })
		return nil, r.at(line+1, 1, "this is not text in UTF-8")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	doc, err := decodeNode(decoder)
	if err == io.EOF {
		return nil, r.at(1, 1, "the file is empty; lfm init writes a first pipeline.yaml")
	}
	if err != nil {
		return nil, r.syntax(err)
	}
	if err := refuse(doc); err != nil {
		return nil, r.locate(err)
	}
	if second, err := decodeNode(decoder); err == nil {
		return nil, r.at(second.Line, second.Column, "a second document begins here; a file holds one pipeline")
	} else if err != io.EOF {
		return nil, r.syntax(err)
	}
	return doc.Content[0], nil
}

// decodeNode reads a document; a panic of the YAML reader becomes an error.
func decodeNode(d *yaml.Decoder) (doc *yaml.Node, err error) {
	defer recovered(&err)
	doc = new(yaml.Node)
	err = d.Decode(doc)
	if err == nil && len(doc.Content) == 0 {
		err = io.EOF
	}
	return doc, err
}

// decodeScalar reads a node into v, likewise.
func decodeScalar(n *yaml.Node, v any) (err error) {
	defer recovered(&err)
	return n.Decode(v)
}

// recovered, deferred, makes an error of a panic of the YAML reader.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("yaml: %v", p)
	}
}

// syntax gives a place to an error of the YAML reader. The usual cause is a tab, and then
// the place is known exactly.
func (r *reader) syntax(err error) error {
	for i, line := range r.lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && strings.TrimSpace(line) != "" {
			return r.at(i+1, tab+1, "a tab indents this line; YAML wants spaces")
		}
	}
	line, msg := syntaxParts(err)
	if a := unknownAnchor.FindStringSubmatch(msg); a != nil {
		for i, text := range r.lines {
			if at := strings.Index(text, "*"+a[1]); at >= 0 {
				return r.at(i+1, utf8.RuneCountInString(text[:at])+1, "aliases are not read here; write the value out")
			}
		}
	}
	if n := r.syntaxLine(msg); n <= len(r.lines) {
		line = n
	}
	e := r.at(min(line, len(r.lines)), 1, "%s", msg)
	e.Column += len(e.Text) - len(strings.TrimLeft(e.Text, " "))
	return e
}

// syntaxLine seeks the line of a mistake. The YAML reader tells at best where the map or
// list began that it was in; the mistake is in the line with which the file, cut off behind
// it, begins to have it. The result is beyond the last line if no such line is found.
func (r *reader) syntaxLine(msg string) int {
	return 1 + sort.Search(len(r.lines), func(i int) bool {
		d := yaml.NewDecoder(strings.NewReader(strings.Join(r.lines[:i+1], "\n") + "\n"))
		for {
			if _, err := decodeNode(d); err == io.EOF {
				return false
			} else if err != nil {
				_, m := syntaxParts(err)
				return m == msg
			}
		}
	})
}

// syntaxParts takes an error of the YAML reader apart. line is 0 if it knows none.
func syntaxParts(err error) (line int, msg string) {
	m := syntaxForm.FindStringSubmatch(err.Error())
	line, _ = strconv.Atoi(m[1])
	return line, m[2]
}

var (
	syntaxForm    = regexp.MustCompile(`(?s)^(?:yaml: )?(?:line (\d+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
)

// refuse finds keys that stand twice, anchors, aliases and tags of one's own. A pipeline
// needs none, and a file of a few nested aliases can stand for more values than there is
// memory.
func refuse(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode:
		return faultAt(n, "aliases are not read here; write the value out")
	case n.Anchor != "":
		return faultAt(n, "anchors are not read here; write the value out where it is needed")
	case n.Style&yaml.TaggedStyle != 0:
		return faultAt(n, "the tag %s is not read here", n.Tag)
	}
	first := map[string]int{}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind == yaml.ScalarNode {
			if line := first[c.Value]; line > 0 {
				return faultAt(c, "%s is set twice (first in line %d)", c.Value, line)
			}
			first[c.Value] = c.Line
		}
		if err := refuse(c); err != nil {
			return err
		}
	}
	return nil
}

// apply puts one --set into the tree: the path may end in a key that is not there yet, and
// may pass through with: and needs: that are not there yet, but never names a new stage.
func (r *reader) apply(root *yaml.Node, set string) error {
	fail := func(near, format string, args ...any) error {
		return &Error{File: r.file, Set: set, Msg: fmt.Sprintf(format, args...), Nearest: near}
	}
	path, text, ok := strings.Cut(set, "=")
	if !ok || path == "" {
		return fail("", "wants the form path=value, such as stages.flow.with.steps=200")
	}
	value, err := decodeNode(yaml.NewDecoder(strings.NewReader(text)))
	if err == io.EOF {
		value, err = &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!null"}}}, nil
	}
	if err != nil {
		_, msg := syntaxParts(err)
		return fail("", "the value is not YAML: %s", msg)
	}
	if err := refuse(value); err != nil {
		return fail("", "%s", err)
	}
	n, keys := root, strings.Split(path, ".")
	for i, key := range keys {
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
			*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column}
		}
		if n.Kind != yaml.MappingNode {
			return fail("", "%s is %s and has no %s", strings.Join(keys[:i], "."), describe(n), key)
		}
		at := slices.IndexFunc(oddless(n.Content), func(k *yaml.Node) bool { return k.Value == key })
		if at < 0 {
			if i == 1 && (keys[0] == "stages" || keys[0] == "datasets") {
				end, near := choices(key, keyNames(n))
				return fail(near, "%s has no %s%s", keys[0], key, end)
			}
			n.Content = append(n.Content, r.from(set, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}),
				r.from(set, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}))
			at = len(n.Content)/2 - 1
		}
		if i == len(keys)-1 {
			n.Content[2*at+1] = r.from(set, value.Content[0])
		}
		n = n.Content[2*at+1]
	}
	return nil
}

// from marks a node and what is below it as come by a --set.
func (r *reader) from(set string, n *yaml.Node) *yaml.Node {
	r.set[n] = set
	for _, c := range n.Content {
		r.from(set, c)
	}
	return n
}

// oddless is the keys of a map's content.
func oddless(content []*yaml.Node) []*yaml.Node {
	var keys []*yaml.Node
	for i := 0; i < len(content); i += 2 {
		keys = append(keys, content[i])
	}
	return keys
}

func keyNames(n *yaml.Node) []string {
	var names []string
	for _, k := range oddless(n.Content) {
		names = append(names, k.Value)
	}
	return names
}

// entry is a key of a map with its value.
type entry struct {
	name       string
	key, value *yaml.Node
}

// mapEntries lists a map's entries in the file's order. of names the map in messages.
// Nothing (`with:` and no more) counts as an empty map.
func mapEntries(n *yaml.Node, of string) ([]entry, error) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, faultAt(n, "%s must be a map (key: value), not %s", of, describe(n))
	}
	var entries []entry
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null" {
			return nil, faultAt(key, "a key of %s must be a word, not %s", of, describe(key))
		}
		entries = append(entries, entry{key.Value, key, value})
	}
	return entries, nil
}
