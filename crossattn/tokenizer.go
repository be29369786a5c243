package crossattn

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The first tokens of every vocabulary: Pad, and then the 256 bytes.
const (
	Pad        = 0 // fills a text up; a text of nothing else is the null context
	firstByte  = 1
	firstMerge = firstByte + 256
)

// Bounds of a Tokenizer, learned or read from a file.
const (
	MaxVocabulary = 1 << 14
	maxToken      = 64      // bytes that a token stands for
	maxWords      = 1 << 14 // that are remembered, the most frequent ones
	maxText       = 1 << 16 // bytes of a text that are looked at
	maxPiece      = 256     // bytes of a piece: the time to merge one grows with its square
)

// Tokenizer cuts texts into word pieces by byte-pair encoding (Sennrich et al. 2016, section
// 3.2, over bytes, so that no text is without tokens). A text is taken in lower case, with
// single spaces; pieces never reach over the beginning of a word, which takes the space before
// it along:
//
//	"A red cat."  ──▶  " a" " red" " cat" "."  ──▶  token numbers
//
// It is data: a model keeps it beside its weights.
type Tokenizer struct {
	// Merges[k] are the two tokens that token 257 + k stands for, one behind the other.
	Merges [][2]int `json:"merges"`

	// Words are those of the texts that it was learned from, the most frequent first, and of more
	// than 16,384 those alone.
	Words []string `json:"words"`
}

// LearnTokenizer learns the pieces of texts: beginning with single bytes, the pair of pieces
// that occurs most often becomes one, until there are as many tokens as vocabulary says or no
// pair occurs twice. Of pairs that occur equally often, that of the lower numbers is first. It
// is a pure function of the texts, whatever their order, and the size. Many texts and a large
// vocabulary take minutes: when ctx ends it stops with ctx's error.
func LearnTokenizer(ctx context.Context, texts []string, vocabulary int) (*Tokenizer, error) {
	counts, words := map[string]int{}, map[string]int{}
	for i, text := range texts {
		if i%64 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, piece := range pieces(Normalize(text)) {
			counts[piece]++
			if w := wordOf(piece); w != "" {
				words[w]++
			}
		}
	}
	t := &Tokenizer{Words: frequent(words)}
	learned := make([]spelling, 0, len(counts))
	for _, piece := range frequent(counts) {
		learned = append(learned, spelling{spell(piece), counts[piece]})
	}
	lengths := t.lengths()
	for t.Vocabulary() < min(vocabulary, MaxVocabulary) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		pair, ok := commonest(learned, lengths)
		if !ok {
			break
		}
		for i := range learned {
			learned[i].tokens = merge(learned[i].tokens, pair, t.Vocabulary())
		}
		t.Merges = append(t.Merges, pair)
		lengths = append(lengths, lengths[pair[0]]+lengths[pair[1]])
	}
	return t, nil
}

// spelling is a piece of text as tokens, and how often it occurs.
type spelling struct {
	tokens []int
	count  int
}

// spell is a text as the tokens of its bytes.
func spell(text string) []int {
	tokens := make([]int, len(text))
	for i := range len(text) {
		tokens[i] = firstByte + int(text[i])
	}
	return tokens
}

// commonest is the pair that occurs most often, and at least twice, of those that make no
// token that is too long.
func commonest(all []spelling, lengths []int) (best [2]int, ok bool) {
	counts := map[[2]int]int{}
	for _, s := range all {
		for i := 1; i < len(s.tokens); i++ {
			counts[[2]int{s.tokens[i-1], s.tokens[i]}] += s.count
		}
	}
	most := 1
	for pair, n := range counts {
		if lengths[pair[0]]+lengths[pair[1]] > maxToken || n < most || n == 1 {
			continue
		}
		if n > most || !ok || slices.Compare(pair[:], best[:]) < 0 {
			best, most, ok = pair, n, true
		}
	}
	return best, ok
}

// merge puts token in the place of each occurrence of a pair, from the left.
func merge(tokens []int, pair [2]int, token int) []int {
	to := 0
	for i := 0; i < len(tokens); i++ {
		next := tokens[i]
		if i+1 < len(tokens) && next == pair[0] && tokens[i+1] == pair[1] {
			next = token
			i++
		}
		tokens[to] = next
		to++
	}
	return tokens[:to]
}

// frequent lists the keys of counts, the highest first and equal ones in order, up to maxWords.
func frequent(counts map[string]int) []string {
	all := make([]string, 0, len(counts))
	for s := range counts {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool {
		if counts[all[i]] != counts[all[j]] {
			return counts[all[i]] > counts[all[j]]
		}
		return all[i] < all[j]
	})
	return all[:min(len(all), maxWords)]
}

// Validate says what is wrong with a tokenizer that comes from a file.
func (t *Tokenizer) Validate() error {
	if t.Vocabulary() > MaxVocabulary || len(t.Words) > maxWords {
		return fmt.Errorf("crossattn: a vocabulary of %d tokens and %d words; at most %d and %d are allowed", t.Vocabulary(), len(t.Words), MaxVocabulary, maxWords)
	}
	for k, pair := range t.Merges {
		for _, token := range pair {
			if token < firstByte || token >= firstMerge+k {
				return fmt.Errorf("crossattn: token %d is made of token %d, which does not come before it", firstMerge+k, token)
			}
		}
	}
	for token, n := range t.lengths() {
		if n > maxToken {
			return fmt.Errorf("crossattn: token %d stands for %d bytes, more than %d", token, n, maxToken)
		}
	}
	return nil
}

// lengths are the bytes that each token stands for; they stop growing beyond the bound.
func (t *Tokenizer) lengths() []int {
	lengths := make([]int, t.Vocabulary())
	for i := firstByte; i < firstMerge; i++ {
		lengths[i] = 1
	}
	for k, pair := range t.Merges {
		lengths[firstMerge+k] = min(lengths[pair[0]]+lengths[pair[1]], maxToken+1)
	}
	return lengths
}

// Vocabulary is how many tokens there are, Pad and single bytes among them.
func (t *Tokenizer) Vocabulary() int { return firstMerge + len(t.Merges) }

// Encode cuts a text into tokens. Of a text of more than 64 KiB the rest is left out.
func (t *Tokenizer) Encode(text string) []int { return t.ranks().encode(text) }

// ranks are the tokens that pairs become.
type ranks map[[2]int]int

func (t *Tokenizer) ranks() ranks {
	r := make(ranks, len(t.Merges))
	for k, pair := range t.Merges {
		if _, again := r[pair]; !again {
			r[pair] = firstMerge + k
		}
	}
	return r
}

func (r ranks) encode(text string) []int {
	var tokens []int
	for _, piece := range pieces(Normalize(text)) {
		tokens = append(tokens, r.merge(spell(piece))...)
	}
	return tokens
}

// merge merges the tokens of a piece as they were merged in learning: earliest first.
func (r ranks) merge(tokens []int) []int {
	for {
		first, at := 0, [2]int{}
		for i := 1; i < len(tokens); i++ {
			pair := [2]int{tokens[i-1], tokens[i]}
			if token, ok := r[pair]; ok && (first == 0 || token < first) {
				first, at = token, pair
			}
		}
		if first == 0 {
			return tokens
		}
		tokens = merge(tokens, at, first)
	}
}

// Fill sets ids (M) to the first tokens of a text, and Pad behind them. It returns how many
// tokens found no room.
func (t *Tokenizer) Fill(ids []float32, text string) (left int) { return t.Filler()(ids, text) }

// Filler is Fill for many texts: what it costs to look merges up is paid once.
func (t *Tokenizer) Filler() func(ids []float32, text string) (left int) {
	r := t.ranks()
	return func(ids []float32, text string) (left int) {
		clear(ids)
		tokens := r.encode(text)
		for i, token := range tokens[:min(len(tokens), len(ids))] {
			ids[i] = float32(token)
		}
		return max(0, len(tokens)-len(ids))
	}
}

// Decode is the text that tokens stand for: of those of a text, Normalize of it.
func (t *Tokenizer) Decode(tokens []int) string {
	var b strings.Builder
	for _, token := range tokens {
		t.write(&b, token)
	}
	return strings.TrimPrefix(b.String(), " ")
}

func (t *Tokenizer) write(b *strings.Builder, token int) {
	switch {
	case token >= firstMerge:
		pair := t.Merges[token-firstMerge]
		t.write(b, pair[0])
		t.write(b, pair[1])
	case token >= firstByte:
		b.WriteByte(byte(token - firstByte))
	}
}

// Normalize is a text as a Tokenizer sees it: in lower case, with single spaces between words.
func Normalize(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.Join(strings.Fields(strings.ToLower(strings.ToValidUTF8(text, "\ufffd"))), " ")
}

// pieces cuts a normalised text where letters and digits meet other characters, and before
// spaces; the first word has a space before it, too, so that it is spelled as everywhere else. What
// is longer than maxPiece is cut there, too.
func pieces(text string) []string {
	if text == "" {
		return nil
	}
	text = " " + text
	var cut []string
	from := 0
	for i, r := range text {
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		if i > 0 && (i-from >= maxPiece || r == ' ' || before != ' ' && isWord(r) != isWord(before)) {
			cut = append(cut, text[from:i])
			from = i
		}
	}
	return append(cut, text[from:])
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// wordOf is the word that a piece is, without its space; "" if it is none.
func wordOf(piece string) string {
	w := strings.TrimPrefix(piece, " ")
	if r, _ := utf8.DecodeRuneInString(w); !isWord(r) {
		return ""
	}
	return w
}

// Unknown lists the words of a text that are not among Words, each once. They have tokens, but
// no meaning was learned for them, or, of more words than Words remembers, hardly any.
func (t *Tokenizer) Unknown(text string) []string {
	known := make(map[string]bool, len(t.Words))
	for _, w := range t.Words {
		known[w] = true
	}
	var unknown []string
	for _, piece := range pieces(Normalize(text)) {
		if w := wordOf(piece); w != "" && !known[w] {
			known[w] = true
			unknown = append(unknown, w)
		}
	}
	return unknown
}
