package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lfm/artifacts"
	"lfm/internal/report"
	"lfm/pipeline"
)

// told is a run turned into what a report shows.
type told struct {
	*subject
	run      report.Run
	events   map[string]*heard // by stage
	previews []pipeline.Event  // the last picture of each stage
	last     time.Time         // of all events
}

// heard is what a run's events say of a stage.
type heard struct {
	losses      []report.Point // loss by step
	first, last pipeline.Event // progress since the stage began, or went on
}

// tell says of a run what its record and the store know, without computing anything.
func (s *subject) tell() *told {
	r := s.record
	t := &told{subject: s, events: map[string]*heard{}, last: r.Started, run: report.Run{Name: r.Pipeline, ID: r.ID, State: r.State, Error: r.Error}}
	t.listen()
	fact := func(name, value string) { t.run.Facts = append(t.run.Facts, report.Fact{Name: name, Value: value}) }
	fact("file", filepath.Base(r.File))
	fact("started", r.Started.Local().Format("2 January 2006, 15:04"))
	if r.State == pipeline.Running {
		fact("for", duration(t.last.Sub(r.Started).Seconds()))
		fact("last heard of", t.last.Local().Format("2 January 2006, 15:04:05")) // a killed run stays running
	} else {
		fact("took", duration(r.Seconds))
	}
	fact("stages", fmt.Sprintf("%d executed, %d cached", r.Executed, r.Cached))
	fact("on", fmt.Sprintf("%s, %s, %d threads", r.Host, r.Platform, r.Threads))
	if len(r.Sets) > 0 {
		fact("set", strings.Join(r.Sets, ", "))
	}
	before := s.makers()
	for i := range r.Stages {
		t.run.Stages = append(t.run.Stages, t.stage(&r.Stages[i], before))
	}
	t.section("Learning", "How the loss fell. Lines are means; the shade behind them is the spread of single steps. Values are where the mouse rests.", t.learning())
	t.section("Quality", "Samples against real test images they were never shown. The floor is real training images, which the judge has learned from: of new ones, and of a perfect model, it knows fewer; "+
		"reconstructions are the ceiling of any flow on these latents. All rows have as many pictures. NFE is evaluations of the network a sample.", t.quality())
	return t
}

// section adds exhibits, if there are any.
func (t *told) section(title, text string, exhibits []report.Exhibit) {
	if len(exhibits) > 0 {
		t.run.Sections = append(t.run.Sections, report.Section{Title: title, Text: text, Exhibits: exhibits})
	}
}

func (t *told) leaveOut(format string, args ...any) {
	t.run.LeftOut = append(t.run.LeftOut, fmt.Sprintf(format, args...))
}

// listen goes through the run's events.
func (t *told) listen() {
	t.subject.run.Events(func(line []byte) error {
		var e pipeline.Event
		if json.Unmarshal(line, &e) != nil {
			return nil // a line that is no event is nobody's
		}
		t.last = e.Time
		switch e.Event {
		case pipeline.StageProgress:
			t.hear(e)
		case pipeline.StagePicture:
			t.previews = append(slices.DeleteFunc(t.previews, func(p pipeline.Event) bool { return p.Stage == e.Stage }), e)
		}
		return nil
	})
}

func (t *told) hear(e pipeline.Event) {
	h := t.events[e.Stage]
	if h == nil {
		h = &heard{first: e}
		t.events[e.Stage] = h
	}
	h.last = e
	if e.Loss != 0 {
		h.losses = append(h.losses, report.Point{X: float64(e.Step), Y: e.Loss})
	}
}

// makers are, by output, the records of the stages that were executed to make them, of the last runs.
func (s *subject) makers() map[artifacts.ID]pipeline.StageRecord {
	makers, looked := map[artifacts.ID]pipeline.StageRecord{}, 0
	for record := range pipeline.Records(s.store) {
		for _, stage := range record.Stages {
			if _, known := makers[stage.Output]; stage.State == pipeline.Executed && !known {
				makers[stage.Output] = stage
			}
		}
		if looked++; looked == 200 {
			break
		}
	}
	return makers
}

// stage is what the run did with a stage.
func (t *told) stage(s *pipeline.StageRecord, makers map[artifacts.ID]pipeline.StageRecord) report.Stage {
	out := report.Stage{Name: s.Name, Kind: s.Kind, State: s.State, Seconds: s.Seconds, Note: s.Reason, Settings: settingsOf(s.Key), Needs: t.needs(s)}
	switch s.State {
	case pipeline.WasCached:
		if maker, known := makers[s.Output]; known {
			out.Seconds = maker.Seconds
			out.Note = "made " + maker.Started.Local().Format("2 Jan 2006, 15:04")
		}
	case pipeline.Running:
		out.Seconds = 0
		if h := t.events[s.Name]; h != nil && h.last.Steps > 0 {
			out.Done = h.last.Done()
			out.Note = progressText(h.last, h.last.Left(h.first))
		}
	case pipeline.WasFailed:
		out.Note, _, _ = strings.Cut(s.Error, "\n")
	}
	if len(s.Resumed) > 0 && s.State == pipeline.Executed {
		out.Note = fmt.Sprintf("went on from step %d", s.Resumed[len(s.Resumed)-1])
	}
	if out.Seconds > 0 {
		out.Took = duration(out.Seconds)
	}
	if !s.Output.IsZero() {
		out.Output = s.Output.Short()
	}
	return out
}

// keyLines goes through the names and values of a key text.
func keyLines(key string, each func(name, value string)) {
	for line := range strings.Lines(key) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok {
			each(name, value)
		}
	}
}

// keyValue is what a key text says behind a name, "" where it says nothing.
func keyValue(key, name string) (value string) {
	keyLines(key, func(n, v string) {
		if n == name {
			value = v
		}
	})
	return value
}

// settingsOf are what a key text says beside the inputs.
func settingsOf(key string) (settings []report.Setting) {
	keyLines(key, func(name, value string) {
		if name == "data" || strings.HasPrefix(name, "input ") {
			return
		}
		if name == "digest" {
			value = short(value)
		}
		settings = append(settings, report.Setting{Name: strings.TrimPrefix(name, "with."), Value: value})
	})
	return settings
}

// needs names what a stage was made from: the stages whose outputs its key names, or, of one that the run
// has not come to, what the pipeline says. Ports that are filled by way of others are not told.
func (t *told) needs(s *pipeline.StageRecord) (names []string) {
	if s.Key == "" {
		return t.planned(s)
	}
	via := map[string]bool{}
	for _, kind := range kinds().Stages {
		for _, port := range kind.Inputs {
			if kind.Name == s.Kind && port.Via != "" {
				via["input "+port.Name] = true
			}
		}
	}
	keyLines(s.Key, func(name, value string) {
		if via[name] || name != "data" && !strings.HasPrefix(name, "input ") {
			return
		}
		for i := range t.record.Stages {
			if from := &t.record.Stages[i]; from.Output.String() == value && !slices.Contains(names, from.Name) {
				names = append(names, from.Name)
				return
			}
		}
	})
	return names
}

// planned names what the pipeline says that a stage needs.
func (t *told) planned(s *pipeline.StageRecord) []string {
	if t.graph == nil {
		return nil
	}
	n, err := t.graph.Node(s.Name)
	if err != nil {
		return nil // the pipeline has it no more
	}
	return n.NamedNeeds()
}

// product is a finished stage and what it made.
type product struct {
	*pipeline.StageRecord
	*artifacts.Artifact
}

// made are the finished stages of a kind. Where there are none, what the report lacks for that, and why, is noted.
func (t *told) made(kind, lacks string) (all []product) {
	reason := "no " + kind + " stage was part of the run"
	for i := range t.record.Stages {
		s := &t.record.Stages[i]
		if s.Kind != kind {
			continue
		}
		if s.Output.IsZero() {
			reason = fmt.Sprintf("%s is not finished: %s", s.Name, s.State)
			continue
		}
		a, err := t.store.Get(s.Output)
		if err != nil {
			reason = fmt.Sprintf("what %s made cannot be read: %v", s.Name, err)
			continue
		}
		all = append(all, product{s, a})
	}
	if len(all) == 0 {
		t.leaveOut("%s: %s.", lacks, reason)
	}
	return all
}

// maker is the stage of the run that made an output, nil where the run has none.
func (t *told) maker(output string) *pipeline.StageRecord {
	i := slices.IndexFunc(t.record.Stages, func(s pipeline.StageRecord) bool { return s.Output.String() == output })
	if i < 0 {
		return nil
	}
	return &t.record.Stages[i]
}

// read decodes a JSON file of what a stage made. What cannot be read is noted and left out.
func (t *told) read(m product, name string, v any) bool {
	data, err := m.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.leaveOut("%s of %s: %v.", name, m.Name, err)
	}
	return err == nil
}

// series are the figures of a metrics.jsonl by name, over steps.
func series(data []byte) map[string][]report.Point {
	all := map[string][]report.Point{}
	for line := range bytes.Lines(data) {
		var figures map[string]*float64 // null: not finite
		if json.Unmarshal(line, &figures) != nil || figures["step"] == nil {
			continue
		}
		for name, v := range figures {
			if v != nil && name != "step" {
				all[name] = append(all[name], report.Point{X: *figures["step"], Y: *v})
			}
		}
	}
	return all
}
