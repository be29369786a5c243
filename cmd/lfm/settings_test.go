package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"lfm/pipeline"
)

const (
	settingsPage = "../../docs/settings.md"
	settingsHead = `# Settings

What may stand in a pipeline.yaml: for a data set beside ` + "`source:`" + `, for a stage under ` + "`with:`" + `. What is left out has its default. ` + "`lfm init`" + ` writes
a file that has them all with a word on each, ` + "`lfm schema`" + ` tells them to an editor, and ` + "`lfm run --set`" + ` changes one for a run. This page is
written from the program by ` + "`go test ./cmd/lfm -run SettingsPage -update`" + `.
`
)

// TestSettingsPage: docs/settings.md says what the schema says.
func TestSettingsPage(t *testing.T) {
	schema := properties(t)
	var page bytes.Buffer
	page.WriteString(settingsHead)
	section := func(name, title string, config any) {
		fields := pipeline.Fields(config)
		if n := len(schema[name]); n != len(fields) || n == 0 {
			t.Errorf("%s: the schema has %d settings, and the program %d", name, n, len(fields))
		}
		fmt.Fprintf(&page, "\n## %s\n\n| setting | default | may be | what it is |\n|---|---|---|---|\n", title)
		for _, f := range fields {
			p := schema[name][f.Name]
			fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", f.Name, p.value(), p.allowed(), strings.ReplaceAll(f.Doc, "|", `\|`))
		}
	}
	all := kinds()
	section("dataset", "A data set", all.Source.Config())
	for _, k := range all.Stages {
		section(k.Name, "`uses: "+k.Name+"`", k.Config())
	}
	if *update {
		if err := os.WriteFile(settingsPage, page.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(settingsPage); err != nil || !bytes.Equal(got, page.Bytes()) {
		t.Errorf("docs/settings.md is not what the program says now (%v): go test ./cmd/lfm -run SettingsPage -update", err)
	}
}

// properties is what the schema says of every setting of every kind, and of a data set's.
func properties(t *testing.T) map[string]map[string]property {
	t.Helper()
	text, err := pipeline.Schema(kinds())
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Definitions map[string]struct{ Properties map[string]property }
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]property{}
	for kind, d := range schema.Definitions {
		all[kind] = d.Properties
	}
	return all
}

// property is what the schema says of a setting: of one value, or of those of a list.
type property struct {
	Type             string
	Default          any
	Items            *property
	Enum             []any
	Minimum, Maximum *json.Number
	ExclusiveMinimum *json.Number
	ExclusiveMaximum *json.Number
}

func (p property) value() string {
	if p.Default == nil || p.Default == "" {
		return ""
	}
	text, err := json.Marshal(p.Default)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return "`" + strings.ReplaceAll(strings.Trim(string(text), `"`), ",", ", ") + "`"
}

// allowed is the words to choose from, or a range, or the type where anything goes.
func (p property) allowed() string {
	if p.Items != nil {
		return "a list: " + p.Items.allowed()
	}
	if p.Enum != nil {
		words := make([]string, len(p.Enum))
		for i, w := range p.Enum {
			words[i] = fmt.Sprintf("`%v`", w)
		}
		return strings.Join(words, ", ")
	}
	var bounds []string
	for _, b := range []struct {
		words string
		at    *json.Number
	}{{"at least", p.Minimum}, {"more than", p.ExclusiveMinimum}, {"at most", p.Maximum}, {"less than", p.ExclusiveMaximum}} {
		if b.at != nil {
			bounds = append(bounds, b.words+" "+b.at.String())
		}
	}
	if bounds == nil {
		return map[string]string{"string": "text", "boolean": "`true`, `false`", "integer": "a whole number", "number": "a number"}[p.Type]
	}
	return strings.Join(bounds, ", ")
}
