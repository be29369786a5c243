package flow

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"lfm/crossattn"
	"lfm/internal/latent"
	"lfm/internal/metrics"
	"lfm/pipeline"
)

// What a model is conditioned on, as pipeline.yaml calls it.
const (
	byClass      = "class"
	byCaption    = "caption"
	byProperties = "properties"
)

// Property is a number that a model is conditioned on, with its mean and deviation over the
// training rows: the network knows it normalised.
type Property struct {
	Name string  `json:"name"`
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"`
}

// maxContext is the most tokens of a caption that the setting allows. A book has as many for each label.
const maxContext = 256

// maxShown is how many captions, or vectors of properties, a model shows where nobody asks for others.
const maxShown = 12

// classed says whether a condition is a class, whose label the network reads as it is.
func (a Arch) classed() bool { return a.Condition == "" }

// conditionSize is how many numbers a condition is to the network.
func (a Arch) conditionSize() int {
	switch a.Condition {
	case byCaption:
		return a.ContextTokens
	case byProperties:
		return a.Properties + 1
	}
	return 1
}

// conditionShape is the shape of n conditions: (n) labels, or (n, size).
func (a Arch) conditionShape(n int) []int {
	if a.classed() {
		return []int{n}
	}
	return []int{n, a.conditionSize()}
}

// validateCondition says what is wrong with the parts of an architecture that read conditions.
func (a Arch) validateCondition() error {
	switch a.Condition {
	case "":
		return nil
	case byCaption:
		if a.Vocabulary < 1 || a.Vocabulary > crossattn.MaxVocabulary || a.TextDepth < 0 || a.TextDepth > maxDepth {
			return fmt.Errorf("flow: a vocabulary of %d and a text encoder of depth %d; want 1 to %d and 0 to %d", a.Vocabulary, a.TextDepth, crossattn.MaxVocabulary, maxDepth)
		}
		if a.Width%a.Heads != 0 {
			return fmt.Errorf("flow: a width of %d does not make %d heads", a.Width, a.Heads)
		}
		if a.ContextTokens > maxContext {
			return fmt.Errorf("flow: context_tokens is %d, want at most %d", a.ContextTokens, maxContext)
		}
		return nil
	case byProperties:
		if a.Properties < 1 {
			return fmt.Errorf("flow: properties is %d, want at least 1", a.Properties)
		}
		return nil
	}
	return fmt.Errorf("flow: the condition is a %q, this lfm knows class, %s and %s", a.Condition, byCaption, byProperties)
}

// newEncoder makes the layers that read conditions.
func newEncoder(p crossattn.Parameters, a Arch) crossattn.Encoder {
	switch a.Condition {
	case byCaption:
		return crossattn.NewTextTokens(p, a.Vocabulary, a.ContextTokens, a.Width, a.TextDepth, a.Heads)
	case byProperties:
		return crossattn.NewNumberTokens(p, a.Properties, a.ContextTokens, a.Width)
	}
	return crossattn.NewClassTokens(p, a.Classes, a.ContextTokens, a.Width)
}

// book says what labels stand for where they are not the network's own: a row of numbers each.
// The last, the null label's, is noughts. A nil book leaves labels as they are.
type book struct {
	size int
	rows []float32 // (labels + 1, size)
}

// newBook makes a book for so many labels and the null label.
func newBook(size, labels int) *book { return &book{size, make([]float32, (labels+1)*size)} }

// row is that of a label.
func (b *book) row(label int) []float32 { return b.rows[label*b.size : (label+1)*b.size] }

// look sets conditions (N, size) to the rows of labels (N).
func (b *book) look(conditions, labels []float32) {
	for i, label := range labels {
		copy(conditions[i*b.size:(i+1)*b.size], b.row(int(label)))
	}
}

// book is that of the model's classes: what they are called is what is asked for.
func (s *Spec) book() (*book, error) {
	if s.Arch.classed() {
		return nil, nil
	}
	b := newBook(s.Arch.conditionSize(), len(s.Classes))
	for i, asked := range s.Classes {
		if err := s.read(b.row(i), asked); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// read sets row to the condition that a text asks for: a caption, or "x = 0.5, y = -1".
func (s *Spec) read(row []float32, text string) error {
	if s.Arch.Condition == byCaption {
		if s.Tokenizer.Fill(row, text); row[0] == crossattn.Pad {
			return fmt.Errorf("flow: %q has no words: say what to draw", text)
		}
		return nil
	}
	values := make([]float32, len(s.Properties))
	given := make([]bool, len(values))
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(part, "=")
		i := slices.IndexFunc(s.Properties, func(p Property) bool { return p.Name == strings.TrimSpace(name) })
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 32)
		if i < 0 || given[i] || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return s.misasked(text)
		}
		values[i], given[i] = float32(v), true
	}
	if slices.Contains(given, false) {
		return s.misasked(text)
	}
	s.normalize(row, values)
	return nil
}

// misasked is the error of a text that gives no properties.
func (s *Spec) misasked(text string) error {
	example := make([]float32, len(s.Properties))
	for i, p := range s.Properties {
		example[i] = float32(p.Mean)
	}
	return fmt.Errorf("flow: %q does not give each property of the model one number; ask for example for %q", text, s.write(example))
}

// write is the text that read takes for properties.
func (s *Spec) write(values []float32) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = s.Properties[i].Name + " = " + strconv.FormatFloat(float64(v), 'g', 4, 32)
	}
	return strings.Join(parts, ", ")
}

// normalize sets row to properties as the network knows them, and a 1 behind them.
func (s *Spec) normalize(row, values []float32) {
	for i, p := range s.Properties {
		scale := p.Std
		if scale == 0 {
			scale = 1
		}
		row[i] = float32((float64(values[i]) - p.Mean) / scale)
	}
	row[len(s.Properties)] = 1
}

// stream numbers the noise that samples of a label draw. Without classes it is the same for all
// labels: a sample of a number starts from the same noise whatever is asked for beside it.
func (s *Spec) stream(label int) uint64 {
	if s.Arch.classed() {
		return uint64(label)
	}
	return 0
}

// checkCondition says what is wrong with what a file says of the conditions of a model.
func (s *Spec) checkCondition() error {
	switch {
	case s.Arch.Condition == byCaption && (s.Tokenizer == nil || s.Tokenizer.Vocabulary() != s.Arch.Vocabulary):
		return fmt.Errorf("it is conditioned on captions, with %d tokens, and has no tokenizer of so many", s.Arch.Vocabulary)
	case s.Arch.Condition == byCaption:
		if err := s.Tokenizer.Validate(); err != nil {
			return err
		}
	case s.Arch.Condition == byProperties && len(s.Properties) != s.Arch.Properties:
		return fmt.Errorf("it is conditioned on %d properties and names %d", s.Arch.Properties, len(s.Properties))
	}
	if !s.Arch.classed() && s.Arch.Classes != len(s.Classes) {
		return fmt.Errorf("it shows %d conditions and names %d", s.Arch.Classes, len(s.Classes))
	}
	_, err := s.book()
	return err
}

// Prompted is the model with what texts ask for in the place of classes: captions, or values of all
// properties such as "x = 0.5, y = -1". It shares the model's weights.
func (m *Model) Prompted(texts []string) (*Model, error) {
	if m.Arch.classed() {
		return nil, fmt.Errorf("flow: the model is conditioned on classes, not on text; its classes are %s", strings.Join(m.Classes, ", "))
	}
	p := *m
	p.Classes, p.Arch.Classes = slices.Clone(texts), len(texts)
	return &p, p.checkCondition()
}

// Unknown lists the words of a text that no caption had in training, each once. Where captions had more than a tokenizer
// remembers, the rare ones are among them.
func (s *Spec) Unknown(text string) []string {
	if s.Tokenizer == nil {
		return nil
	}
	return s.Tokenizer.Unknown(text)
}

// Cut is the end of a text that the network does not see, where it has more tokens than the context; else "".
func (s *Spec) Cut(text string) string {
	if s.Tokenizer == nil {
		return ""
	}
	tokens := s.Tokenizer.Encode(text)
	return s.Tokenizer.Decode(tokens[min(len(tokens), s.Arch.ContextTokens):])
}

// Words are those of the captions that the model was trained on, or the most frequent of them.
func (s *Spec) Words() []string {
	if s.Tokenizer == nil {
		return nil
	}
	return s.Tokenizer.Words
}

// noCaptions is what is wrong with a data set that says nothing of its images, under condition: caption.
var noCaptions = pipeline.FieldError{Name: "condition", Msg: "caption wants captions, and no training image of the data set has one with a word in it: set its captions to a file that has"}

// checkProperties says what is wrong with the names of the numbers that a data set has of its images.
func checkProperties(names []string) error {
	if len(names) == 0 {
		return pipeline.FieldError{Name: "condition", Msg: "properties wants numbers, and the data set has none: set its captions to a file with columns of numbers"}
	}
	for _, name := range names {
		if strings.ContainsAny(name, ",=") || strings.TrimSpace(name) != name || name == "" {
			return fmt.Errorf("flow: a property is called %q: rename the column in the file of captions to a name without commas, = and spaces around it", name)
		}
	}
	return nil
}

// telling is a data set that knows what is said of its images: how many of the training images have a caption with a word
// in it, and the names of the numbers that are known of each image.
type telling interface {
	Said() (captions int, properties []string, err error)
}

// checkData holds the condition to what a data set says of its images.
func (c *Config) checkData(images telling) error {
	if c.Condition == byClass {
		return nil
	}
	captions, properties, err := images.Said()
	switch {
	case err != nil:
		return err
	case c.Condition == byProperties:
		return checkProperties(properties)
	case captions == 0:
		return noCaptions
	}
	return nil
}

// learnCondition gives a model that is not conditioned on classes what the set says of conditions:
// the tokenizer or the properties, and some to show, held-out ones.
func (s *Spec) learnCondition(ctx context.Context, c *Config, set *latent.Set) error {
	if c.Condition == byClass {
		return nil
	}
	s.Arch.Condition = c.Condition
	train, rows := set.Rows(latent.Train), set.Rows(latent.Test)
	if len(rows) == 0 {
		rows = train
	}
	show := func(row int) string { return set.Caption(row) }
	if c.Condition == byCaption {
		captions := make([]string, len(train))
		for i, row := range train {
			captions[i] = set.Caption(row)
		}
		var err error
		if s.Tokenizer, err = crossattn.LearnTokenizer(ctx, captions, c.Vocabulary); err != nil {
			return err
		}
		if len(s.Tokenizer.Words) == 0 {
			return noCaptions
		}
		s.Arch.Vocabulary, s.Arch.TextDepth = s.Tokenizer.Vocabulary(), c.TextDepth
	} else {
		s.Properties = properties(set, train)
		if err := checkProperties(set.Summary().Properties); err != nil {
			return err
		}
		s.Arch.Properties = len(s.Properties)
		show = func(row int) string { return s.write(set.Properties(row)) }
	}
	s.Classes = nil
	add := func(rows []int) {
		for _, row := range metrics.Spread(rows, 8*maxShown) {
			if text := show(row); text != "" && len(s.Classes) < maxShown && !slices.Contains(s.Classes, text) {
				s.Classes = append(s.Classes, text)
			}
		}
	}
	if add(rows); len(s.Classes) == 0 { // then of those that were learned
		add(slices.DeleteFunc(train, func(row int) bool { return show(row) == "" }))
	}
	s.Arch.Classes = len(s.Classes)
	return s.checkCondition()
}

// properties measures those of rows.
func properties(set *latent.Set, rows []int) []Property {
	all := make([]Property, len(set.Summary().Properties))
	n := float64(len(rows))
	for k := range all {
		p := Property{Name: set.Summary().Properties[k]}
		for _, row := range rows {
			p.Mean += float64(set.Properties(row)[k])
		}
		p.Mean /= n
		for _, row := range rows {
			d := float64(set.Properties(row)[k]) - p.Mean
			p.Std += float64(d * d)
		}
		p.Std = math.Sqrt(p.Std / n)
		all[k] = p
	}
	return all
}

// terms are the conditions that the rows of a set are trained and measured under.
type terms struct {
	book  *book             // nil where labels are classes
	label func(row int) int // of a row
	null  int               // the label of the null context
	cut   int               // captions that have more tokens than the context
}

// newTerms are those of a set for a model. Rows of one caption share a label.
func newTerms(ctx context.Context, s *Spec, set *latent.Set) (terms, error) {
	if s.Arch.classed() {
		return terms{label: func(row int) int { return s.Label(set.Label(row)) }, null: s.Null()}, nil
	}
	labels := make([]int, set.Len())
	t := terms{label: func(row int) int { return labels[row] }}
	if s.Arch.Condition == byProperties {
		t.book = newBook(s.Arch.conditionSize(), set.Len())
		for row := range labels {
			labels[row] = row
			s.normalize(t.book.row(row), set.Properties(row))
		}
		t.null = set.Len()
		return t, nil
	}
	numbers := map[string]int{}
	var captions []string
	for row := range labels {
		caption := set.Caption(row)
		if _, ok := numbers[caption]; !ok {
			numbers[caption] = len(captions)
			captions = append(captions, caption)
		}
		labels[row] = numbers[caption]
	}
	t.book, t.null = newBook(s.Arch.conditionSize(), len(captions)), len(captions)
	fill := s.Tokenizer.Filler()
	for i, caption := range captions {
		if i%64 == 0 && ctx.Err() != nil {
			return t, ctx.Err()
		}
		if fill(t.book.row(i), caption) > 0 {
			t.cut++
		}
	}
	return t, nil
}
