package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lfm/pipeline"
)

var (
	killCount = flag.Int("kills", 6, "how often TestKills ends lfm before it is done")
	killSeed  = flag.Uint64("kills-seed", 1, "of the moments and signals of TestKills")
)

// hunted is a pipeline of four stages for TestKills: checkpoints every ten steps, two shards,
// previews, pictures in fifteen batches, and a folder of images that takes its time to read.
const hunted = `
seed: 3
datasets: {dots: {source: dots, size: 8, test_fraction: 0.02}}
stages:
  autoencoder:
    uses: autoencoder
    with: {latent_channels: 2, channels: 4, batch: 4, steps: 120, checkpoint_every: 10}
  encode: {uses: encode, needs: [autoencoder], with: {hflip: true, batch: 16}}
  flow:
    uses: flow
    needs: [encode]
    with: {arch: transformer, width: 16, depth: 1, heads: 2, context_tokens: 2, batch: 4, steps: 120, checkpoint_every: 10}
  decode: {uses: decode, needs: [autoencoder, flow], with: {per_class: 20, steps: 2, batch: 4}}
`

// What a kill may cost of a stage, in its steps: the distance of two checkpoints. Decode saves
// every picture before it tells of it.
var killCosts = map[string]int{"autoencoder": 10, "encode": 4096, "flow": 10, "decode": 0}

// TestKills ends lfm -kills times, at moments and by signals that -kills-seed decides, and says
// the same command again each time. What is done when a pipeline is finished, and what each
// end may cost, is written at hunt's methods. `make kill N=200` does so at length.
func TestKills(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signals to send")
	}
	if testing.Short() {
		t.Skip("many runs")
	}
	t.Parallel()
	h := newHunt(t)
	for len(h.ends) < *killCount && !t.Failed() {
		h.attempt()
	}
	for (h.begun || h.stores == 0) && !t.Failed() { // the last store is finished too
		h.spared()
	}
	t.Log(h.summary())
}

// hunt is what TestKills knows.
type hunt struct {
	*program
	random *rand.Rand
	length time.Duration     // of a straight run
	places []place           // in a straight run where a burst may strike, each once
	totals map[string]int    // steps by stage
	want   map[string]string // output IDs of a straight run
	files  []string          // in its store

	tale  []string        // of this store: how each attempt ended
	done  map[string]bool // stages that this store has
	begun bool            // a run of this store has left a record
	due   map[string]due  // by stage: what the next attempt must go on from
	burst []place         // the next blows, but for the moment within

	stores int            // finished
	ends   []end          // so far
	cost   map[string]int // the most that an end cost, in steps by stage
}

// place is a kind of event that a blow may follow.
type place struct{ event, stage string }

// due is what an interrupted stage has to go on from: at least saved, and exactly saved where the
// stage was asked to save. told is the last step that it reported.
type due struct {
	saved, told int
	exactly     bool
}

// end is how an attempt ended before it was done.
type end struct {
	signal os.Signal
	phase  string
	took   time.Duration
}

func newHunt(t *testing.T) *hunt {
	h := &hunt{program: newProgram(t), random: rand.New(rand.NewPCG(*killSeed, 0)),
		totals: map[string]int{}, cost: map[string]int{}}
	h.write(defaultFile, hunted)
	writeDots(t, filepath.Join(h.dir, "dots"), 2400)
	began := time.Now()
	a := h.try(func(pipeline.Event) os.Signal { return nil }, "run")
	h.length = time.Since(began)
	if a.code != exitDone {
		t.Fatalf("the straight run: exit code %d\n%s", a.code, a.messages())
	}
	for _, e := range a.events {
		if at := (place{e.Event, e.Stage}); !slices.Contains(h.places, at) {
			h.places = append(h.places, at)
		}
		if e.Event == pipeline.StageCheckpoint {
			h.totals[e.Stage] = e.Step
		}
	}
	h.want, h.files = h.outputs(), h.stored()
	h.fresh()
	return h
}

// writeDots writes so many PNGs of three classes.
func writeDots(t *testing.T, dir string, count int) {
	for i := range count {
		m := image.NewNRGBA(image.Rect(0, 0, 8, 8))
		for p := range 64 {
			m.Set(p%8, p/8, color.NRGBA{uint8(i * 7), uint8(p * (1 + i%3) * 2), uint8(i / 8), 255})
		}
		var file bytes.Buffer
		if err := png.Encode(&file, m); err != nil {
			t.Fatal(err)
		}
		class := filepath.Join(dir, []string{"red", "green", "blue"}[i%3])
		if err := os.MkdirAll(class, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(class, fmt.Sprintf("%04d.png", i)), file.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// fresh begins with an empty store.
func (h *hunt) fresh() {
	if err := os.RemoveAll(filepath.Join(h.dir, ".lfm")); err != nil {
		h.t.Fatal(err)
	}
	h.begun = false
	h.tale, h.done, h.due, h.burst = nil, map[string]bool{}, map[string]due{}, nil
}

// stored lists the files and folders of the store, but for the records of runs.
func (h *hunt) stored() []string {
	var names []string
	root := filepath.Join(h.dir, ".lfm")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if name == "runs" {
			return fs.SkipDir
		}
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return names
}

// attempt runs lfm once and strikes it: half of the time at a moment that is anywhere in a
// straight run's length, half of the time just behind an event, three times in a row behind
// the same one, so that attempts come to nothing.
func (h *hunt) attempt() {
	signal := []os.Signal{os.Kill, os.Kill, os.Interrupt, syscall.SIGTERM}[h.random.IntN(4)]
	after := time.Duration(h.random.Int64N(int64(h.length)))
	at := place{}
	if len(h.burst) == 0 && h.random.IntN(4) == 0 { // a quarter of three makes half
		at = h.ahead()
		h.burst = []place{at, at, at}
	}
	if len(h.burst) > 0 {
		at, h.burst = h.burst[0], h.burst[1:]
		after = time.Duration(h.random.Int64N(int64(5 * time.Millisecond)))
	}
	command := "run"
	if h.begun && h.random.IntN(2) == 0 {
		command = "resume"
	}
	struck := false
	a := h.strike(func(e pipeline.Event, send func(os.Signal, time.Duration)) {
		if (place{e.Event, e.Stage}) == at && !struck {
			send(signal, after)
			struck = true
		}
	}, command)
	h.judge(a, signal)
}

// spared lets an attempt come to its end.
func (h *hunt) spared() {
	h.judge(h.try(func(pipeline.Event) os.Signal { return nil }, "run"), nil)
}

// ahead is a place in a stage that is not done yet.
func (h *hunt) ahead() place {
	for {
		at := h.places[h.random.IntN(len(h.places))]
		if !h.done[at.stage] {
			return at
		}
	}
}

// judge looks at how an attempt went on from the one before, and how it ended.
func (h *hunt) judge(a attempt, signal os.Signal) {
	h.tale = append(h.tale, fmt.Sprintf("%v: exit code %d, %s", signal, a.code, h.phase(a)))
	h.goesOn(a)
	h.begun = h.begun || len(a.events) > 0
	whole, ok := a.last(pipeline.RunFinished, "")
	switch {
	case a.code == exitDone && ok && whole.Error == "":
		h.finish()
		return
	case a.code == -1 && (signal == os.Kill || len(a.events) == 0): // or it came before lfm could listen
		h.remember(a, false)
	case signal == os.Interrupt && a.code == exitInterrupted, signal == syscall.SIGTERM && a.code == exitOf(syscall.SIGTERM):
		h.stopped(a)
		h.remember(a, true)
	default:
		h.t.Errorf("%v after %v: exit code %d\n%s", signal, h.phase(a), a.code, a.messages())
		return
	}
	h.ends = append(h.ends, end{signal, h.phase(a), a.took})
}

// goesOn holds each stage that was interrupted to going on from where it was saved.
func (h *hunt) goesOn(a attempt) {
	for stage, d := range h.due {
		if _, cached := a.last(pipeline.StageCached, stage); cached && d.saved == h.totals[stage] {
			delete(h.due, stage) // it was published and could not say so any more
			continue
		}
		from, ok := a.wentOnFrom(stage)
		if !ok {
			continue // it did not come that far
		}
		delete(h.due, stage)
		lost := max(0, d.told-from)
		switch {
		case from < d.saved:
			h.t.Errorf("%s: goes on from step %d, and was saved at %d", stage, from, d.saved)
		case d.exactly && from != d.saved:
			h.t.Errorf("%s: goes on from step %d, and stopped at %d", stage, from, d.saved)
		case lost > killCosts[stage]:
			h.t.Errorf("%s: goes on from step %d, and had come to %d: lost more than %d", stage, from, d.told, killCosts[stage])
		}
		h.cost[stage] = max(h.cost[stage], lost)
	}
}

// wentOnFrom is the step from which a stage went on, 0 for its beginning; false if the attempt
// did not come that far.
func (a attempt) wentOnFrom(stage string) (step int, ok bool) {
	for _, e := range a.events {
		if e.Stage != stage {
			continue
		}
		switch e.Event {
		case pipeline.StageResumed:
			return e.Step, true
		case pipeline.StageProgress, pipeline.StageCheckpoint, pipeline.StageFinished:
			return 0, true
		}
	}
	return 0, false
}

// remember notes what the stages at work have to go on from, and which are done. Training that
// was asked to end saves the very step at which it ends; the others have saved what is whole.
func (h *hunt) remember(a attempt, asked bool) {
	for stage := range killCosts {
		if _, ok := a.wentOnFrom(stage); !ok {
			continue // what was due before is due still
		}
		var d due
		for _, e := range a.events {
			switch {
			case e.Stage != stage:
			case e.Event == pipeline.StageResumed, e.Event == pipeline.StageCheckpoint:
				d.saved, d.told = e.Step, max(d.told, e.Step)
			case e.Event == pipeline.StageProgress:
				d.told = max(d.told, e.Step)
			case e.Event == pipeline.StageFinished:
				h.done[stage] = true
			}
		}
		if h.done[stage] {
			continue
		}
		d.exactly = asked && (stage == "autoencoder" || stage == "flow")
		if d.exactly && d.saved < d.told {
			h.t.Errorf("%s: was asked to end at step %d and saved step %d", stage, d.told, d.saved)
		}
		h.due[stage] = d
	}
}

// stopped holds an attempt that a signal ended to its manners.
func (h *hunt) stopped(a attempt) {
	if a.took > soon {
		h.t.Errorf("took %v to end in phase %s", a.took, h.phase(a))
	}
	text := a.messages()
	if _, ran := a.last(pipeline.RunStarted, ""); ran && !strings.Contains(text, "go on with: lfm resume") || !strings.Contains(text, "interrupted") {
		h.t.Errorf("does not say how to go on:\n%s", text)
	}
}

// finish compares a store whose pipeline is done with that of a straight run: the same output
// IDs, nothing damaged, and after gc the same files. What is there beside them before is what
// gc --dry-run lists. Then there is a fresh store.
func (h *hunt) finish() {
	h.stores++
	for stage, d := range h.due {
		h.t.Errorf("%s, which was interrupted at step %d, was never gone on with", stage, d.told)
	}
	if got := h.outputs(); !maps.Equal(got, h.want) {
		h.t.Errorf("other bytes than straight through:\n%v\nwant\n%v", got, h.want)
	}
	h.run("artifacts", "verify")
	var garbage struct{ Items []struct{ Kind, Name string } }
	if err := json.Unmarshal([]byte(h.run("artifacts", "gc", "--dry-run", "--json")), &garbage); err != nil {
		h.t.Fatal(err)
	}
	folders := map[string]string{"action": "actions", "artifact": "artifacts", "work": "work", "aside": "aside"}
	for _, name := range h.stored() {
		listed := slices.Contains(h.files, name) || strings.HasPrefix(name, "locks/") // a dead process's lock is free
		for _, it := range garbage.Items {
			listed = listed || strings.HasPrefix(name+"/", folders[it.Kind]+"/"+it.Name) && folders[it.Kind] != ""
		}
		if !listed {
			h.t.Errorf("%s was left behind, and gc does not list it", name)
		}
	}
	h.run("artifacts", "gc", "--yes")
	if got := h.stored(); !slices.Equal(got, h.files) {
		h.t.Errorf("after gc the store holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(h.files, "\n"))
	}
	if h.t.Failed() {
		h.t.Logf("this store's attempts:\n%s", strings.Join(h.tale, "\n"))
	}
	h.fresh()
}

// phase is what an attempt was about when it ended, by the last that it told.
func (h *hunt) phase(a attempt) string {
	for _, e := range slices.Backward(a.events) {
		switch e.Event {
		case pipeline.RunStarted:
			return "looking up"
		case pipeline.SourceStarted:
			return "indexing"
		case pipeline.StageStarted, pipeline.StageResumed:
			return e.Stage + ", opening"
		case pipeline.StageProgress, pipeline.StageCheckpoint, pipeline.StagePicture:
			if last, _ := a.last(pipeline.StageCheckpoint, e.Stage); last.Step == h.totals[e.Stage] {
				return e.Stage + ", closing"
			}
			return e.Stage + ", at work"
		case pipeline.SourceFinished, pipeline.SourceCached, pipeline.StageFinished, pipeline.StageCached:
			return "between stages"
		}
	}
	return "starting"
}

// summary is what there is to say of all ends.
func (h *hunt) summary() string {
	signals, phases := map[string]int{}, map[string]int{}
	var took []time.Duration
	for _, e := range h.ends {
		signals[e.signal.String()]++
		phases[e.phase]++
		if e.signal != os.Kill {
			took = append(took, e.took)
		}
	}
	text := fmt.Sprintf("seed %d: %d kills %v of a run of %v; %d stores finished", *killSeed, len(h.ends), signals, h.length.Round(time.Millisecond), h.stores)
	if slices.Sort(took); len(took) > 0 {
		text += fmt.Sprintf("; a signal's end takes %v, at most %v", took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	}
	text += "\nthe most that one cost, in steps:"
	for _, stage := range slices.Sorted(maps.Keys(killCosts)) {
		text += fmt.Sprintf("  %s %d of %d", stage, h.cost[stage], killCosts[stage])
	}
	for _, phase := range slices.Sorted(maps.Keys(phases)) {
		text += fmt.Sprintf("\n%5d  %s", phases[phase], phase)
	}
	return text
}
