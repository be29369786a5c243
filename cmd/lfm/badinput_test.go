//go:build linux

package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lfm/internal/checkpoint"
	"lfm/internal/disk"
)

// What no input, however bad, may make lfm exceed.
const (
	maxPeak = 256 << 10 // KiB of memory at the most; the test's own count too, which starts them
	maxTime = time.Minute
)

// badInput is something that nobody should give to lfm, and what lfm makes of it.
type badInput struct {
	name  string
	input func(p *program) // makes it in the program's folder
	args  string           // the command
	code  int              // its exit code
	says  []string         // each stands in what it prints: the file's name, and what to do

	silent string           // and this does not
	mend   func(p *program) // what the user does about it; the store is sound afterwards
	then   string           // a command that goes well now
}

// TestBadInput gives lfm what others would choke on: broken and hostile images, pipelines and stores. It ends in time and
// in bounds, with the exit code and the words that are wanted, without a panic, and leaves a store that verifies.
func TestBadInput(t *testing.T) {
	ran := new(finished)
	t.Cleanup(ran.remove)
	for _, in := range slices.Concat(badImages(), badPipelines(), badStores(ran)) {
		t.Run(strings.ReplaceAll(in.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			p := newProgram(t)
			in.input(p)
			code, said := p.bounded(strings.Fields(in.args)...)
			if code != in.code {
				t.Errorf("exit code %d, want %d", code, in.code)
			}
			for _, want := range in.says {
				if !strings.Contains(said, want) {
					t.Errorf("nothing of %q", want)
				}
			}
			if in.silent != "" && strings.Contains(said, in.silent) {
				t.Errorf("it says %q", in.silent)
			}
			if t.Failed() {
				t.Logf("lfm %s:\n%.3000s", in.args, said)
			}
			if in.mend != nil {
				in.mend(p)
			}
			if in.then != "" {
				p.run(strings.Fields(in.then)...)
			}
			if _, err := os.Stat(filepath.Join(p.dir, ".lfm", "FORMAT")); err == nil {
				p.run("artifacts", "verify", "--store", ".lfm")
			}
		})
	}
}

// bounded runs lfm, which must stay within the bounds of time and memory and not panic.
func (p *program) bounded(args ...string) (code int, said string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), maxTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "lfm", args...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), p.env...)
	out, _ := cmd.CombinedOutput()
	if ctx.Err() != nil {
		p.t.Errorf("it takes more than %v", maxTime)
	}
	for _, word := range []string{"panic", "goroutine "} {
		if bytes.Contains(out, []byte(word)) {
			p.t.Errorf("it says %q", word)
		}
	}
	if peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; peak > maxPeak {
		p.t.Errorf("it takes %d MiB of memory", peak>>10)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// put is write for bytes and folders that are not there yet.
func (p *program) put(name string, data []byte) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	p.check(os.MkdirAll(filepath.Dir(path), 0o777))
	p.check(os.WriteFile(path, data, 0o666))
}

func (p *program) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// find is the one file that matches.
func (p *program) find(pattern string) string {
	p.t.Helper()
	found, err := filepath.Glob(filepath.Join(p.dir, pattern))
	if err != nil || len(found) != 1 {
		p.t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

// change edits the one file that matches.
func (p *program) change(pattern string, edit func(data []byte) []byte) {
	p.t.Helper()
	path := p.find(pattern)
	data, err := os.ReadFile(path)
	p.check(err)
	p.check(os.WriteFile(path, edit(data), 0o666))
}

// ---- images --------------------------------------------------------------------------

// onImages trains for a step on what is in images/.
const onImages = `datasets:
  set: {source: images, size: 8, test_fraction: 0}
stages:
  autoencoder:
    uses: autoencoder
    with: {latent_channels: 1, downsample: 2, channels: 4, batch: 1, steps: 1}
`

// badImages has a row twice for each image: among good ones, and alone.
func badImages() (rows []badInput) {
	for _, c := range []struct {
		name, file string // in images/a; the file's name decides what is tried
		data       func() []byte
		skipped    string // why it is; "" if it is a fine image
	}{
		{"a truncated JPEG", "x.jpg", func() []byte { return jpegOf(256, 256)[:1000] }, "invalid JPEG"},
		{"a truncated PNG", "x.png", func() []byte { return pngOf(image.NewGray(image.Rect(0, 0, 64, 64)))[:60] }, "not enough pixel data"},
		{"text for an image", "x.png", func() []byte { return []byte("hello") }, "neither PNG nor JPEG"},
		{"an empty image", "x.jpg", func() []byte { return nil }, "the file is empty"},
		{"a GIF", "x.gif", gifOf, "convert it to PNG or JPEG"},
		{"a GIF named PNG", "x.png", gifOf, "convert it to PNG or JPEG"},
		{"16 bits a channel", "x.png", func() []byte { return pngOf(image.NewNRGBA64(image.Rect(0, 0, 9, 5))) }, ""},
		{"a palette", "x.png", func() []byte {
			return pngOf(image.NewPaletted(image.Rect(0, 0, 9, 5), color.Palette{color.White, color.Transparent}))
		}, ""},
		{"CMYK", "x.jpg", testImage("cmyk-red.jpg"), ""},
		{"progressive and turned", "x.jpg", func() []byte { return turned(testImage("progressive-green.jpg")()) }, ""},
		{"one pixel", "x.png", func() []byte { return pngOf(image.NewGray(image.Rect(0, 0, 1, 1))) }, ""},
		{"very wide", "x.png", func() []byte { return pngOf(image.NewGray(image.Rect(0, 0, 20000, 20))) }, ""},
		{"60000 by 60000", "x.png", func() []byte { return pngChunks("IHDR", header(60000, 60000), "IDAT", deflated(10), "IEND", "") }, "60000 x 60000"},
		{"a colour profile that inflates", "x.png", func() []byte {
			return pngChunks("IHDR", header(1, 1), "iCCP", "x\x00\x00"+deflated(200<<20), "IDAT", deflated(2), "IEND", "")
		}, ""},
		{"a text that inflates", "x.png", func() []byte {
			return pngChunks("IHDR", header(1, 1), "zTXt", "x\x00\x00"+deflated(200<<20), "IDAT", deflated(2), "IEND", "")
		}, ""},
		{"pixels that inflate", "x.png", func() []byte {
			return pngChunks("IHDR", header(1, 1), "IDAT", deflated(200<<20), "IEND", "")
		}, "too much pixel data"},
		{"a name in Unicode with spaces", "猫 “x”\t\u202e  .png", good, ""},
		{"a name of 255 bytes", strings.Repeat("n", 251) + ".png", good, ""},
		{"a name that is not UTF-8", "\xff.png", good, "not valid UTF-8"},
	} {
		put := func(p *program) { p.put("images/a/"+c.file, c.data()) }
		rows = append(rows, imageRows(c.name, strings.ToValidUTF8("a/"+c.file, "\ufffd"), put, c.skipped)...)
	}
	for _, c := range []struct{ name, file, to, skipped string }{
		{"a dangling link", "x.png", "nowhere.png", "is a link that leads nowhere"},
		{"a link to itself", "x.png", "x.png", "is a link that leads nowhere"},
		{"a link to its folder", "x", ".", "is a link to a folder that it lies in"},
		{"a link to the folder above", "x", "..", "is a link to a folder that it lies in"},
	} {
		put := func(p *program) {
			p.check(os.MkdirAll(filepath.Join(p.dir, "images/a"), 0o777))
			p.check(os.Symlink(c.to, filepath.Join(p.dir, "images/a", c.file)))
		}
		rows = append(rows, imageRows(c.name, "a/"+c.file, put, c.skipped)...)
	}
	return append(rows,
		badArchive("x.tar", append([]byte("images/a/x.png"), make([]byte, 700)...), "make the archive again"),
		badArchive("x.tar", []byte("short"), "make the archive again"),
		badArchive("x.zip", []byte("PK\x03\x04 and no end"), "make the archive again"),
		badArchive("x.tar.gz", []byte("\x1f\x8b"), "unpack it first"),
		badArchive("x/train-images-idx3-ubyte", idxHeader(3, 1<<20, 1<<10, 1), "get the files anew"),
		badArchive("x/train-images-idx3-ubyte", idxHeader(3, 1<<31, 1<<31, 1<<31), "get the files anew"),
		badArchive("x/train-images-idx3-ubyte.gz", []byte("\x1f\x8b\x08"), "get the files anew"),
		badArchive("x/data_batch_1.bin", make([]byte, 3072), "get the files anew"),
		badInput{name: "1000 classes", args: "run", says: []string{"executed 1"}, silent: "skipped", input: func(p *program) {
			p.write(defaultFile, onImages)
			for i := range 1000 {
				p.put(fmt.Sprintf("images/%03d/x.png", i), good())
			}
		}},
		badInput{name: "three images in all", args: "run", says: []string{"executed 4"}, silent: "skipped", input: func(p *program) {
			p.tiny()
			p.change(defaultFile, replace("source: critters, count: 60", "source: images"))
			for _, name := range []string{"a/1.png", "a/2.png", "b/1.png"} {
				p.put("images/"+name, good())
			}
		}},
	)
}

// badArchive tries a source that is one file, or a folder of a file of numbers and its labels.
func badArchive(file string, data []byte, remedy string) badInput {
	source, _, _ := strings.Cut(file, "/")
	code := exitFailed
	if remedy == "unpack it first" {
		code = exitUsage // nothing was begun
	}
	return badInput{name: fmt.Sprintf("%s of %d bytes, %.8q", file, len(data), data), args: "run", code: code, says: []string{filepath.Base(file), remedy},
		input: func(p *program) {
			p.write(defaultFile, string(replace("source: images", "source: "+source)([]byte(onImages))))
			p.put(file, data)
			if strings.Contains(file, "-images-idx3") {
				p.put("x/train-labels-idx1-ubyte", idxHeader(1, 0))
			}
		}}
}

// imageRows tries a file among good images and alone.
func imageRows(name, file string, put func(p *program), skipped string) []badInput {
	among := badInput{name: name + " among good ones", args: "run", says: []string{"executed 1"}, silent: "skipped",
		input: func(p *program) {
			p.write(defaultFile, onImages)
			p.put("images/b/1.png", good())
			p.put("images/b/2.png", good())
			put(p)
		}}
	alone := badInput{name: name + " alone", args: "run", says: []string{"executed 1"}, silent: "skipped",
		input: func(p *program) {
			p.write(defaultFile, onImages)
			put(p)
		}}
	if skipped != "" {
		among.silent, among.says = "", []string{"1 image was skipped", file, skipped, "index.json"}
		alone.silent, alone.says = "", []string{"pipeline.yaml:2", "no image was found", file, skipped, "expected PNG or JPEG"}
		alone.code = exitUsage
	}
	return []badInput{among, alone}
}

func good() []byte { return pngOf(image.NewGray(image.Rect(0, 0, 8, 8))) }

func pngOf(m image.Image) []byte {
	var b bytes.Buffer
	must(png.Encode(&b, m))
	return b.Bytes()
}

func jpegOf(w, h int) []byte {
	var b bytes.Buffer
	must(jpeg.Encode(&b, image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420), nil))
	return b.Bytes()
}

func gifOf() []byte {
	var b bytes.Buffer
	must(gif.Encode(&b, image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.White}), nil))
	return b.Bytes()
}

// must is for what cannot fail in memory.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// testImage reads an image that Go's own encoders cannot make.
func testImage(name string) func() []byte {
	return func() []byte {
		data, err := os.ReadFile("../../internal/dataset/testdata/" + name)
		must(err)
		return data
	}
}

// turned puts an EXIF orientation of 6 into a JPEG.
func turned(photo []byte) []byte {
	const exif = "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	seg := binary.BigEndian.AppendUint16([]byte("\xff\xe1"), uint16(len(exif)+2))
	return slices.Concat(photo[:2], seg, []byte(exif), photo[2:])
}

// header is the IHDR of an 8-bit grey PNG.
func header(w, h uint32) string {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return string(b) + "\x08\x00\x00\x00\x00"
}

// deflated is n zeros, packed.
func deflated(n int64) string {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	must(err)
	_, err = io.CopyN(w, zeros{}, n)
	must(err)
	must(w.Close())
	return b.String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// pngChunks is a PNG of chunks: kind, data, ….
func pngChunks(chunks ...string) []byte {
	out := []byte("\x89PNG\r\n\x1a\n")
	for i := 0; i < len(chunks); i += 2 {
		out = binary.BigEndian.AppendUint32(out, uint32(len(chunks[i+1])))
		body := chunks[i] + chunks[i+1]
		out = binary.BigEndian.AppendUint32(append(out, body...), crc32.ChecksumIEEE([]byte(body)))
	}
	return out
}

// ---- pipelines -----------------------------------------------------------------------

func badPipelines() (rows []badInput) {
	tiny, err := os.ReadFile("testdata/tiny.yaml")
	must(err)
	edit := func(old, new string) string { return string(replace(old, new)(tiny)) }
	for _, c := range []struct {
		name, text string
		code       int
		says       []string
	}{
		{"empty", "", exitUsage, []string{"pipeline.yaml:1:1", "lfm init"}},
		{"a tab", edit("  encode:", "\tencode:"), exitUsage, []string{"pipeline.yaml:10:1", "YAML wants spaces"}},
		{"a cycle", edit("needs: [autoencoder]", "needs: [autoencoder, flow]"), exitUsage, []string{"pipeline.yaml:16:13", "encode -> flow -> encode"}},
		{"an anchor bomb", anchorBomb(), exitUsage, []string{"pipeline.yaml:1:", "write the value out"}},
		{"a key twice", edit("seed: 7", "seed: 7\nseed: 8"), exitUsage, []string{"pipeline.yaml:4:1", "set twice (first in line 3)"}},
		{"not a number", edit("learning_rate: 0.001", "learning_rate: .nan"), exitUsage, []string{"pipeline.yaml:9:", "must be a finite number"}},
		{"beyond float64", edit("learning_rate: 0.001", "learning_rate: 1e400"), exitUsage, []string{"pipeline.yaml:9:", "learning_rate", "number"}},
		{"beyond int64", edit("steps: 6", "steps: 99999999999999999999"), exitUsage, []string{"pipeline.yaml:9:", "steps"}},
		{"negative steps", edit("steps: 6", "steps: -6"), exitUsage, []string{"pipeline.yaml:9:", "must be at least"}},
		{"10000 brackets", "name: " + strings.Repeat("[", 10000), exitUsage, []string{"pipeline.yaml:1:"}},
		{"closed brackets", "name: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000), exitUsage, []string{"pipeline.yaml:1:", "name wants text"}},
		{"a MiB of values", "name: [" + strings.Repeat("[],", 340000) + "]", exitUsage, []string{"pipeline.yaml:1:", "name wants text"}},
		{"binary", "\x7fELF\x02\x01\x01\x00\xfe\x00", exitUsage, []string{"pipeline.yaml:1:1", "UTF-8"}},
		{"control characters", "name: a\x00b\n", exitUsage, []string{"pipeline.yaml:1:", "control characters"}},
		{"invalid UTF-8", edit("name: tiny", "name: \xff"), exitUsage, []string{"pipeline.yaml:2:1", "UTF-8"}},
		{"an unknown key", edit("per_class: 1", "perclass: 1"), exitUsage, []string{"pipeline.yaml:21:", "did you mean \"per_class\"?"}},
		{"CRLF", strings.ReplaceAll(string(tiny), "\n", "\r\n"), exitDone, []string{"autoencoder"}},
		{"BOM", "\ufeff" + string(tiny), exitDone, []string{"autoencoder"}},
		{"200 stages", manyStages(string(tiny), 200), exitDone, []string{"decode-199"}},
	} {
		rows = append(rows, badInput{name: "pipeline with " + c.name, args: "dag", code: c.code, says: c.says,
			input: func(p *program) { p.write(defaultFile, c.text) }})
	}
	for _, args := range []string{"run", "dag", "status", "explain flow", "generate"} {
		rows = append(rows, badInput{name: "pipeline of 100 MB " + args, args: args, code: exitUsage, says: []string{"pipeline.yaml:1:1", "larger than"},
			input: func(p *program) {
				p.write(defaultFile, "name: x\n")
				p.check(os.Truncate(filepath.Join(p.dir, defaultFile), 100<<20))
			}})
	}
	return rows
}

// replace makes the edit of one text to another, which must stand there.
func replace(old, new string) func(data []byte) []byte {
	return func(data []byte) []byte {
		if !bytes.Contains(data, []byte(old)) {
			panic("nothing of " + old)
		}
		return bytes.Replace(data, []byte(old), []byte(new), 1)
	}
}

// anchorBomb is ten lists, each of ten of the one before: 10^10 words.
func anchorBomb() string {
	text := "a0: &a0 lol\n"
	for i := range 10 {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	return text
}

// manyStages adds decode stages to a pipeline.
func manyStages(text string, n int) string {
	for i := range n {
		text += fmt.Sprintf("  decode-%d: {uses: decode, needs: [autoencoder, flow], with: {per_class: 1, steps: %d}}\n", i, i+1)
	}
	return text
}

// ---- the store -----------------------------------------------------------------------

// badStores harms the store of a finished run.
func badStores(ran *finished) (rows []badInput) {
	add := func(in badInput, harm func(p *program)) {
		in.input = func(p *program) {
			ran.once.Do(ran.make)
			p.check(ran.err)
			p.check(copyTree(p.dir, ran.dir))
			harm(p)
		}
		rows = append(rows, in)
	}

	// What a lookup sees is made again, and the reason is said.
	const (
		latents = ".lfm/artifacts/*/part-00000.arrow"
		weights = ".lfm/artifacts/*/autoencoder.safetensors"
	)
	for _, n := range []int{1, 4, 10, 300, 1024} {
		add(badInput{name: fmt.Sprintf("latents cut by %d", n), args: "run", says: []string{"encode", "damaged: part-00000.arrow", "executed 1"}},
			func(p *program) { p.change(latents, func(b []byte) []byte { return b[:len(b)-n] }) })
	}
	add(badInput{name: "weights of 10 million entries", args: "run", says: []string{"autoencoder", "damaged: autoencoder.safetensors", "executed 1"}},
		func(p *program) {
			p.change(weights, func([]byte) []byte { return binary.LittleEndian.AppendUint64(nil, 550e6) })
			p.check(os.Truncate(p.find(weights), 550e6+8))
		})
	for _, c := range []struct{ name, old, new string }{
		{"a climbing name", `"name": "flow.json"`, `"name": "../../../pipeline.yaml"`},
		{"an absolute name", `"name": "flow.json"`, `"name": "/etc/passwd"`},
		{"a wrong type", `"files": [`, `"files": "none", "x": [`},
		{"a huge size", `"size": `, `"size": 1e400`},
		{"a huge whole size", `"size": `, `"size": 99999999999999999999`},
		{"its end missing", `"files": [`, "\x00"},
	} {
		add(badInput{name: "manifest with " + c.name, args: "run", says: []string{"flow", "damaged: manifest.json", "executed 1"}},
			func(p *program) {
				path := filepath.Join(filepath.Dir(p.find(".lfm/artifacts/*/flow.json")), "manifest.json")
				rel, err := filepath.Rel(p.dir, path)
				p.check(err)
				p.change(rel, replace(c.old, c.new))
			})
	}
	entry := func(p *program, stage string) string { return ".lfm/actions/" + p.states()[stage].ActionID + ".json" }
	for _, c := range []struct {
		name string
		edit func(b []byte) []byte
	}{
		{"cut short", func(b []byte) []byte { return b[:len(b)/2] }},
		{"empty", func(b []byte) []byte { return nil }},
		{"of a climbing output", replace(`"output": "`, `"output": "../`)},
		{"of wrong types", replace(`"inputs": [`, `"inputs": {}, "x": [`)},
		{"of deep nesting", func([]byte) []byte { return bytes.Repeat([]byte("["), 1<<20) }},
	} {
		add(badInput{name: "action entry " + c.name, args: "run", says: []string{"flow", "damaged: ", "executed 1"}},
			func(p *program) { p.change(entry(p, "flow"), c.edit) })
	}

	// What only a reader sees is an error that names the file, and made again by the next run.
	safetensors := func(edit func(b []byte) []byte) func(p *program) {
		return func(p *program) { p.change(weights, edit) }
	}
	for _, c := range []struct {
		name, args string
		harm       func(p *program)
		file       string
	}{
		{"latents of nonsense", "run --force flow", func(p *program) {
			p.change(latents, func(b []byte) []byte { copy(b[len(b)-1024:], strings.Repeat("\xff", 1024)); return b })
		}, "part-00000.arrow"},
		{"a header beyond the file", "run --force encode", safetensors(func(b []byte) []byte {
			binary.LittleEndian.PutUint64(b, 1<<62)
			return b
		}), "autoencoder.safetensors"},
		{"tensors that overlap", "run --force encode", safetensors(replace(`"data_offsets":[0,`, `"data_offsets":[4,`)), "autoencoder.safetensors"},
		{"a shape beyond the file", "run --force encode", safetensors(replace(`"shape":[4,`, `"shape":[9,`)), "autoencoder.safetensors"},
	} {
		add(badInput{name: "a reader meets " + c.name, args: c.args, code: exitFailed, then: "run",
			says: []string{c.file, "is damaged", "will run again with the next 'lfm run'"}}, c.harm)
	}

	for _, c := range []struct{ file, old, new string }{
		{"flow.json", `"width": 16`, `"width": -1`},
		{"flow.json", `"levels": 2`, `"levels": 9`},
		{"flow.json", `"heads": 2`, `"heads": 0`},
		{"flow-ema.safetensors", `"data_offsets":[0,`, `"data_offsets":[9,`},
		{"autoencoder.json", `{`, `[`},
		{"autoencoder.safetensors", `"dtype":"F32"`, `"dtype":"F99"`},
	} {
		add(badInput{name: fmt.Sprintf("generate from %s with %.20q", c.file, c.new), args: "generate --prompt-class cat -n 1", code: exitFailed, then: "run",
			says: []string{c.file, "will run again with the next 'lfm run'"}},
			func(p *program) { p.change(".lfm/artifacts/*/"+c.file, replace(c.old, c.new)) })
	}

	// A picture that is there already is drawn again unless it is whole and says what lfm would say of it.
	for _, c := range []struct {
		name string
		edit func(b []byte) []byte
	}{
		{"cut short", func(b []byte) []byte { return b[:len(b)-20] }},
		{"of 60000 by 60000", func(b []byte) []byte {
			return slices.Concat(pngChunks("IHDR", header(60000, 60000)), b[8+25:])
		}},
		{"of texts that end early", func(b []byte) []byte { return append(b[:8+25], "\xff\xff\xff\xffiTXt"...) }},
		{"of texts that inflate", func(b []byte) []byte {
			return slices.Concat(b[:8+25], pngChunks("zTXt", "lfm\x00\x00"+deflated(200<<20))[8:], pngChunks("IEND", "")[8:])
		}},
		{"of a thousand texts", func(b []byte) []byte {
			return slices.Concat(b[:8+25], bytes.Repeat(pngChunks("tEXt", "lfm:class\x00cat")[8:], 2000), b[8+25:])
		}},
	} {
		add(badInput{name: "picture " + c.name, args: "generate --prompt-class cat -n 1", says: []string{"grid.png"}, silent: "there already"},
			func(p *program) {
				p.run("generate", "--prompt-class", "cat", "-n", "1")
				p.change("out/cat/cat-0000.png", c.edit)
			})
	}

	// A checkpoint is passed over where it is torn or lies, sealed or not.
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"torn", []byte("torn")},
		{"with a header beyond the file", sealed("\xff\xff\xff\xff\xff\xff\xff\x7f{}")},
		{"with tensors that overlap", sealed(safetensorsFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))},
	} {
		add(badInput{name: "checkpoint " + c.name, args: "run --set stages.flow.with.steps=9", says: []string{"flow", "executed 2"}, silent: "resumed"},
			func(p *program) {
				action := p.states("--set", "stages.flow.with.steps=9")["flow"].ActionID
				p.put(".lfm/work/"+action+"/checkpoints/step-000000004.checkpoint", c.data)
			})
	}
	add(badInput{name: "checkpoint of another model", args: "run --set stages.flow.with.steps=9", code: exitFailed,
		says: []string{"flow", "checkpoint of step 4", "lfm run --force"}, then: "run --set stages.flow.with.steps=9 --force flow"},
		func(p *program) {
			action := p.states("--set", "stages.flow.with.steps=9")["flow"].ActionID
			dir := filepath.Join(p.dir, ".lfm/work", action)
			p.check(os.MkdirAll(dir, 0o777))
			p.check(checkpoint.OpenSeries(disk.OS, filepath.Join(dir, "checkpoints")).Save(4, []checkpoint.Tensor{{Name: "x", Shape: []int{1}, Data: []float32{1}}}, nil))
		})

	// The store's own records.
	for _, text := range []string{"", "lfm store", "lfm store 99999999999999999999", "lfm store -1", "../../lfm store 1", "\xff\xfe", strings.Repeat("x", 1<<20)} {
		add(badInput{name: fmt.Sprintf("FORMAT %.20q", text), args: "run", code: exitFailed, says: []string{".lfm", "FORMAT", "--store"},
			mend: func(p *program) { p.write(".lfm/FORMAT", "lfm store 1\n") }},
			func(p *program) { p.write(".lfm/FORMAT", text) })
	}
	add(badInput{name: "a newer store", args: "run", code: exitFailed, says: []string{".lfm", "newer lfm", "update lfm"},
		mend: func(p *program) { p.write(".lfm/FORMAT", "lfm store 1\n") }},
		func(p *program) { p.write(".lfm/FORMAT", "lfm store 2\n") })
	root := ".lfm/roots/" + strings.Repeat("0", 64) + ".json"
	for _, text := range []string{`{"file": "x", "actions": ["../../x"]}`, `{"file": 1e999}`, `{"file": "../`, strings.Repeat("[", 100000)} {
		add(badInput{name: fmt.Sprintf("root %.20q", text), args: "artifacts gc --yes", code: exitFailed, says: []string{"roots/0000", "delete it if"},
			mend: func(p *program) { p.check(os.Remove(filepath.Join(p.dir, root))) }, then: "artifacts gc --yes"},
			func(p *program) { p.write(root, text) })
	}
	for _, text := range []string{`{"file": "../../../../etc/passwd"}`, `{"file": "/etc/passwd", "stages": 7}`, `{"seconds": 1e999}`, `{"stages": [`, strings.Repeat("[", 100000)} {
		add(badInput{name: fmt.Sprintf("run.json %.40q", text), args: "logs", code: exitUsage, says: []string{"nothing was run yet", "lfm run"}, then: "run"},
			func(p *program) { p.change(".lfm/runs/*/run.json", func([]byte) []byte { return []byte(text) }) })
	}
	add(badInput{name: "events of others", args: "logs", says: []string{"run ", "executed 4"}},
		func(p *program) {
			p.change(".lfm/runs/*/events.jsonl", func(b []byte) []byte {
				return append(append([]byte("5\n{\"step\":\"x\"}\n[[\n\xff\n{\"step\":1e999}\n"), b...), "{\"event\":\"to"...)
			})
		})
	add(badInput{name: "a list of copies that leads out", args: "run", says: []string{"executed 0"}, then: "init --help",
		mend: func(p *program) {
			for _, name := range []string{"precious", "out/precious"} {
				if _, err := os.Stat(filepath.Join(p.dir, name)); err != nil {
					p.t.Error(err)
				}
			}
		}}, func(p *program) {
		p.write("precious", "x")
		p.write("out/precious", "x")
		p.put("out/decode/.copied", []byte("\n../precious\n../../precious\n"+filepath.Join(p.dir, "precious")+"\n."))
	})
	add(badInput{name: "a store that is a file", args: "run --store pipeline.yaml", code: exitFailed, says: []string{"pipeline.yaml", "--store"}},
		func(*program) {})
	add(badInput{name: "a store that is a folder of others", args: "run --store out", code: exitFailed, says: []string{"out: holds decode", "--store"}},
		func(*program) {})
	return rows
}

// safetensorsFile is a file of that header and so many bytes of data.
func safetensorsFile(header string, data int) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + strings.Repeat("\x00", data)
}

// sealed is a checkpoint of that content, with the trailer that it should have.
func sealed(content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return append([]byte(content+"lfmcheck"), sum[:]...)
}
