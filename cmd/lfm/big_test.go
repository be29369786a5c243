//go:build linux

package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lfm/pipeline"
)

// large is a pipeline over a folder of many small images. What grows with the images is to be seen beside what does not,
// so the models are of the size of examples/critters, and their training is short.
const large = `
name: large
seed: 7
datasets: {large: {source: %s, size: 32}}
stages:
  autoencoder: {uses: autoencoder, with: {latent_channels: 4, downsample: 4, channels: 16, batch: 16, steps: 50}}
  encode: {uses: encode, needs: [autoencoder], with: {hflip: true}}
  flow: {uses: flow, needs: [encode], with: {arch: transformer, width: 128, depth: 4, heads: 4, context_tokens: 8, batch: 32, steps: 50}}
  decode: {uses: decode, needs: [autoencoder, flow], with: {per_class: 8, steps: 5}}
`

const (
	few, many = 10_000, 100_000
	growth    = 1.1 // peak memory of many over that of few
)

// perImage is how many bytes of memory an image more may cost a process that brings one node up to date, where its own
// memory is so small that growth allows less. The index lists and hashes all images, which the stages only look up.
func perImage(node string) int64 {
	if node == "large" {
		return 700
	}
	return 250
}

// TestLarge: ten times the images cost the same memory, and a run that has nothing to do is done in a second. Indexing that
// is killed goes on where it was. It takes minutes and 1 GiB of disk: make big.
func TestLarge(t *testing.T) {
	if os.Getenv("LFM_BIG") == "" {
		t.Skip("it takes minutes: make big")
	}
	folder := t.TempDir()
	peaks, totals := map[string][2]int64{}, [2]int64{}
	for i, n := range []int{few, many} {
		images := filepath.Join(folder, fmt.Sprint(n))
		writeImages(t, images, n)
		p := newProgram(t)
		p.write(defaultFile, fmt.Sprintf(large, images))
		if n == many {
			killIndexing(t, images)
		}
		for _, stage := range []string{"large", "autoencoder", "encode", "flow", "decode"} {
			peak, took := p.peak("run", "--until", stage)
			t.Logf("%6d images: %-11s %6.1f MiB  %v", n, stage, mib(peak), took)
			both := peaks[stage]
			both[i] = peak
			peaks[stage] = both
		}
		peak, took := p.peak("run")
		t.Logf("%6d images: nothing to do %4.1f MiB  %v", n, mib(peak), took)
		if took > time.Second {
			t.Errorf("%d images: a run that has nothing to do takes %v", n, took)
		}
		totals[i], took = p.peak("run", "--store", "fresh")
		t.Logf("%6d images: all at once %6.1f MiB  %v", n, mib(totals[i]), took)
	}
	if got := float64(totals[1]) / float64(totals[0]); got > growth {
		t.Errorf("a run of everything takes %.2f times the memory for ten times the images", got)
	}
	for node, peak := range peaks {
		if most := max(int64(growth*float64(peak[0])), peak[0]+(many-few)*perImage(node)); peak[1] > most {
			t.Errorf("%s takes %.1f MiB, then %.1f for ten times the images, want at most %.1f", node, mib(peak[0]), mib(peak[1]), mib(most))
		}
	}
}

// TestMillion: from 1,000 to 1,000,000 images the memory of no stage grows by more than its bookkeeping. What an image
// costs in time is told, not tested. It takes half an hour and 8 GiB of disk: make million.
func TestMillion(t *testing.T) {
	if os.Getenv("LFM_BIG") != "million" {
		t.Skip("it takes half an hour: make million")
	}
	base := map[string]int64{}
	for n := 1000; n <= 1_000_000; n *= 10 {
		images := filepath.Join(t.TempDir(), fmt.Sprint(n))
		writeImages(t, images, n)
		p := newProgram(t)
		p.write(defaultFile, fmt.Sprintf(large, images))
		for _, stage := range []string{"large", "autoencoder", "encode", "flow", "decode"} {
			peak, took := p.peak("run", "--until", stage)
			t.Logf("%7d images: %-11s %6.1f MiB  %8.2f s  %6.3f ms an image", n, stage, mib(peak), took.Seconds(), took.Seconds()*1e3/float64(n))
			if n == 1000 {
				base[stage] = peak
			}
			if most := base[stage]*5/4 + int64(n)*perImage(stage); peak > most { // a quarter is the collector's slack
				t.Errorf("%d images: %s takes %.1f MiB, want at most %.1f", n, stage, mib(peak), mib(most))
			}
		}
		peak, took := p.peak("run")
		t.Logf("%7d images: nothing to do %4.1f MiB  %8.2f s", n, mib(peak), took.Seconds())
		if err := os.RemoveAll(images); err != nil {
			t.Fatal(err)
		}
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// killIndexing kills lfm while it decodes, and wants the next run to begin behind what was decoded, and to stop at once
// when it is asked to.
func killIndexing(t *testing.T, images string) {
	t.Helper()
	p := newProgram(t)
	p.write(defaultFile, fmt.Sprintf(large, images))
	seen := 0
	a := p.try(func(e pipeline.Event) os.Signal {
		if e.Event == pipeline.SourceProgress && e.Message == "decoding" {
			seen = e.Step
			return os.Kill
		}
		return nil
	}, "run", "--until", "large")
	if a.code != -1 {
		t.Fatalf("it ended with %d before it was killed\n%s", a.code, a.messages())
	}
	first := -1
	a = p.try(func(e pipeline.Event) os.Signal {
		if e.Event == pipeline.SourceProgress && e.Message == "hashing" {
			t.Errorf("it hashes again: %d of %d", e.Step, e.Steps)
		}
		if e.Event == pipeline.SourceProgress && first < 0 {
			first = e.Step
			return os.Interrupt
		}
		return nil
	}, "run", "--until", "large")
	if first < seen {
		t.Errorf("%d images were decoded when it was killed, the next run began with %d", seen, first)
	}
	if a.code != exitInterrupted || a.took > 2*time.Second {
		t.Errorf("asked to stop, it ended with %d after %v", a.code, a.took)
	}
	t.Logf("killed at %d, went on at %d, stopped in %v", seen, first, a.took)
}

// peak runs lfm to its end and returns the most memory that it had, in bytes, and the time. The system's own account of a
// child (ru_maxrss) begins with the memory of who started it, so the process is asked while it runs, every 5 ms.
func (p *program) peak(args ...string) (most int64, took time.Duration) {
	p.t.Helper()
	cmd := p.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if took = time.Since(began); err != nil {
				p.t.Fatalf("lfm %s: %v\n%s", strings.Join(args, " "), err, out.Bytes())
			}
			return most, took
		case <-time.After(5 * time.Millisecond):
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if err != nil {
				continue // it has ended
			}
			_, line, _ := strings.Cut(string(status), "\nVmHWM:")
			var kib int64
			if _, err := fmt.Sscan(line, &kib); err == nil {
				most = max(most, kib<<10)
			}
		}
	}
}

// writeImages writes n images of 32 x 32 pixels in ten classes, no two alike.
func writeImages(t *testing.T, root string, n int) {
	t.Helper()
	for class := range 10 {
		if err := os.MkdirAll(filepath.Join(root, fmt.Sprint("class", class)), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	draw := rand.New(rand.NewPCG(1, 2))
	img := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	for i := range n {
		a, b, c := draw.IntN(256), 1+draw.IntN(9), 1+draw.IntN(9)
		for p := range 32 * 32 {
			x, y := p%32, p/32
			copy(img.Pix[4*p:], []byte{byte(a + b*x), byte(a + c*y), byte(i >> (x / 2)), 255})
		}
		var data bytes.Buffer
		if err := encoder.Encode(&data, img); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(root, fmt.Sprint("class", i%10), fmt.Sprintf("%06d.png", i))
		if err := os.WriteFile(name, data.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
