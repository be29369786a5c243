package pipeline

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"lfm/artifacts"
)

// TestKeysChange mutates every setting of every kind: the key text changes exactly where
// the tag key:"-" is not there.
func TestKeysChange(t *testing.T) {
	kinds := newWorld(t).kinds()
	configs := []func() any{kinds.Source.Config}
	for _, k := range kinds.Stages {
		configs = append(configs, k.Config)
	}
	for _, config := range configs {
		before := ConfigText(config())
		mutants := Mutants(config)
		if len(mutants) != len(Fields(config())) {
			t.Errorf("%T: %d mutants of %d settings", config(), len(mutants), len(Fields(config())))
		}
		for _, m := range mutants {
			if changed := ConfigText(m.Config) != before; changed != m.Key {
				t.Errorf("%T: changing %s changes the key: %v, want %v", m.Config, m.Name, changed, m.Key)
			}
			if reflect.DeepEqual(m.Config, config()) {
				t.Errorf("%T: %s was not changed", m.Config, m.Name)
			}
		}
	}
}

// TestKeyTextNamesAll: everything else that a key is made of changes it too.
func TestKeyTextNamesAll(t *testing.T) {
	w := newWorld(t)
	text := func(change func(*Graph, *Node), output string) string {
		g := w.load(standard)
		n, err := g.Node("encode")
		if err != nil {
			t.Fatal(err)
		}
		change(g, n)
		return g.keyText(n, func(in *Node) string { return in.KindName() + output })
	}
	before := text(func(*Graph, *Node) {}, "")
	for name, now := range map[string]string{
		"seed":    text(func(_ *Graph, n *Node) { n.Seed++ }, ""),
		"version": text(func(_ *Graph, n *Node) { n.version++ }, ""),
		"kind":    text(func(_ *Graph, n *Node) { k := *n.Kind; k.Name = "x"; n.Kind = &k }, ""),
		"device":  text(func(g *Graph, _ *Node) { g.Device = "cpu" }, ""),
		"input":   text(func(*Graph, *Node) {}, "2"),
		"port":    text(func(_ *Graph, n *Node) { n.Needs["p"] = n.Needs["autoencoder"]; delete(n.Needs, "autoencoder") }, ""),
		"data":    text(func(_ *Graph, n *Node) { n.Data = nil }, ""),
	} {
		if now == before {
			t.Errorf("%s does not change the key", name)
		}
	}
	if now := text(func(g *Graph, n *Node) { n.Name, g.Name, g.File = "a", "b", "c" }, ""); now != before {
		t.Errorf("names change the key:\n%s\n%s", before, now)
	}
	n := &Node{Config: &datasetConfig{Source: "here", Size: 8, Fit: "pad"}, version: 3}
	const want = "kind: dataset 3\nwith.fit: pad\nwith.size: 8\ndigest: "
	if got := sourceKeyText(n, artifacts.ID{}); got != want+strings.Repeat("0", 64)+"\n" {
		t.Errorf("data set's key text\n%s", got)
	}
}

// TestValueText: two values of one type have one text only if they are equal.
func TestValueText(t *testing.T) {
	lists := [][]string{nil, {""}, {"a, b"}, {"a", "b"}, {"a b"}, {"a\nwith.x: 1"}, {`"a"`}, {"a"}, {"[a]"}, {"ä"}}
	seen := map[string]int{}
	for i, l := range lists {
		text := valueText(reflect.ValueOf(l))
		if j, ok := seen[text]; ok || strings.Contains(text, "\n") {
			t.Errorf("%q and %q are both %s", lists[j], l, text)
		}
		seen[text] = i
	}
	for _, c := range []struct {
		value any
		want  string
	}{
		{[]string{}, "[]"}, {[]string(nil), "[]"}, {[]float64{0.1, 1e-30, 3}, "[0.1, 1e-30, 3]"}, {[]int{-1}, "[-1]"},
		{1e-3, "0.001"}, {float64(float32(0.1)), "0.10000000149011612"}, {true, "true"}, {int64(1) << 62, "4611686018427387904"},
		{"logit-normal", "logit-normal"}, {"", `""`},
	} {
		if got := valueText(reflect.ValueOf(c.value)); got != c.want {
			t.Errorf("%#v is %s, want %s", c.value, got, c.want)
		}
	}
}

// TestMinusZero: -0 and 0 are one number and have one key.
func TestMinusZero(t *testing.T) {
	w := newWorld(t)
	plain, minus := w.load(standard, "stages.decode.with.guidance=0"), w.load(standard, "stages.decode.with.guidance=-0.0")
	if a, b := ConfigText(plain.Nodes[4].Config), ConfigText(minus.Nodes[4].Config); a != b {
		t.Errorf("0 gives\n%s-0 gives\n%s", a, b)
	}
}

// TestMisuse: settings structs and kinds that contradict themselves panic, with their name.
func TestMisuse(t *testing.T) {
	panics := func(f func()) (text string) {
		defer func() { text, _ = recover().(string) }()
		f()
		return ""
	}
	type twice struct {
		A int `yaml:"a"`
		B int `yaml:"a"`
	}
	for want, config := range map[string]any{
		"must be a pointer": struct{}{},
		"wants a yaml tag":  &struct{ A int }{},
		"cannot be a uint8": &struct {
			A uint8 `yaml:"a"`
		}{},
		"is not a number": &struct {
			A int `yaml:"a" min:"one"`
		}{},
		`two settings "a"`: &twice{},
		"is a plain name": &struct {
			A int `yaml:"a,omitempty"`
		}{},
		"no other value than": &struct {
			A int `yaml:"a" min:"1" max:"1"`
		}{1},
	} {
		if got := panics(func() { Mutants(func() any { return config }) }); !strings.Contains(got, want) {
			t.Errorf("%T: panics with %q, want %q", config, got, want)
		}
	}
	kinds := newWorld(t).kinds()
	kinds.Stages[2].Inputs[1].Via = "encoder"
	if got := panics(func() { kinds.check() }); !strings.Contains(got, `by way of "encoder"`) {
		t.Errorf("panics with %q", got)
	}
	kinds.Stages[2].Inputs[1].Name = DataPort
	if got := panics(func() { kinds.check() }); !strings.Contains(got, `port "data"`) {
		t.Errorf("panics with %q", got)
	}
	kinds.Stages[0].Name = "flow"
	if got := panics(func() { kinds.check() }); !strings.Contains(got, `kind "flow"`) {
		t.Errorf("panics with %q", got)
	}
}

// TestSchema: the schema is JSON and says of every setting what its tags say.
func TestSchema(t *testing.T) {
	w := newWorld(t)
	text, err := Schema(w.kinds())
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions map[string]struct {
			AdditionalProperties bool
			Properties           map[string]map[string]any
		}
		Properties struct {
			Stages struct {
				AdditionalProperties struct {
					AllOf []struct{ If, Then map[string]any }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if got := len(schema.Properties.Stages.AdditionalProperties.AllOf); got != 5 {
		t.Errorf("%d kinds, want 5", got)
	}
	want := map[string]any{"type": "integer", "minimum": 1., "maximum": 1e6, "default": 500., "description": "training steps"}
	if got := schema.Definitions["flow"].Properties["steps"]; !reflect.DeepEqual(got, want) {
		t.Errorf("steps: %v, want %v", got, want)
	}
	want = map[string]any{"type": "number", "exclusiveMinimum": 0., "exclusiveMaximum": 1., "default": 0.001, "description": "learning rate"}
	if got := schema.Definitions["flow"].Properties["lr"]; !reflect.DeepEqual(got, want) {
		t.Errorf("lr: %v, want %v", got, want)
	}
	want = map[string]any{"type": "integer", "enum": []any{2., 4., 8.}, "default": 4.}
	if got := schema.Definitions["autoencoder"].Properties["downsample"]; !reflect.DeepEqual(got, want) {
		t.Errorf("downsample: %v, want %v", got, want)
	}
	want = map[string]any{"type": "array", "default": []any{}, "items": map[string]any{"type": "number", "minimum": 0., "maximum": 10.}}
	if got := schema.Definitions["decode"].Properties["scales"]; !reflect.DeepEqual(got, want) {
		t.Errorf("scales: %v, want %v", got, want)
	}
	for _, k := range w.kinds().Stages {
		for _, f := range Fields(k.Config()) {
			if schema.Definitions[k.Name].Properties[f.Name] == nil {
				t.Errorf("%s.%s is not in the schema", k.Name, f.Name)
			}
		}
	}
}

// TestDistance holds the edit distance to its definition and nearest to its judgement.
func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"flow", "flow", 0}, {"flwo", "flow", 1}, {"stpes", "steps", 1}, {"kitten", "sitting", 3}, {"ä", "a", 1}} {
		if got := distance(c.a, c.b, 9); got != c.want {
			t.Errorf("%q to %q is %d edits, want %d", c.a, c.b, got, c.want)
		}
		if distance(c.a, c.b, 9) != distance(c.b, c.a, 9) {
			t.Errorf("%q and %q: not symmetric", c.a, c.b)
		}
	}
	valid := []string{"batch", "steps", "latent_channels", "ema"}
	for word, want := range map[string]string{"step": "steps", "Batch": "batch", "latent": "latent_channels", "em": "ema", "solver": "", "": ""} {
		if got := Nearest(word, valid); got != want {
			t.Errorf("%q is taken for %q, want %q", word, got, want)
		}
	}
}

// TestReadConfigText: a text of other settings is an error, and what it does not name stays as it was.
func TestReadConfigText(t *testing.T) {
	c := &every{Word: "kept", Whole: 3}
	if err := ReadConfigText(c, "kind: every 1\nwith.words: []\nwith.number: 1e-06\nseed: 9\ninput whole: 5\n"); err != nil ||
		c.Word != "kept" || c.Whole != 3 || c.Number != 1e-6 || len(c.Words) != 0 {
		t.Errorf("read %+v: %v", c, err)
	}
	for _, text := range []string{"with.colour: red", "with.whole: 1.5", "with.yes: 7", "with.many: 1, 2", "with.many: [1, two]", "with.words: [\"a]", "with.word: two words"} {
		if err := ReadConfigText(&every{}, text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
