package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Error is a mistake in a pipeline.yaml, in a --set, or in the name of a stage that was
// asked for: what a person has to correct before anything can run.
type Error struct {
	File    string
	Line    int    // from 1; 0: no line (the mistake is in Set, or in no place)
	Column  int    // from 1, in characters
	Text    string // the offending line
	Set     string // the --set that the mistake stands in, or ""
	Msg     string
	Nearest string // the valid word that looks most like the wrong one, or ""
}

// Error shows the place, the mistake, and the line with a caret under the column:
//
//	pipeline.yaml:14:12: flow has no setting "step"; did you mean "steps"?
//	   14 |     with: {step: 200}
//	      |            ^
func (e *Error) Error() string {
	switch {
	case e.Set != "":
		return fmt.Sprintf("--set %s: %s", e.Set, e.Msg)
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	text, caret := window(e.Text, e.Column)
	gutter := fmt.Sprintf("%5d", e.Line)
	return fmt.Sprintf("%s:%d:%d: %s\n%s | %s\n%s | %s^", e.File, e.Line, e.Column, e.Msg,
		gutter, text, strings.Repeat(" ", len(gutter)), caret)
}

// window cuts a very long line to what stands around the column, and returns the space
// that puts a caret under it. Tabs stay tabs, so that both lines shift alike.
func window(line string, column int) (text, space string) {
	const before, width = 60, 110
	runes := []rune(line)
	column = min(max(column-1, 0), len(runes))
	from, to := 0, len(runes)
	if len(runes) > width {
		from = max(0, column-before)
		to = min(len(runes), from+width)
	}
	text = string(runes[from:to])
	space = strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(runes[from:column]))
	if from > 0 {
		text, space = "…"+text, " "+space
	}
	if to < len(runes) {
		text += "…"
	}
	return text, space
}

// fault is an Error that knows its node but not yet its file.
type fault struct {
	node         *yaml.Node
	msg, nearest string
}

func (f *fault) Error() string { return f.msg }

func faultAt(n *yaml.Node, format string, args ...any) error {
	return &fault{n, fmt.Sprintf(format, args...), ""}
}

func faultNear(n *yaml.Node, nearest, format string, args ...any) error {
	return &fault{n, fmt.Sprintf(format, args...), nearest}
}

// choices ends a message about an unknown word: with the one that was meant, if one looks
// like it, else with all of them.
func choices(word string, valid []string) (end, near string) {
	if near := Nearest(word, valid); near != "" {
		return fmt.Sprintf("; did you mean %q?", near), near
	}
	if len(valid) == 0 {
		return "", ""
	}
	valid = slices.Clone(valid)
	slices.Sort(valid)
	return "; there is " + list(valid, "and"), ""
}

// Nearest is the valid word of fewest edits from word; if none looks like it, the first
// that begins with it; or "".
func Nearest(word string, valid []string) string {
	n := utf8.RuneCountInString(word)
	best, edits := "", 2+n/3
	if n <= 2 {
		edits = 2
	}
	for _, v := range valid {
		if d := distance(strings.ToLower(word), strings.ToLower(v), edits); d < edits {
			best, edits = v, d
		}
	}
	for _, v := range valid {
		if best == "" && n >= 3 && strings.HasPrefix(v, word) {
			best = v
		}
	}
	return best
}

// distance is the number of insertions, deletions, changes and swaps of neighbours that
// turn a into b (optimal string alignment), or limit if it is not less.
func distance(a, b string, limit int) int {
	s, t := []rune(a), []rune(b)
	if len(s)-len(t) >= limit || len(t)-len(s) >= limit {
		return limit
	}
	// d[i][j] is the distance of s[:i] and t[:j].
	d := make([][]int, len(s)+1)
	for i := range d {
		d[i] = make([]int, len(t)+1)
		d[i][0] = i
	}
	for j := range t {
		d[0][j+1] = j + 1
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			change := 1
			if s[i-1] == t[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return min(limit, d[len(s)][len(t)])
}

// list joins words as a sentence does: "a, b and c".
func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

// describe says what a node holds, for "wants a number, not …".
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a map"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!str":
		return "the text " + strconv.Quote(clip(n.Value, 40))
	case "!!int", "!!float":
		return "the number " + clip(n.Value, 40)
	}
	return clip(n.Value, 40)
}

// article puts "a" or "an" before a noun, unless it is a plural.
func article(noun string) string {
	switch {
	case strings.HasSuffix(noun, "s"):
		return noun
	case noun != "" && strings.ContainsRune("aeiou", rune(noun[0])):
		return "an " + noun
	}
	return "a " + noun
}

// clip shortens a text to n characters.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
