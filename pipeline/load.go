package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

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
	r := &reader{file: file, lines: linesOf(string(data)), set: map[*yaml.Node]string{}}
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
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || decodeScalar(n, &seed) != nil {
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
	for _, s := range stages {
		if s.Kind.Check == nil {
			continue
		}
		if err := s.Kind.Check(s.Config, s.configAt); err != nil {
			return faultAt(cmp.Or(fieldNode(err, s.at, s.with), s.node), "%s", err)
		}
	}
	return nil
}

// behind is what lies behind these ports, one after the other, nil where nothing does.
func (n *Node) behind(ports ...string) *Node {
	for _, port := range ports {
		if n == nil {
			break
		}
		if port == DataPort {
			n = n.Data
		} else {
			n = n.Needs[port]
		}
	}
	return n
}

// configAt is the settings of what lies behind these ports, nil where nothing does.
func (n *Node) configAt(ports ...string) any {
	if n = n.behind(ports...); n != nil {
		return n.Config
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
			if p.Name == "" || p.Name == DataPort || p.Artifact == "" || ports[p.Name] || p.Via == p.Name {
				panic(fmt.Sprintf("pipeline: kind %s: port %q is not whole, or stands there twice", k.Name, p.Name))
			}
			ports[p.Name] = true
		}
		for _, p := range k.Inputs {
			via := slices.IndexFunc(k.Inputs, func(q Port) bool { return q.Name == p.Via && q.Via == "" && !q.Optional })
			if p.Via != "" && via < 0 {
				panic(fmt.Sprintf("pipeline: kind %s: port %s goes by way of %q, which is no port", k.Name, p.Name, p.Via))
			}
		}
	}
	if kinds.Source.Config != nil {
		Fields(kinds.Source.Config())
	}
}
