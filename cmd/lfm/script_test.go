package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"lfm/internal/picture"
)

// TestMain makes the test binary serve as lfm where a script or a test calls lfm, and as the
// lfm that breaks.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lfm": main, "lfm-breaks": breaks})
}

// TestScript runs testdata/script/*.txtar against the real program. README.md there tells
// how to write one.
func TestScript(t *testing.T) {
	finished := new(finished)
	t.Cleanup(finished.remove)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			tiny, err := filepath.Abs("testdata/tiny.yaml")
			env.Setenv("TINY", tiny)
			env.Setenv("LFM_CACHE_DIR", filepath.Join(env.WorkDir, ".cache"))
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exit":     exitCommand,
			"finished": finished.command,
			"edit":     editCommand,
			"flip":     flipCommand,
			"count":    countCommand,
			"same":     sameCommand,
			"pngtext":  pngtextCommand,
			"images":   imagesCommand,
			"idx":      idxCommand,
		},
	})
}

// usage ends a script whose command is called in the wrong way.
func usage(ts *testscript.TestScript, ok bool, text string) {
	if !ok {
		ts.Fatalf("usage: %s", text)
	}
}

// exitCommand is "exit CODE lfm ARG…".
func exitCommand(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) >= 2, "exit CODE PROGRAM ARG...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// finished is the folder of a tiny run that scripts copy instead of running it themselves.
type finished struct {
	once sync.Once
	dir  string
	err  error
}

func (f *finished) make() {
	if f.dir, f.err = os.MkdirTemp("", "lfm-finished"); f.err != nil {
		return
	}
	tiny, err := os.ReadFile("testdata/tiny.yaml")
	if err == nil {
		err = os.WriteFile(filepath.Join(f.dir, "pipeline.yaml"), tiny, 0o666)
	}
	if err == nil {
		cmd := exec.Command("lfm", "run")
		cmd.Dir = f.dir
		cmd.Env = append(os.Environ(), "LFM_CACHE_DIR="+filepath.Join(f.dir, ".cache"), "LFM_STORE=", "LFM_DEVICE=")
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	f.err = errors.Join(err, os.RemoveAll(filepath.Join(f.dir, ".cache")))
}

func (f *finished) remove() {
	if f.dir != "" {
		os.RemoveAll(f.dir)
	}
}

// command is "finished": the tiny pipeline in the script's folder, run.
func (f *finished) command(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 0, "finished")
	f.once.Do(f.make)
	ts.Check(f.err)
	ts.Check(copyTree(ts.MkAbs("."), f.dir))
}

func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o777)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o666)
	})
}

// editCommand is "edit FILE OLD NEW".
func editCommand(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3, "edit FILE OLD NEW")
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	if bytes.Count(data, []byte(args[1])) != 1 {
		ts.Fatalf("%s has %q %d times, want once", args[0], args[1], bytes.Count(data, []byte(args[1])))
	}
	ts.Check(os.WriteFile(path, bytes.Replace(data, []byte(args[1]), []byte(args[2]), 1), 0o666))
}

// flipCommand is "flip GLOB": changes one byte in the middle of the one file that matches.
func flipCommand(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "flip GLOB")
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) != 1 {
		ts.Fatalf("%s matches %d files, want 1", args[0], len(files))
	}
	data, err := os.ReadFile(files[0])
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.Chmod(files[0], 0o666))
	ts.Check(os.WriteFile(files[0], data, 0o666))
}

// countCommand is "count N GLOB".
func countCommand(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "count N GLOB")
	files, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if strconv.Itoa(len(files)) != args[0] {
		ts.Fatalf("%s matches %d files, want %s", args[1], len(files), args[0])
	}
}

// sameCommand is "same A B": two folders have the same files with the same bytes; with !,
// they differ.
func sameCommand(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) == 2, "same FOLDER FOLDER")
	differ := ""
	compare := func(a, b string) {
		ts.Check(filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(a, path)
			if err != nil {
				return err
			}
			one, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if other, err := os.ReadFile(filepath.Join(b, rel)); err != nil || !bytes.Equal(one, other) {
				differ = rel
			}
			return nil
		}))
	}
	compare(ts.MkAbs(args[0]), ts.MkAbs(args[1]))
	compare(ts.MkAbs(args[1]), ts.MkAbs(args[0]))
	switch {
	case differ != "" && !neg:
		ts.Fatalf("%s differs", differ)
	case differ == "" && neg:
		ts.Fatalf("they are the same")
	}
}

// pngtextCommand is "pngtext FILE KEY VALUE": a PNG says so in a text chunk.
func pngtextCommand(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3, "pngtext FILE KEY VALUE")
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	texts, err := picture.Texts(bytes.NewReader(data))
	ts.Check(err)
	for _, t := range texts {
		if t.Key == args[1] && t.Value == args[2] {
			return
		}
	}
	ts.Fatalf("%s says %v, want %s: %s", args[0], texts, args[1], args[2])
}

// imagesCommand is "images FOLDER [CLASS…]": twelve pictures of each class, PNG and JPEG,
// of several sizes. A class is a colour with some stripes.
func imagesCommand(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) >= 2, "images FOLDER CLASS...")
	for c, class := range args[1:] {
		dir := filepath.Join(ts.MkAbs(args[0]), class)
		ts.Check(os.MkdirAll(dir, 0o777))
		for i := range 12 {
			m := image.NewNRGBA(image.Rect(0, 0, 16+i, 20))
			for y := range 20 {
				for x := range 16 + i {
					m.SetNRGBA(x, y, color.NRGBA{uint8(200 * (c % 2)), uint8(20 * i), uint8(16 * (x ^ y)), 255})
				}
			}
			var file bytes.Buffer
			name, err := "", error(nil)
			if i%2 == 0 {
				name, err = fmt.Sprintf("%02d.png", i), png.Encode(&file, m)
			} else {
				name, err = fmt.Sprintf("%02d.jpg", i), jpeg.Encode(&file, m, nil)
			}
			ts.Check(err)
			ts.Check(os.WriteFile(filepath.Join(dir, name), file.Bytes(), 0o666))
		}
	}
}

// idxCommand is "idx FOLDER IMAGES": the four IDX files of a set of two classes, the tenth
// part of it for testing.
func idxCommand(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "idx FOLDER IMAGES")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(writeIDX(ts.MkAbs(args[0]), n))
}

// writeIDX writes n grey images of 8x8 as IDX files, the tenth part of them for testing.
func writeIDX(dir string, n int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for split, count := range map[string]int{"train": n - n/10, "t10k": n / 10} {
		images, labels := idxHeader(3, count, 8, 8), idxHeader(1, count)
		for i := range count {
			labels = append(labels, byte(i%2))
			for p := range 64 {
				images = append(images, byte(i*7+p*(1+i%2)*5))
			}
		}
		err := errors.Join(
			writeGzip(filepath.Join(dir, split+"-images-idx3-ubyte.gz"), images),
			writeGzip(filepath.Join(dir, split+"-labels-idx1-ubyte.gz"), labels))
		if err != nil {
			return err
		}
	}
	return nil
}

// idxHeader is the beginning of an IDX file of bytes: 0 0 8, the number of dimensions, and
// their lengths.
func idxHeader(dimensions byte, lengths ...int) []byte {
	h := []byte{0, 0, 8, dimensions}
	for _, n := range lengths {
		h = binary.BigEndian.AppendUint32(h, uint32(n))
	}
	return h
}

func writeGzip(path string, data []byte) error {
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	w.Write(data)
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, file.Bytes(), 0o666)
}
