package crossattn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"lfm/crossattn"
	"lfm/internal/fuzztest"
)

// learn is LearnTokenizer without end.
func learn(t testing.TB, texts []string, vocabulary int) *crossattn.Tokenizer {
	t.Helper()
	tok, err := crossattn.LearnTokenizer(t.Context(), texts, vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// captions are texts of few words in many combinations.
func captions() []string {
	var all []string
	for _, colour := range []string{"red", "blue", "größte"} {
		for _, animal := range []string{"cat", "dog", "penguin"} {
			for _, place := range []string{"on grass", "at night"} {
				all = append(all, fmt.Sprintf("A %s %s, %s.", colour, animal, place))
			}
		}
	}
	return all
}

// TestTokenizerIsPure: what is learned depends on the texts and the size alone, not on the
// order of the texts, and survives being written down; a smaller vocabulary is the beginning of
// a larger one.
func TestTokenizerIsPure(t *testing.T) {
	texts := captions()
	large := learn(t, texts, 300)
	slices.Reverse(texts)
	if again := learn(t, texts, 300); !reflect.DeepEqual(again, large) {
		t.Errorf("in another order: %+v, want %+v", again, large)
	}
	small := learn(t, texts, 270)
	if small.Vocabulary() != 270 || !reflect.DeepEqual(small.Merges, large.Merges[:13]) {
		t.Errorf("%d tokens, merges %v; want the first 13 of %v", small.Vocabulary(), small.Merges, large.Merges)
	}
	text, err := json.Marshal(large)
	if err != nil {
		t.Fatal(err)
	}
	var read crossattn.Tokenizer
	if err := json.Unmarshal(text, &read); err != nil || !reflect.DeepEqual(&read, large) || read.Validate() != nil {
		t.Errorf("read again: %+v (%v, %v)", read, err, read.Validate())
	}
}

// TestTokens: frequent words become a token each, words of the texts are known, others are
// spelled, and no text at all has no tokens.
func TestTokens(t *testing.T) {
	tok := learn(t, captions(), 1000)
	for text, tokens := range map[string]int{"": 0, " \n ": 0, "a red cat": 3, "A RED  cat, on grass.": 7, "penguin": 1, "xyz": 4} {
		if got := tok.Encode(text); len(got) != tokens {
			t.Errorf("%q has tokens %v, want %d", text, got, tokens)
		}
	}
	if got := tok.Unknown("a redd CAT on the grass, redd"); !slices.Equal(got, []string{"redd", "the"}) {
		t.Errorf("unknown are %q", got)
	}
	ids := []float32{9, 9, 9, 9}
	if left := tok.Fill(ids, "a cat"); left != 0 || ids[0] == crossattn.Pad || ids[2] != crossattn.Pad || ids[3] != crossattn.Pad {
		t.Errorf("filled %v, %d left", ids, left)
	}
	if left := tok.Fill(ids, "a red cat, on grass."); left != 3 {
		t.Errorf("filled %v, %d left, want 3", ids, left)
	}
	one := learn(t, []string{strings.Repeat("ab", 500)}, 1000)
	if err := one.Validate(); err != nil {
		t.Errorf("of one long word: %v", err)
	}
}

// TestFiller: a Filler fills as Fill does, whatever texts it had before.
func TestFiller(t *testing.T) {
	tok := learn(t, captions(), 300)
	fill := tok.Filler()
	for _, text := range append(captions(), "", "something else") {
		got, want := make([]float32, 8), make([]float32, 8)
		if left := fill(got, text); left != tok.Fill(want, text) || !slices.Equal(got, want) {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// TestLearningStops: learning ends when its context does.
func TestLearningStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if tok, err := crossattn.LearnTokenizer(ctx, captions(), 300); tok != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("learned %v, %v", tok, err)
	}
}

// TestTokenizerRefused: a vocabulary that is not one does not pass.
func TestTokenizerRefused(t *testing.T) {
	doubling := make([][2]int, 40)
	for k := range doubling {
		doubling[k] = [2]int{256 + k, 256 + k}
	}
	for want, merges := range map[string][][2]int{
		"does not come before it": {{97, 257}},
		"token 0":                 {{0, 97}},
		"token -1":                {{97, -1}},
		"bytes, more than 64":     doubling,
		"tokens and":              make([][2]int, crossattn.MaxVocabulary),
	} {
		if err := (&crossattn.Tokenizer{Merges: merges}).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// FuzzTokenizer learns from one text, and takes another to tokens and back.
func FuzzTokenizer(f *testing.F) {
	f.Add("a red cat. A red dog.", "a Red  catalogue: größte\xff")
	f.Add("", "x")
	f.Add(strings.Repeat("ab", 300), strings.Repeat("abc", 300))
	f.Fuzz(func(t *testing.T, from, text string) {
		if len(from) > 1<<12 || len(text) > 1<<12 {
			return
		}
		tok := learn(t, []string{from}, 280)
		if err := tok.Validate(); err != nil {
			t.Fatal(err)
		}
		tokens := tok.Encode(text)
		for _, token := range tokens {
			if token <= crossattn.Pad || token >= tok.Vocabulary() {
				t.Fatalf("token %d of %d", token, tok.Vocabulary())
			}
		}
		if got, want := tok.Decode(tokens), crossattn.Normalize(text); got != want || !utf8.ValidString(got) {
			t.Fatalf("%q became %q, want %q", text, got, want)
		}
		if unknown := tok.Unknown(from); len(unknown) > 0 {
			t.Fatalf("learned from %q, and does not know %q", from, unknown)
		}
	})
}

// FuzzVocabulary takes vocabularies of any bytes: what passes serves any text.
func FuzzVocabulary(f *testing.F) {
	text, _ := json.Marshal(learn(f, captions(), 300))
	f.Add(text)
	f.Add([]byte(`{"merges": [[98, 99], [98, 99], [257, 257]], "words": ["ab"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var tok crossattn.Tokenizer
		if len(data) > 1<<14 || json.Unmarshal(data, &tok) != nil {
			return
		}
		fuzztest.Bounded(t, len(data), 100, func() {
			if tok.Validate() != nil {
				return
			}
			if got := tok.Decode(tok.Encode("abab ab")); got != "abab ab" {
				t.Fatalf("abab ab became %q", got)
			}
		})
	})
}

// TestTextContext: a text's context does not depend on what it shares a batch with, is another
// if a word or the order of words is, and the null context is that of no text.
func TestTextContext(t *testing.T) {
	tok := learn(t, captions(), 300)
	context := func(texts ...string) [][]float32 {
		g := gorgonia.NewGraph()
		e := crossattn.NewTextTokens(crossattn.Learn(g, 1), tok.Vocabulary(), 6, 8, 2, 2)
		ids := make([]float32, len(texts)*6)
		for i, text := range texts {
			tok.Fill(ids[i*6:(i+1)*6], text)
		}
		y := e.Encode(input(g, ids, len(texts), 6))
		run(t, g)
		if !slices.Equal(y.Shape(), []int{len(texts), 6, 8}) {
			t.Fatalf("context is %v", y.Shape())
		}
		return slices.Collect(slices.Chunk(data(y), 6*8))
	}
	all := context("a red cat", "a cat red", "a blue cat", "")
	for i, a := range all {
		for _, b := range all[i+1:] {
			if slices.Equal(a, b) {
				t.Errorf("text %d has the context of another", i)
			}
		}
	}
	if alone := context(""); !slices.Equal(alone[0], all[3]) {
		t.Error("a context depends on its batch")
	}
}

// TestNumberContext: the context of numbers is a function of them, and that of nought is not the null context.
func TestNumberContext(t *testing.T) {
	g := gorgonia.NewGraph()
	e := crossattn.NewNumberTokens(crossattn.Learn(g, 1), 2, 3, 4)
	y := e.Encode(input(g, []float32{0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1}, 4, 3))
	run(t, g)
	rows := slices.Collect(slices.Chunk(data(y), 3*4))
	if !slices.Equal(y.Shape(), []int{4, 3, 4}) || !slices.Equal(rows[0], rows[3]) {
		t.Fatalf("context is %v; of the same numbers %v and %v", y.Shape(), rows[0], rows[3])
	}
	if slices.Equal(rows[0], rows[1]) || slices.Equal(rows[0], rows[2]) || slices.Equal(rows[1], rows[2]) {
		t.Error("different numbers have one context")
	}
}

// input is a leaf with values.
func input(g *gorgonia.ExprGraph, values []float32, shape ...int) *gorgonia.Node {
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName("conditions"),
		gorgonia.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))))
}
