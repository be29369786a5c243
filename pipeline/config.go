package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A settings struct is described once, by the tags of its fields; how it is read, which
// values it takes, what stands in a key text and what an editor is told all follow.
//
//	type Config struct {
//		Steps  int     `yaml:"steps" min:"1" doc:"updates of the weights"`
//		Rate   float64 `yaml:"lr" above:"0" max:"1" doc:"peak learning rate"`
//		Solver string  `yaml:"solver" oneof:"euler heun" doc:"how the path is followed"`
//		Every  int     `yaml:"checkpoint_every" key:"-" min:"0" doc:"…"` // key:"-": saving changes no byte
//	}
//
// yaml names the setting, "-" hides the field. min and max are bounds that belong to the
// range, above and below bounds that do not. oneof lists the words or numbers to choose
// from. Bounds and choices of a list hold for each of its elements. doc is one line for the
// schema. key:"-" leaves the setting out of key texts and wants its reason in a comment
// beside it. An embedded struct's settings count as the outer struct's own.
//
// A field is a bool, int, int64, float64, string, []string, []int or []float64. A struct
// may also have a method Validate() error for what tags cannot say; returning a
// [FieldError] points the message at a line of the file.

// Field is one setting of a settings struct.
type Field struct {
	Name string
	Doc  string
	Key  bool // it is part of the key text

	owner  reflect.Type
	index  []int
	typ    reflect.Type
	bounds []bound
	oneof  []string
}

// bound is one end of a range.
type bound struct {
	*boundRule
	value float64
	text  string // value as it stands in the tag
}

// boundRule is what one of the four tags means.
type boundRule struct {
	tag    string
	words  string // in messages
	schema string // in JSON Schema
	holds  func(v, b float64) bool
}

var boundRules = []boundRule{
	{"min", "at least", "minimum", func(v, b float64) bool { return v >= b }},
	{"above", "more than", "exclusiveMinimum", func(v, b float64) bool { return v > b }},
	{"max", "at most", "maximum", func(v, b float64) bool { return v <= b }},
	{"below", "less than", "exclusiveMaximum", func(v, b float64) bool { return v < b }},
}

// fieldTypes names each supported type for messages: one value, and a value of a list.
var fieldTypes = map[reflect.Type]string{
	reflect.TypeFor[bool]():      "true or false",
	reflect.TypeFor[int]():       "a whole number",
	reflect.TypeFor[int64]():     "a whole number",
	reflect.TypeFor[float64]():   "a number",
	reflect.TypeFor[string]():    "text",
	reflect.TypeFor[[]string]():  "a list of words",
	reflect.TypeFor[[]int]():     "a list of whole numbers",
	reflect.TypeFor[[]float64](): "a list of numbers",
}

// FieldError is an error about one setting: what Validate returns to have the message
// shown at the setting's line. Any error with a method Field() string does.
type FieldError struct {
	Name string // the setting's, as in pipeline.yaml
	Msg  string // "must be a multiple of heads"
}

func (e FieldError) Error() string { return e.Name + " " + e.Msg }

// Field is the name of the setting.
func (e FieldError) Field() string { return e.Name }

// Fields lists the settings of config, a pointer to a struct, in the struct's order. A
// struct that breaks the rules above is the programmer's mistake and panics.
func Fields(config any) []Field {
	t := reflect.TypeOf(config)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("pipeline: settings must be a pointer to a struct, not %T", config))
	}
	fields := structFields(t.Elem(), nil)
	seen := map[string]bool{}
	for _, f := range fields {
		if seen[f.Name] {
			panic(fmt.Sprintf("pipeline: %v has two settings %q", t, f.Name))
		}
		seen[f.Name] = true
	}
	return fields
}

func structFields(t reflect.Type, at []int) []Field {
	var fields []Field
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(slices.Clone(at), i)
		switch name := sf.Tag.Get("yaml"); {
		case sf.Anonymous && sf.Type.Kind() == reflect.Struct:
			fields = append(fields, structFields(sf.Type, index)...)
		case !sf.IsExported() || name == "-":
		case name == "" || strings.Contains(name, ","):
			panic(fmt.Sprintf("pipeline: %v.%s: wants a yaml tag that is a plain name", t, sf.Name))
		case fieldTypes[sf.Type] == "":
			panic(fmt.Sprintf("pipeline: %v.%s: a setting cannot be a %v", t, sf.Name, sf.Type))
		default:
			fields = append(fields, Field{
				Name: name, Doc: sf.Tag.Get("doc"), Key: sf.Tag.Get("key") != "-",
				owner: t, index: index, typ: sf.Type,
				bounds: parseBounds(t, sf), oneof: strings.Fields(sf.Tag.Get("oneof")),
			})
		}
	}
	return fields
}

func parseBounds(t reflect.Type, sf reflect.StructField) []bound {
	var bounds []bound
	for i, rule := range boundRules {
		text, ok := sf.Tag.Lookup(rule.tag)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(fmt.Sprintf("pipeline: %v.%s: %s:%q is not a number", t, sf.Name, rule.tag, text))
		}
		bounds = append(bounds, bound{&boundRules[i], v, text})
	}
	return bounds
}

// of is the field's value in config.
func (f Field) of(config any) reflect.Value {
	return reflect.ValueOf(config).Elem().FieldByIndex(f.index)
}

// check says what is wrong with a value, or with one element of a list; near is the
// choice that looks most like it. msg is empty if all is well.
func (f Field) check(v reflect.Value) (msg, near string) {
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			if msg, near := f.check(v.Index(i)); msg != "" {
				return msg, near
			}
		}
		return "", ""
	}
	text := scalarText(v)
	for _, b := range f.bounds {
		if v.CanInt() && !b.holds(float64(v.Int()), b.value) || v.CanFloat() && !b.holds(v.Float(), b.value) {
			return fmt.Sprintf("%s is %s; it must be %s %s", f.Name, text, b.words, b.text), ""
		}
	}
	if len(f.oneof) > 0 && !slices.Contains(f.oneof, text) {
		msg := fmt.Sprintf("%s cannot be %s; it can be %s", f.Name, text, list(f.oneof, "or"))
		if v.Kind() != reflect.String {
			return msg, ""
		}
		near := Nearest(text, f.oneof)
		if near != "" {
			msg = fmt.Sprintf("%s cannot be %s; did you mean %q?", f.Name, text, near)
		}
		return msg, near
	}
	return "", ""
}

// Check says which setting is out of its range, or what Validate says, in a [FieldError]: for settings that come by
// another way than a file.
func Check(config any) error {
	for _, f := range Fields(config) {
		if msg, _ := f.check(f.of(config)); msg != "" {
			return FieldError{f.Name, strings.TrimPrefix(msg, f.Name+" ")}
		}
	}
	if v, ok := config.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// ---- reading -------------------------------------------------------------------------

// decodeConfig fills config from a map node and returns where each setting stands. of
// names the owner in messages. A nil node leaves the defaults.
func decodeConfig(config any, of string, n *yaml.Node) (map[string]*yaml.Node, error) {
	fields := Fields(config)
	at := map[string]*yaml.Node{}
	if n != nil {
		entries, err := mapEntries(n, "the settings of "+of)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == e.name })
			if i < 0 {
				msg, near := choices(e.name, fieldNames(fields))
				return nil, faultNear(e.key, near, "%s has no setting %q%s", of, e.name, msg)
			}
			at[e.name] = e.value
			if err := fields[i].decode(fields[i].of(config), e.value); err != nil {
				return nil, err
			}
			if msg, near := fields[i].check(fields[i].of(config)); msg != "" {
				return nil, faultNear(offender(fields[i], e.value), near, "%s", msg)
			}
		}
	}
	return at, validate(config, at, n)
}

// validate asks the struct's own Validate and points its answer at a line.
func validate(config any, at map[string]*yaml.Node, n *yaml.Node) error {
	v, ok := config.(interface{ Validate() error })
	if !ok {
		return nil
	}
	err := v.Validate()
	if err == nil {
		return nil
	}
	return faultAt(fieldNode(err, at, n), "%s", err)
}

// fieldNode is where the setting that err names stands, or else, the map of settings.
func fieldNode(err error, at map[string]*yaml.Node, n *yaml.Node) *yaml.Node {
	var named interface{ Field() string }
	if errors.As(err, &named) && at[named.Field()] != nil {
		return at[named.Field()]
	}
	return n
}

// offender is the element of a list that fails the field's check, or the value itself.
func offender(f Field, n *yaml.Node) *yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return n
	}
	for _, c := range n.Content {
		v := reflect.New(f.typ.Elem()).Elem()
		if f.decode(v, c) == nil {
			if msg, _ := f.check(v); msg != "" {
				return c
			}
		}
	}
	return n
}

// decode reads a node into v, strictly: a number is not a text, a fraction not a whole
// number, and nothing is neither.
func (f Field) decode(v reflect.Value, n *yaml.Node) error {
	if v.Kind() == reflect.Slice {
		if n.Kind != yaml.SequenceNode {
			return f.wrong(v.Type(), n)
		}
		list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, c := range n.Content {
			if err := f.decode(list.Index(i), c); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	}
	tag := n.ShortTag()
	switch ok := n.Kind == yaml.ScalarNode; {
	case ok && v.Kind() == reflect.Bool && tag == "!!bool":
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case ok && v.CanInt() && tag == "!!int":
		var i int64
		if decodeScalar(n, &i) != nil || v.OverflowInt(i) {
			return faultAt(n, "%s is %s; that is beyond 64 bits", f.Name, n.Value)
		}
		v.SetInt(i)
	case ok && v.CanFloat() && (tag == "!!float" || tag == "!!int"):
		var x float64
		if decodeScalar(n, &x) != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return faultAt(n, "%s is %s; it must be a finite number", f.Name, n.Value)
		}
		v.SetFloat(x + 0) // -0 becomes 0: one number, one text
	case ok && v.Kind() == reflect.String && tag == "!!str":
		v.SetString(n.Value)
	default:
		return f.wrong(v.Type(), n)
	}
	return nil
}

// wrong reports a value of another type than t.
func (f Field) wrong(t reflect.Type, n *yaml.Node) error {
	hint, near := "", ""
	switch tag := n.ShortTag(); {
	case t.Kind() == reflect.Bool:
		near = map[string]string{"yes": "true", "on": "true", "y": "true", "1": "true",
			"no": "false", "off": "false", "n": "false", "0": "false"}[strings.ToLower(n.Value)]
		if near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
	case t.Kind() == reflect.String && n.Kind == yaml.ScalarNode && tag != "!!null":
		hint = fmt.Sprintf("; put it in quotes: %q", n.Value)
	case t.Kind() == reflect.Slice && n.Kind == yaml.ScalarNode && tag != "!!null":
		hint = fmt.Sprintf("; put it in brackets: [%s]", clip(n.Value, 40))
	}
	return faultNear(n, near, "%s wants %s, not %s%s", f.Name, fieldTypes[t], describe(n), hint)
}

func fieldNames(fields []Field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

// ---- canonical text ------------------------------------------------------------------

// ConfigText is the canonical text of the settings that belong in a key, one line each,
// sorted by name, defaults included:
//
//	with.batch: 64
//	with.solver: heun
func ConfigText(config any) string {
	fields := Fields(config)
	slices.SortFunc(fields, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	var text strings.Builder
	for _, f := range fields {
		if f.Key {
			fmt.Fprintf(&text, "with.%s: %s\n", f.Name, valueText(f.of(config)))
		}
	}
	return text.String()
}

// valueText writes a value so that two values of one field never share a text.
func valueText(v reflect.Value) string {
	if v.Kind() != reflect.Slice {
		return scalarText(v)
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = scalarText(v.Index(i))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func scalarText(v reflect.Value) string {
	switch {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	case v.CanFloat():
		return strconv.FormatFloat(v.Float()+0, 'g', -1, 64)
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	}
	if s := v.String(); isWord(s) {
		return s
	}
	return strconv.Quote(v.String())
}

// isWord reports whether a text stands for itself without quotes.
func isWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:+%@") == ""
}

// ReadConfigText sets config to what a key text says, as [ConfigText] wrote it. Settings that the text does not name stay
// as they are; one that config does not have, or whose value is none of its type, is an error: the text is of another
// version of the kind.
func ReadConfigText(config any, text string) error {
	fields := Fields(config)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		name, ok := strings.CutPrefix(name, "with.")
		if !ok {
			continue
		}
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
		if i < 0 {
			return fmt.Errorf("pipeline: there is no setting %s", name)
		}
		if err := readValue(fields[i].of(config), value); err != nil {
			return fmt.Errorf("pipeline: %s: %w", name, err)
		}
	}
	return nil
}

// readValue reads what valueText wrote.
func readValue(v reflect.Value, text string) error {
	if v.Kind() != reflect.Slice {
		return readScalar(v, text)
	}
	left, begins := strings.CutPrefix(text, "[")
	left, ends := strings.CutSuffix(left, "]")
	if !begins || !ends {
		return fmt.Errorf("%q is no list", text)
	}
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for left != "" {
		one, err := strconv.QuotedPrefix(left) // in which there may be commas
		if err != nil {
			one, _, _ = strings.Cut(left, ", ")
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if err := readScalar(e, one); err != nil {
			return err
		}
		list = reflect.Append(list, e)
		left = strings.TrimPrefix(left[len(one):], ", ")
	}
	v.Set(list)
	return nil
}

// readScalar reads what scalarText wrote.
func readScalar(v reflect.Value, text string) (err error) {
	switch {
	case v.CanInt():
		var i int64
		i, err = strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(i)
	case v.CanFloat():
		var x float64
		x, err = strconv.ParseFloat(text, 64)
		v.SetFloat(x)
	case v.Kind() == reflect.Bool:
		var yes bool
		yes, err = strconv.ParseBool(text)
		v.SetBool(yes)
	default:
		if !isWord(text) {
			text, err = strconv.Unquote(text)
		}
		v.SetString(text)
	}
	return err
}

// ---- schema --------------------------------------------------------------------------

// schema describes the field in JSON Schema's words. config holds its default.
func (f Field) schema(config any) map[string]any {
	elem := f.typ
	if f.typ.Kind() == reflect.Slice {
		elem = f.typ.Elem()
	}
	one := map[string]any{"type": map[reflect.Kind]string{reflect.Bool: "boolean", reflect.Int: "integer",
		reflect.Int64: "integer", reflect.Float64: "number", reflect.String: "string"}[elem.Kind()]}
	for _, b := range f.bounds {
		one[b.schema] = b.value
	}
	if len(f.oneof) > 0 {
		values := make([]any, len(f.oneof))
		for i, word := range f.oneof {
			values[i] = word
			if x, err := strconv.ParseFloat(word, 64); err == nil && elem.Kind() != reflect.String {
				values[i] = x
			}
		}
		one["enum"] = values
	}
	all, v := one, f.of(config)
	if f.typ.Kind() == reflect.Slice {
		all = map[string]any{"type": "array", "items": one}
		if v.IsNil() {
			v = reflect.MakeSlice(f.typ, 0, 0)
		}
	}
	all["default"] = v.Interface()
	if f.Doc != "" {
		all["description"] = f.Doc
	}
	return all
}

// configSchema describes a whole settings struct.
func configSchema(config any) map[string]any {
	properties := map[string]any{}
	for _, f := range Fields(config) {
		properties[f.Name] = f.schema(config)
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

// ---- for tests -----------------------------------------------------------------------

// Mutant is a settings struct in which one setting has another value than its default.
type Mutant struct {
	Field
	Config any
}

// Mutants changes every setting in turn to another value that its tags allow: a test
// that wants to know what a change of each does (to a key text, say) ranges over them.
// A setting that has one choice only (oneof:"independent", others to come) is left out; any
// other that cannot be changed panics.
func Mutants(config func() any) []Mutant {
	var mutants []Mutant
	for _, f := range Fields(config()) {
		if len(f.oneof) == 1 {
			continue
		}
		c := config()
		f.mutate(f.of(c))
		mutants = append(mutants, Mutant{f, c})
	}
	return mutants
}

func (f Field) mutate(v reflect.Value) {
	for _, other := range f.others(v) {
		if msg, _ := f.check(other); msg == "" && valueText(other) != valueText(v) {
			v.Set(other)
			return
		}
	}
	panic(fmt.Sprintf("pipeline: %v: setting %q can have no other value than %s", f.owner, f.Name, valueText(v)))
}

// others proposes values beside v; some may be out of range.
func (f Field) others(v reflect.Value) []reflect.Value {
	t := v.Type()
	var others []reflect.Value
	add := func(x any) { others = append(others, reflect.ValueOf(x).Convert(t)) }
	numbers := []float64{}
	for _, b := range f.bounds {
		numbers = append(numbers, b.value)
	}
	for _, word := range f.oneof {
		if x, err := strconv.ParseFloat(word, 64); err == nil {
			numbers = append(numbers, x)
		}
	}
	switch {
	case t.Kind() == reflect.Slice:
		for _, e := range f.others(reflect.Zero(t.Elem())) {
			others = append(others, reflect.Append(reflect.MakeSlice(t, 0, 1), e))
		}
		others = append(others, reflect.MakeSlice(t, 0, 0))
	case t.Kind() == reflect.Bool:
		add(!v.Bool())
	case v.CanInt():
		add(v.Int() + 1)
		add(v.Int() - 1)
		for _, x := range numbers {
			add(int64(x))
		}
	case v.CanFloat():
		for _, x := range append(numbers, v.Float()) {
			for _, y := range []float64{x, x / 2, x + 1, (x + v.Float()) / 2} {
				add(y)
			}
		}
	default:
		for _, word := range append(slices.Clone(f.oneof), v.String()+"x") {
			add(word)
		}
	}
	return others
}
