package pipeline

import (
	"encoding/json"
	"fmt"
)

// Schema is the JSON Schema (draft 7, which editors know best) of a pipeline.yaml, made
// from the same struct tags that the reader uses. What a schema cannot say, such as the
// wiring, Load alone checks.
func Schema(kinds Kinds) ([]byte, error) {
	kinds.check()
	name := map[string]any{"type": "string"}
	seed := map[string]any{"type": "integer", "minimum": 0, "default": 0}
	definitions := map[string]any{datasetKind: configSchema(kinds.Source.Config())}
	var uses []any
	var cases []any
	for _, k := range kinds.Stages {
		uses = append(uses, k.Name)
		definitions[k.Name] = configSchema(k.Config())
		cases = append(cases, map[string]any{
			"if":   object("properties", object("uses", object("const", k.Name))),
			"then": object("properties", stageProperties(k)),
		})
	}
	stage := map[string]any{
		"type":                 "object",
		"required":             []string{"uses"},
		"additionalProperties": false,
		"properties": map[string]any{
			"uses":  map[string]any{"enum": uses, "description": "kind of the stage"},
			"needs": map[string]any{"description": "stages that it is made from: a list, or a map from port to stage", "type": []string{"array", "object", "null"}},
			"with":  map[string]any{"description": "settings", "type": []string{"object", "null"}},
			"seed":  described(seed, "seed of this stage, if not the pipeline's"),
			"data":  described(name, "data set that it reads; the only one is the default"),
		},
		"allOf": cases,
	}
	schema := map[string]any{
		"$schema":              "http://json-schema.org/draft-07/schema#",
		"title":                "pipeline.yaml of lfm",
		"type":                 "object",
		"required":             []string{"stages"},
		"additionalProperties": false,
		"definitions":          definitions,
		"properties": map[string]any{
			"name":     described(name, "name of the pipeline"),
			"seed":     described(seed, "seed of every stage that has none of its own"),
			"device":   map[string]any{"type": "string", "pattern": deviceForm.String(), "default": "auto", "description": "what computes: auto, cpu, cuda or cuda:N"},
			"datasets": map[string]any{"type": []string{"object", "null"}, "propertyNames": object("pattern", nameForm.String()), "additionalProperties": object("$ref", "#/definitions/"+datasetKind)},
			"stages":   map[string]any{"type": "object", "minProperties": 1, "propertyNames": object("pattern", nameForm.String()), "additionalProperties": stage},
		},
	}
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("pipeline: schema: %w", err) // a default that JSON has no word for
	}
	return append(text, '\n'), nil
}

// stageProperties is what is particular to a kind: its settings and its ports.
func stageProperties(k Kind) map[string]any {
	ports, listed := map[string]any{}, 0
	for _, p := range k.Inputs {
		doc := "stage that makes " + article(p.Artifact)
		switch {
		case p.Via != "":
			continue
		case p.Optional:
			doc += "; may be left out"
		default:
			listed++
		}
		ports[p.Name] = map[string]any{"type": "string", "description": doc}
	}
	properties := map[string]any{
		"with": map[string]any{"anyOf": []any{object("$ref", "#/definitions/"+k.Name), object("type", "null")}},
		"needs": map[string]any{"anyOf": []any{
			map[string]any{"type": "array", "items": object("type", "string"), "maxItems": listed, "uniqueItems": true},
			map[string]any{"type": "object", "properties": ports, "additionalProperties": false},
			object("type", "null"),
		}},
	}
	if !k.Data {
		properties["data"] = false
	}
	return properties
}

func object(key string, value any) map[string]any { return map[string]any{key: value} }

func described(schema map[string]any, doc string) map[string]any {
	all := map[string]any{"description": doc}
	for k, v := range schema {
		all[k] = v
	}
	return all
}
