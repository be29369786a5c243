package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"lfm/pipeline"
)

// listener shows a run's events on stderr in the way that --log asks for.
func (a *app) listener() (pipeline.Listener, error) {
	switch a.log {
	case "json":
		return jsonLines(a.Err), nil
	case "plain":
		return (&plainLog{out: a.Err}).event, nil
	case "bar":
		return (&barLog{lines: plainLog{out: a.Err}}).event, nil
	case "", "auto":
		if a.Terminal {
			return (&barLog{lines: plainLog{out: a.Err}}).event, nil
		}
		return (&plainLog{out: a.Err}).event, nil
	}
	return nil, usagef("--log %s: want auto, bar, plain or json%s", a.log, didYouMean(a.log, []string{"auto", "bar", "plain", "json"}))
}

// jsonLines prints each event as one JSON object a line.
func jsonLines(out io.Writer) pipeline.Listener {
	var mu sync.Mutex
	encoder := json.NewEncoder(out)
	return func(e pipeline.Event) {
		mu.Lock()
		defer mu.Unlock()
		encoder.Encode(e)
	}
}

// plainEvery is the least time between two progress lines of a stage that has been at work for so long: a log of ten hours
// has a thousand lines, not seven.
func plainEvery(worked time.Duration) time.Duration {
	return max(5*time.Second, min(worked/200, time.Minute))
}

// plainLog prints a line an event, progress at most every plainEvery.
type plainLog struct {
	mu    sync.Mutex
	out   io.Writer
	began map[string]started // by stage, or work of a data set
}

// started is when a stage was first seen at work, for the time left.
type started struct {
	first pipeline.Event // a resumed stage did not do the steps before it
	said  time.Time      // when its last line was printed
}

func (p *plainLog) event(e pipeline.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if line := p.line(e); line != "" {
		fmt.Fprintln(p.out, line)
	}
}

// line is what an event reads like, "" for one that is not shown.
func (p *plainLog) line(e pipeline.Event) string {
	name := fmt.Sprintf("%-12s", e.Stage)
	switch e.Event {
	case pipeline.StageStarted:
		p.note(e.Stage, started{})
		return name + " started" + because(e.Reason)
	case pipeline.StageResumed:
		return fmt.Sprintf("%s goes on from step %d", name, e.Step)
	case pipeline.StageProgress, pipeline.SourceProgress:
		return p.progress(name, e)
	case pipeline.StageWarning:
		if e.Stage == "" {
			return "warning: " + e.Message
		}
		return e.Stage + ": warning: " + e.Message
	case pipeline.StageNote:
		return strings.TrimSuffix(e.Message, "\n")
	case pipeline.StageCached:
		return fmt.Sprintf("%s cached    %s", name, short(e.OutputID))
	case pipeline.StageFinished:
		return fmt.Sprintf("%s finished  %s  in %s", name, short(e.OutputID), duration(e.Seconds))
	case pipeline.StageFailed:
		return name + " failed"
	case pipeline.StageInterrupted:
		return name + " interrupted" + because(e.Message)
	case pipeline.StageWaiting:
		if e.Stage == "" {
			return "waiting " + e.Message
		}
		return name + " waiting" + because(e.Message)
	case pipeline.SourceStarted:
		return name + " reading the images"
	case pipeline.SourceFinished:
		return fmt.Sprintf("%s indexed   %s  in %s", name, short(e.OutputID), duration(e.Seconds))
	case pipeline.StagePicture:
		return fmt.Sprintf("%s %s  %s", name, e.Message, shown(e.Path))
	case pipeline.RunFinished:
		return fmt.Sprintf("executed %d, cached %d", e.Executed, e.Cached)
	}
	return ""
}

// timeOf is when an event happened: lines of an old run tell its own time.
func timeOf(e pipeline.Event) time.Time {
	if e.Time.IsZero() {
		return time.Now()
	}
	return e.Time
}

func (p *plainLog) progress(name string, e pipeline.Event) string {
	left := p.left(e)
	b, now := p.began[work(e)], timeOf(e)
	if now.Sub(b.said) < plainEvery(now.Sub(b.first.Time)) && e.Done() < 1 {
		return ""
	}
	b.said = now
	p.note(work(e), b)
	return fmt.Sprintf("%s %s", name, progressText(e, left))
}

// work is what an event tells the progress of: a stage, or one of the things that are done with a data set's images.
func work(e pipeline.Event) string { return e.Stage + e.Message }

func (p *plainLog) note(stage string, s started) {
	if p.began == nil {
		p.began = map[string]started{}
	}
	p.began[stage] = s
}

// left is the time that a stage still needs at the speed since its first step seen; nought
// where that cannot be said.
func (p *plainLog) left(e pipeline.Event) time.Duration {
	b := p.began[work(e)]
	e.Time = timeOf(e)
	if b.first.Time.IsZero() || e.Step < b.first.Step {
		b = started{first: e, said: e.Time} // nothing can be foretold yet, so nothing is said
		p.note(work(e), b)
	}
	return e.Left(b.first)
}

// rate is so many images a second, slow ones to two digits. Steps are counted beside it, so it says of what it is.
func rate(perSecond float64) string {
	switch {
	case perSecond < 0.00995:
		return "<0.01 images/s"
	case perSecond < 9.5:
		return fmt.Sprintf("%.2g images/s", perSecond)
	}
	return fmt.Sprintf("%.0f images/s", perSecond)
}

// progressText is "350/700  loss 0.9123  1034 images/s  1m20s left", behind what is done if the event says so.
func progressText(e pipeline.Event, left time.Duration) string {
	text := fmt.Sprintf("%d/%d", e.Step, e.Steps)
	if e.Message != "" {
		text = e.Message + " " + text
	}
	if e.Loss != 0 {
		text += fmt.Sprintf("  loss %.4f", e.Loss)
	}
	if e.ItemsPerS > 0 {
		text += "  " + rate(e.ItemsPerS)
	}
	if left > 0 {
		text += fmt.Sprintf("  %s left", max(time.Second, left.Round(time.Second)))
	}
	return text
}

// barLog draws a progress bar for the stage that reports, and prints the other events as
// lines above it.
type barLog struct {
	lines plainLog
	mu    sync.Mutex
	work  string
	bar   *progressbar.ProgressBar
	drawn time.Time
}

// barParts is how finely a bar shows what is done.
const barParts = 1000

// barEvery is the least time between two drawings of a bar.
const barEvery = 100 * time.Millisecond

func (b *barLog) event(e pipeline.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Event == pipeline.StageProgress || e.Event == pipeline.SourceProgress {
		b.draw(e)
		return
	}
	if line := b.lines.line(e); line != "" {
		b.clear()
		fmt.Fprintln(b.lines.out, line)
	}
}

func (b *barLog) draw(e pipeline.Event) {
	if b.bar == nil || b.work != work(e) {
		b.clear()
		b.work = work(e)
		b.bar = progressbar.NewOptions(barParts,
			progressbar.OptionSetWriter(b.lines.out),
			progressbar.OptionSetDescription(fmt.Sprintf("%-12s", e.Stage)),
			progressbar.OptionSetPredictTime(false), // it takes the steps before a resumption for done now
			progressbar.OptionClearOnFinish(),
			progressbar.OptionFullWidth(),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "━", SaucerPadding: "─", BarStart: " ", BarEnd: " "}),
		)
	}
	text := fmt.Sprintf("%-12s %s", e.Stage, progressText(e, b.lines.left(e)))
	if e.Done() < 1 && time.Since(b.drawn) < barEvery {
		return
	}
	b.drawn = time.Now()
	b.bar.Set(int(e.Done() * barParts))
	if e.Done() < 1 { // at the end Set clears the bar
		b.bar.Describe(fitting(text, columns(b.lines.out)-barRoom))
	}
}

// barRoom is how many columns a bar takes beside its text: percents and its ends.
const barRoom = 12

// fitting is the beginning of a text that has so many characters: a line that wraps cannot be drawn over.
func fitting(text string, n int) string {
	runes := []rune(text)
	return string(runes[:max(0, min(n, len(runes)))])
}

// columns is the width of a terminal, or 80.
func columns(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// clear takes the bar off the terminal, so that a line can be printed in its place.
func (b *barLog) clear() {
	if b.bar != nil {
		b.bar.Clear()
		b.bar = nil
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return "   " + reason
}

// short is the beginning of an ID, enough to tell it by.
func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
