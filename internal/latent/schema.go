package latent

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Kind is the kind of the artifact that a set of latents is.
const Kind = "latents"

// Format and Version begin latents.json and the metadata of every shard.
const (
	Format  = "latents"
	Version = 1
)

// Train and Test are the splits.
const (
	Train = "train"
	Test  = "test"
)

// splits is the dictionary of the split column.
var splits = []string{Train, Test}

// Shape is the shape of one latent: (h, w, C).
type Shape struct {
	H int `json:"h"`
	W int `json:"w"`
	C int `json:"c"`
}

// Size returns h·w·C.
func (s Shape) Size() int { return s.H * s.W * s.C }

// String returns, say, 8x8x4.
func (s Shape) String() string { return fmt.Sprintf("%dx%dx%d", s.H, s.W, s.C) }

// valid holds each side and the whole below bounds that no product of them overflows.
func (s Shape) valid() bool {
	const side, all = 1 << 16, 1 << 24
	return s.H > 0 && s.W > 0 && s.C > 0 && s.H <= side && s.W <= side && s.C <= side &&
		s.H*s.W <= all && s.H*s.W*s.C <= all
}

// Header is what all rows of a set share.
type Header struct {
	Shape       Shape    `json:"shape"`
	Classes     []string `json:"classes"`     // all of them, in the order of labels
	Autoencoder string   `json:"autoencoder"` // output ID of the autoencoder that made the latents
	Dataset     string   `json:"dataset"`     // output ID of the data set's index

	// Columns that a set has only where its data set has captions.
	Captioned  bool     `json:"captioned,omitempty"`  // there is a column caption
	Properties []string `json:"properties,omitempty"` // names of the numbers of column properties; without any it is missing
}

// maxProperties bounds the properties of a row.
const maxProperties = 256

// validate returns why a header cannot be written or was not written by us.
func (h Header) validate() error {
	switch {
	case !h.Shape.valid():
		return fmt.Errorf("a latent cannot have shape %v", h.Shape)
	case len(h.Classes) == 0:
		return fmt.Errorf("there are no classes")
	}
	if len(h.Properties) > maxProperties {
		return fmt.Errorf("there are %d properties, at most %d can be kept", len(h.Properties), maxProperties)
	}
	for _, c := range h.Classes {
		if !utf8.ValidString(c) {
			return fmt.Errorf("class name %q is not UTF-8; rename its folder", c)
		}
	}
	return nil
}

// metadata is the schema metadata of a shard.
func (h Header) metadata() arrow.Metadata {
	return arrow.NewMetadata(
		[]string{"lfm.format", "lfm.version", "lfm.shape", "lfm.autoencoder", "lfm.dataset"},
		[]string{Format, fmt.Sprint(Version), h.Shape.String(), h.Autoencoder, h.Dataset},
	)
}

// dictionaryOf is the type of split and label.
var dictionaryOf = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}

// schema is the schema of a shard.
func (h Header) schema() *arrow.Schema {
	m := h.metadata()
	fields := []arrow.Field{
		{Name: "id", Type: arrow.BinaryTypes.String},
		{Name: "split", Type: dictionaryOf},
		{Name: "flip", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "label", Type: dictionaryOf},
		{Name: "latent", Type: numbers(h.Shape.Size())},
	}
	if h.Captioned {
		fields = append(fields, arrow.Field{Name: "caption", Type: arrow.BinaryTypes.String})
	}
	if len(h.Properties) > 0 {
		fields = append(fields, arrow.Field{Name: "properties", Type: numbers(len(h.Properties))})
	}
	return arrow.NewSchema(fields, &m)
}

// numbers is the type of n numbers a row.
func numbers(n int) arrow.DataType {
	return arrow.FixedSizeListOfNonNullable(int32(n), arrow.PrimitiveTypes.Float32)
}

// check returns what of a shard's schema is not as this header says.
func (h Header) check(got *arrow.Schema) error {
	want := h.schema()
	wm, gm := want.Metadata(), got.Metadata()
	for i, key := range wm.Keys() {
		if v, ok := gm.GetValue(key); !ok || v != wm.Values()[i] {
			return fmt.Errorf("metadata %s is %q, want %q", key, v, wm.Values()[i])
		}
	}
	for _, f := range want.Fields() {
		switch at := got.FieldIndices(f.Name); {
		case len(at) != 1:
			return fmt.Errorf("there are %d columns called %s, want one", len(at), f.Name)
		case !sameType(got.Field(at[0]).Type, f.Type):
			return fmt.Errorf("column %s is %v, want %v", f.Name, got.Field(at[0]).Type, f.Type)
		}
	}
	return nil
}

// sameType compares types, but not whether list elements are called item and may be null: writers differ there.
func sameType(a, b arrow.DataType) bool {
	p, ok := a.(*arrow.FixedSizeListType)
	q, also := b.(*arrow.FixedSizeListType)
	if ok && also {
		return p.Len() == q.Len() && arrow.TypeEqual(p.Elem(), q.Elem())
	}
	return arrow.TypeEqual(a, b)
}

// text makes a column of text.
func text(values []string) *array.String {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewStringArray()
}

// isText reports whether a dictionary holds exactly these words.
func isText(a arrow.Array, words []string) bool {
	s, ok := a.(*array.String)
	if !ok || s.Len() != len(words) || s.NullN() != 0 {
		return false
	}
	got := make([]string, len(words))
	for i := range got {
		got[i] = s.Value(i)
	}
	return slices.Equal(got, words)
}
