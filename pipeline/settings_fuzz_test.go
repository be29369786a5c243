package pipeline

import (
	"encoding/json"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// every has a setting of each type.
type every struct {
	Word   string    `yaml:"word"`
	Words  []string  `yaml:"words"`
	Whole  int64     `yaml:"whole"`
	Wholes []int     `yaml:"wholes"`
	Number float64   `yaml:"number"`
	Many   []float64 `yaml:"many"`
	Yes    bool      `yaml:"yes"`
}

// FuzzConfigText: settings are the same if and only if their texts are; each has a line, whatever is in it, and is read
// back from it.
func FuzzConfigText(f *testing.F) {
	f.Add("a, b", "c", int64(1), 1.0, true, "a", "b, c", int64(1), 1.0, true)
	f.Add(`a"`, "a\nwith.whole: 2", int64(2), math.Copysign(0, -1), false, `a\"`, "", int64(-2), 5e-324, false)
	f.Add("\xff", `\xff`, int64(-1<<63), 0.1, false, "\ufffd", "[]", int64(1<<63-1), 0.30000000000000004, false)
	f.Fuzz(func(t *testing.T, word1, more1 string, whole1 int64, number1 float64, yes1 bool,
		word2, more2 string, whole2 int64, number2 float64, yes2 bool) {
		a := &every{word1, strings.Split(more1, ","), whole1, []int{int(whole1)}, number1, []float64{number1, 1}, yes1}
		b := &every{word2, strings.Split(more2, ","), whole2, []int{int(whole2)}, number2, []float64{number2, 1}, yes2}
		if number1 != number1 || number2 != number2 {
			return // decode refuses them: TestErrors
		}
		same := reflect.DeepEqual(a, b)
		if ConfigText(a) == ConfigText(b) != same {
			t.Fatalf("the same settings: %v; their texts:\n%s\n%s", same, ConfigText(a), ConfigText(b))
		}
		lines := keyLines(ConfigText(a))
		if n := len(Fields(a)); len(lines) != n || strings.Count(ConfigText(a), "\n") != n {
			t.Fatalf("%d settings in the lines %q", n, lines)
		}
		read := &every{Words: []string{"before"}, Whole: 3}
		if err := ReadConfigText(read, "kind: every 1\n"+ConfigText(a)+"seed: 1\n"); err != nil || !reflect.DeepEqual(read, a) {
			t.Fatalf("of %+v the text was read as %+v: %v", a, read, err)
		}
	})
}

// FuzzSet: a --set that is taken says what the same words in the file would say, changes no other node's settings, and
// may be said twice.
func FuzzSet(f *testing.F) {
	f.Add("stages.flow.with.steps", "200")
	f.Add("stages.flow.with", "{steps: 3}")
	f.Add("stages.decode.with.guidance", "0x1p-2")
	f.Add("datasets.critters.source", "../x")
	f.Add("seed", "18446744073709551615")
	f.Add("stages.flow.needs", "[encode, encode]")
	f.Add("stages.flow.with.steps.x", "1")
	f.Add("stages..with", "&a [*a]")
	f.Fuzz(func(t *testing.T, path, value string) {
		w := &world{t: t, calls: map[string]int{}, env: map[string]Env{}}
		load := func(sets ...string) (*Graph, error) {
			return parse("pipeline.yaml", filepath.Join("x", "pipeline.yaml"), []byte(standard), w.kinds(), sets)
		}
		set := path + "=" + value
		g, err := load(set)
		if err != nil {
			checkError(t, err, standard)
			return
		}
		if again, err := load(set, set); err != nil || keyTexts(again) != keyTexts(g) {
			t.Fatalf("--set %q said twice: %v", set, err)
		}
		plain, err := load()
		if err != nil {
			t.Fatal(err)
		}
		keys := strings.Split(path, "=")[0]
		for i, n := range g.Nodes {
			if part := strings.Split(keys, "."); len(part) > 2 && part[1] != n.Name && ConfigText(n.Config) != ConfigText(plain.Nodes[i].Config) {
				t.Fatalf("--set %q changes %s", set, n.Name)
			}
		}
	})
}

// keyTexts are the keys of a graph's stages, and the settings of its data sets.
func keyTexts(g *Graph) string {
	var text strings.Builder
	for _, n := range g.Nodes {
		if n.IsSource() {
			text.WriteString(n.Name + "\n" + ConfigText(n.Config))
		} else {
			text.WriteString(n.Name + "\n" + g.keyText(n, func(in *Node) string { return in.Name }))
		}
	}
	return text.String()
}

// FuzzEvent: an event that can be read is the same when it is written and read again.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"time":"2024-05-06T07:08:09.1Z","event":"progress","stage":"flow","step":3,"steps":8,"loss":null,"items_per_s":1e300}`))
	f.Add([]byte(`{"event":"stage_failed","error":"<&>\u2028\ud800"}`))
	f.Add([]byte(`{"time":"9999-12-31T23:59:59-23:59","event":"\u0000"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e, again Event
		if json.Unmarshal(data, &e) != nil {
			return
		}
		first, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, err := json.Marshal(again); err != nil || string(second) != string(first) {
			t.Fatalf("wrote %s, then %s (%v)", first, second, err)
		}
	})
}

// FuzzRecord: a run's record that can be read is the same when it is written and read again, and finding a stage in
// it ends.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"file":"../../pipeline.yaml","sets":["seed=1"],"seconds":1.5,"stages":[{"name":"flow","kind":"flow","state":"executed","key":"kind: flow 1\n"}]}`))
	f.Add([]byte(`{"stages":[{"name":"flow","action":"../x"}]}`))
	f.Add([]byte(`{"seconds":1e400}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r, again Record
		if json.Unmarshal(data, &r) != nil {
			return
		}
		r.Stage("flow")
		first, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, err := json.Marshal(again); err != nil || string(second) != string(first) {
			t.Fatalf("wrote %s, then %s (%v)", first, second, err)
		}
	})
}
