package decode

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lfm/artifacts"
	"lfm/internal/disk"
	"lfm/internal/picture"
)

// TestFileNames: every class has a folder of its own, which is its name where it can be.
func TestFileNames(t *testing.T) {
	for _, c := range []struct{ classes, want []string }{
		{[]string{"cat", "dog"}, []string{"cat", "dog"}},
		{[]string{"T-shirt/top", "Ankle boot"}, []string{"T-shirt-top", "Ankle boot"}},
		{[]string{"a/b", "a:b", "a-b"}, []string{"a-b-2", "a-b-3", "a-b"}},
		{[]string{"a/b", "a-b-2", "a-b"}, []string{"a-b-3", "a-b-2", "a-b"}},
		{[]string{"Cat", "cat"}, []string{"Cat", "cat-2"}},
		{[]string{"grid.png", "samples.json"}, []string{"grid.png-2", "samples.json-2"}},
		{[]string{"manifest.json", "Suspect.txt", "backend", "BACKEND"}, []string{"manifest.json-2", "Suspect.txt-2", "backend-2", "BACKEND-3"}},
		{[]string{"..", ".", "", "?"}, []string{"-.", "-", "--2", "--3"}},
		{[]string{"猫", "犬", "été", "ÉTÉ", "अंक", "a/猫"}, []string{"猫", "犬", "été", "ÉTÉ-2", "अंक", "a-猫"}},
		{[]string{"οδος", "οδοσ", "µ", "μ"}, []string{"οδος", "οδοσ-2", "µ", "μ-2"}},
		{[]string{strings.Repeat("猫", 100)}, []string{strings.Repeat("猫", 66)}},
		{[]string{"a\xffb\ufffd", "a\u202eb"}, []string{"a-b-", "a-b"}},
	} {
		if got := FileNames(c.classes); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.classes, got, c.want)
		}
	}
}

// TestPictureFile: a picture's file is read back as it was written, and it is no picture of
// other words, nor cut off anywhere, nor with any of its bits turned.
func TestPictureFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cat", "0000.png")
	m, texts := picture.New(5, 4), []picture.Text{{Key: "lfm:class", Value: "cat"}, {Key: "lfm:number", Value: "0"}}
	for i := range m.Pix {
		m.Pix[i] = uint8(i * 37)
	}
	if _, ok := ReadPicture(path, texts); ok {
		t.Error("a picture is there before it is written")
	}
	if err := WritePicture(disk.OS, path, m, texts); err != nil {
		t.Fatal(err)
	}
	if got, ok := ReadPicture(path, texts[:1]); !ok || !slices.Equal(got.Pix, m.Pix) || got.W != 5 || got.H != 4 {
		t.Errorf("read back: %v, %v", got, ok)
	}
	if _, ok := ReadPicture(path, []picture.Text{texts[0], {Key: "lfm:number", Value: "1"}}); ok {
		t.Error("it is taken for picture 1")
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("%v lie there", names)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(data []byte, what string, at int) {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, ok := ReadPicture(path, texts); ok {
			t.Errorf("%s at byte %d of %d it is whole", what, at, len(whole))
		}
	}
	for i := range whole {
		check(whole[:i], "cut off", i)
		turned := slices.Clone(whole)
		turned[i] ^= 1 << (i % 8)
		check(turned, "with a bit turned", i)
	}
}

// publish makes an artifact of files, a file's content being its name and what follows '='.
func publish(t *testing.T, store *artifacts.Store, files ...string) *artifacts.Artifact {
	t.Helper()
	b, err := store.Build(Output)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, _, _ := strings.Cut(f, "=")
		if err := b.WriteFile(name, []byte(f)); err != nil {
			t.Fatal(err)
		}
	}
	key := strings.Join(files, "\n")
	a, err := b.Publish(artifacts.HashText(key), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestCopyOut: the folder shows the artifact that was copied last, and what else somebody
// put there; an artifact that is there already is not copied again.
func TestCopyOut(t *testing.T) {
	store, err := artifacts.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out", "decode")
	check := func(what string, want ...string) {
		t.Helper()
		var got []string
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == copiedFile {
				return err
			}
			data, err := os.ReadFile(path)
			got = append(got, string(data))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	copyOut := func(a *artifacts.Artifact) {
		t.Helper()
		if err := CopyOut(a, dir); err != nil {
			t.Fatal(err)
		}
	}
	first := publish(t, store, "cat/0000.png=1", "cat/0001.png=1", "dog/0000.png=1", "grid.png=1")
	second := publish(t, store, "cat/0000.png=2", "grid.png=2")
	copyOut(first)
	check("first", "cat/0000.png=1", "cat/0001.png=1", "dog/0000.png=1", "grid.png=1")
	if err := os.WriteFile(filepath.Join(dir, "notes"), []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	copyOut(second)
	check("second", "cat/0000.png=2", "grid.png=2", "mine")
	if _, err := os.Stat(filepath.Join(dir, "dog")); err == nil {
		t.Error("the folder of a class that is gone is still there")
	}
	// Same size, other bytes: to see that nothing is copied.
	if err := os.WriteFile(filepath.Join(dir, "grid.png"), []byte("grid.png=?"), 0o666); err != nil {
		t.Fatal(err)
	}
	copyOut(second)
	check("second again", "cat/0000.png=2", "grid.png=?", "mine")
	if err := os.Remove(filepath.Join(dir, "cat", "0000.png")); err != nil {
		t.Fatal(err)
	}
	copyOut(second)
	check("a lost copy", "cat/0000.png=2", "grid.png=2", "mine")
	if err := os.WriteFile(filepath.Join(dir, copiedFile), []byte("\n../../../etc/passwd\n/etc/passwd\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	copyOut(first)
	check("after a stamp that lies", "cat/0000.png=1", "cat/0001.png=1", "dog/0000.png=1", "grid.png=1", "mine")
}
