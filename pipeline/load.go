package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Graph is a pipeline that was read and found whole: every word known, every setting in
// its range, every port filled with what it takes.
type Graph struct {
	Name   string
	Seed   uint64
	Device string   // auto, cpu, cuda or cuda:N
	File   string   // pipeline.yaml as Load was given it
	Path   string   // the same, absolute
	Dir    string   // its folder, absolute
	Sets   []string // the --set that were applied
	Nodes  []*Node  // in topological order: data sets first, stages as near to the file's order as may be

	kinds  Kinds
	reader *reader
}

// Node is a data set or a stage.
type Node struct {
	Name   string
	Kind   *Kind            // nil: a data set
	Config any              // the settings, decoded over the defaults
	Seed   uint64           // of a stage
	Needs  map[string]*Node // by port, the ports filled by way of others included
	Data   *Node            // the data set that a stage reads, or nil

	index   int // in Graph.Nodes
	version int
	at      map[string]*yaml.Node // where each setting stands
	node    *yaml.Node            // where the node's name stands
	with    *yaml.Node            // where its settings stand
}

// IsSource reports whether the node is a data set.
func (n *Node) IsSource() bool { return n.Kind == nil }

// KindName is the kind of the node: "dataset" for a data set.
func (n *Node) KindName() string {
	if n.IsSource() {
		return datasetKind
	}
	return n.Kind.Name
}

// inputs lists the nodes whose outputs the node is made from, in the order of the graph.
func (n *Node) inputs() []*Node {
	var in []*Node
	for _, m := range n.Needs {
		if !slices.Contains(in, m) {
			in = append(in, m)
		}
	}
	if n.Data != nil {
		in = append(in, n.Data)
	}
	slices.SortFunc(in, func(a, b *Node) int { return a.index - b.index })
	return in
}

// Node finds a node by name; the error is an *Error that names the nearest one.
func (g *Graph) Node(name string) (*Node, error) {
	var names []string
	for _, n := range g.Nodes {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	end, near := choices(name, names)
	return nil, &Error{File: g.File, Msg: fmt.Sprintf("no stage is named %q%s", name, end), Nearest: near}
}

// maxFile bounds a pipeline.yaml; a larger file is something else.
const maxFile = 1 << 20

// Load reads a pipeline.yaml. sets are overrides of the form stages.flow.with.steps=200,
// applied to the file before it is read as a pipeline. A mistake is one *Error, the first;
// a file that cannot be read is an error of os.
func Load(file string, kinds Kinds, sets []string) (*Graph, error) {
	kinds.check()
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parse(file, path, data, kinds, sets)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("pipeline: %w; name a pipeline.yaml, or write a first one with lfm init", err)
	}
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("pipeline: reading %s: %w", path, err)
	}
	return data, nil
}

// parse is Load for a file's content.
func parse(file, path string, data []byte, kinds Kinds, sets []string) (*Graph, error) {
	r := &reader{file: file, lines: strings.Split(string(data), "\n"), set: map[*yaml.Node]string{}}
	g := &Graph{Device: "auto", File: file, Path: path, Dir: filepath.Dir(path), Sets: slices.Clone(sets), kinds: kinds, reader: r}
	root, err := r.parse(data)
	if err != nil {
		return nil, err
	}
	for _, s := range sets {
		if err := r.apply(root, s); err != nil {
			return nil, err
		}
	}
	if err := g.decode(root); err != nil {
		return nil, r.locate(err)
	}
	return g, nil
}

// reader is a file being read: it turns nodes into places.
type reader struct {
	file  string
	lines []string
	set   map[*yaml.Node]string // the --set that a node came by
}

// at makes an Error about a place of the file.
func (r *reader) at(line, column int, format string, args ...any) *Error {
	e := &Error{File: r.file, Line: max(line, 1), Column: max(column, 1), Msg: fmt.Sprintf(format, args...)}
	if e.Line <= len(r.lines) {
		e.Text = strings.TrimSuffix(r.lines[e.Line-1], "\r")
	}
	return e
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
		return nil, r.at(1, 1, "is larger than %d bytes: not a pipeline.yaml", maxFile)
	case !utf8.Valid(data):
		line := slices.IndexFunc(r.lines, func(s string) bool { return !utf8.ValidString(s) })
		return nil, r.at(line+1, 1, "is not text in UTF-8")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	doc, err := decodeNode(decoder)
	if err == io.EOF {
		return nil, r.at(1, 1, "is empty; lfm init writes a first pipeline.yaml")
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
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: %v", p)
		}
	}()
	doc = new(yaml.Node)
	err = d.Decode(doc)
	if err == nil && len(doc.Content) == 0 {
		err = io.EOF
	}
	return doc, err
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

// decode reads the whole file. Order: keys, data sets, stages, wiring, settings; so a
// stage that is named wrongly is reported before its settings are.
func (g *Graph) decode(root *yaml.Node) error {
	top, err := known(root, "the pipeline", "name", "seed", "device", "datasets", "stages")
	if err != nil {
		return err
	}
	if n := top["name"]; n != nil {
		if g.Name, err = textOf(n, "name"); err != nil {
			return err
		}
	}
	if n := top["seed"]; n != nil {
		if g.Seed, err = seedOf(n); err != nil {
			return err
		}
	}
	if n := top["device"]; n != nil {
		if g.Device, err = deviceOf(n); err != nil {
			return err
		}
	}
	if n := top["datasets"]; n != nil {
		if err := g.decodeDatasets(n); err != nil {
			return err
		}
	}
	if top["stages"] == nil {
		return faultAt(root, "the pipeline has no stages")
	}
	return g.decodeStages(top["stages"])
}

// known reads a map that may have just the given keys.
func known(n *yaml.Node, of string, keys ...string) (map[string]*yaml.Node, error) {
	entries, err := mapEntries(n, of)
	if err != nil {
		return nil, err
	}
	values := map[string]*yaml.Node{}
	for _, e := range entries {
		if !slices.Contains(keys, e.name) {
			end, near := choices(e.name, keys)
			return nil, faultNear(e.key, near, "%s has no key %q%s", of, e.name, end)
		}
		values[e.name] = e.value
	}
	return values, nil
}

func textOf(n *yaml.Node, key string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" || n.Value == "" {
		return "", faultAt(n, "%s wants text, not %s", key, describe(n))
	}
	return n.Value, nil
}

func seedOf(n *yaml.Node) (uint64, error) {
	var seed uint64
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || n.Decode(&seed) != nil {
		return 0, faultAt(n, "seed wants a whole number from 0 to 2^64-1, not %s", describe(n))
	}
	return seed, nil
}

var deviceForm = regexp.MustCompile(`^(auto|cpu|cuda(:[0-9]{1,3})?)$`)

func deviceOf(n *yaml.Node) (string, error) {
	text, err := textOf(n, "device")
	if err != nil || deviceForm.MatchString(text) {
		return text, err
	}
	end, near := choices(strings.Replace(text, "gpu", "cuda", 1), []string{"auto", "cpu", "cuda", "cuda:0"})
	return "", faultNear(n, near, "there is no device %q%s", text, end)
}

// nameForm is what data sets and stages may be called: the name is a folder under out/
// and a step of a --set path.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

func (g *Graph) newNode(e entry) (*Node, error) {
	if !nameForm.MatchString(e.name) {
		return nil, faultAt(e.key, "%q cannot be a name; letters, digits, - and _ can be in one", e.name)
	}
	for _, n := range g.Nodes {
		if n.Name == e.name {
			return nil, faultAt(e.key, "%s is the name of a data set already; a stage needs another", e.name)
		}
	}
	n := &Node{Name: e.name, Seed: g.Seed, Needs: map[string]*Node{}, node: e.key, index: len(g.Nodes)}
	g.Nodes = append(g.Nodes, n)
	return n, nil
}

func (g *Graph) decodeDatasets(n *yaml.Node) error {
	entries, err := mapEntries(n, "datasets")
	if err != nil {
		return err
	}
	for _, e := range entries {
		d, err := g.newNode(e)
		if err != nil {
			return err
		}
		d.version, d.with = g.kinds.Source.Version, e.value
		d.Config = g.kinds.Source.Config()
		if d.at, err = decodeConfig(d.Config, "data set "+d.Name, e.value); err != nil {
			return orAt(err, e.key)
		}
	}
	return nil
}

func (g *Graph) decodeStages(n *yaml.Node) error {
	entries, err := mapEntries(n, "stages")
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return faultAt(n, "stages is empty; lfm init shows what can stand there")
	}
	var stages []*stageText
	for _, e := range entries {
		s, err := g.decodeStage(e)
		if err != nil {
			return err
		}
		stages = append(stages, s)
	}
	if err := g.wire(stages); err != nil {
		return err
	}
	for _, s := range stages {
		s.Config = s.Kind.Config()
		if s.at, err = decodeConfig(s.Config, s.Kind.Name, s.with); err != nil {
			return orAt(err, s.node)
		}
	}
	return nil
}

// stageText is a stage before its needs are looked up.
type stageText struct {
	*Node
	needs, data *yaml.Node
}

func (g *Graph) decodeStage(e entry) (*stageText, error) {
	n, err := g.newNode(e)
	if err != nil {
		return nil, err
	}
	keys, err := known(e.value, "stage "+e.name, "uses", "needs", "with", "seed", "data")
	if err != nil {
		return nil, err
	}
	if keys["uses"] == nil {
		return nil, faultAt(e.key, "stage %s does not say what it uses; there is %s", e.name, list(g.kindNames(), "and"))
	}
	uses, err := textOf(keys["uses"], "uses")
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(g.kinds.Stages, func(k Kind) bool { return k.Name == uses })
	if i < 0 {
		end, near := choices(uses, g.kindNames())
		return nil, faultNear(keys["uses"], near, "there is no kind of stage %q%s", uses, end)
	}
	n.Kind, n.version, n.with = &g.kinds.Stages[i], g.kinds.Stages[i].Version, keys["with"]
	if keys["seed"] != nil {
		if n.Seed, err = seedOf(keys["seed"]); err != nil {
			return nil, err
		}
	}
	return &stageText{n, keys["needs"], keys["data"]}, nil
}

func (g *Graph) kindNames() []string {
	var names []string
	for _, k := range g.kinds.Stages {
		names = append(names, k.Name)
	}
	slices.Sort(names)
	return names
}

// orAt gives a fault without a place one.
func orAt(err error, n *yaml.Node) error {
	var f *fault
	if errors.As(err, &f) && f.node == nil {
		f.node = n
	}
	return err
}

// check panics on kinds that contradict themselves: the programmer's mistake.
func (kinds Kinds) check() {
	seen := map[string]bool{datasetKind: true}
	for _, k := range kinds.Stages {
		if k.Name == "" || k.Output == "" || k.Config == nil || k.Open == nil || seen[k.Name] {
			panic(fmt.Sprintf("pipeline: kind %q is not whole, or stands there twice", k.Name))
		}
		seen[k.Name] = true
		Fields(k.Config())
		ports := map[string]bool{}
		for _, p := range k.Inputs {
			if p.Name == "" || p.Artifact == "" || ports[p.Name] || p.Via == p.Name {
				panic(fmt.Sprintf("pipeline: kind %s: port %q is not whole, or stands there twice", k.Name, p.Name))
			}
			ports[p.Name] = true
		}
		for _, p := range k.Inputs {
			via := slices.IndexFunc(k.Inputs, func(q Port) bool { return q.Name == p.Via && q.Via == "" })
			if p.Via != "" && via < 0 {
				panic(fmt.Sprintf("pipeline: kind %s: port %s goes by way of %q, which is no port", k.Name, p.Name, p.Via))
			}
		}
	}
	if kinds.Source.Config != nil {
		Fields(kinds.Source.Config())
	}
}
