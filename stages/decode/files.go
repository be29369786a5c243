package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"lfm/artifacts"
	"lfm/internal/disk"
	"lfm/internal/picture"
)

// FileNames gives each class the name of its folder. It is SafeName where that is free: two
// classes never share one, not even where upper and lower case are the same, and what a stage
// or the store writes beside them keeps its name. A class that
// is a file name as it stands keeps it; the others take what is left, with a number behind:
//
//	a-b  a/b  a:b  ->  a-b  a-b-2  a-b-3
func FileNames(classes []string) []string {
	names := make([]string, len(classes))
	taken := map[string]bool{}
	for _, own := range []string{GridFile, samplesFile} {
		taken[strings.Map(leastFold, own)] = true
	}
	take := func(i int, name string) bool {
		if fold := strings.Map(leastFold, name); !taken[fold] && !artifacts.Reserved(name) {
			taken[fold], names[i] = true, name
			return true
		}
		return false
	}
	for i, c := range classes {
		if safe := SafeName(c); safe == c {
			take(i, safe)
		}
	}
	for i, c := range classes {
		if names[i] != "" || take(i, SafeName(c)) {
			continue
		}
		for n := 2; !take(i, fmt.Sprintf("%s-%d", SafeName(c), n)); n++ {
		}
	}
	return names
}

// leastFold is one of all characters that are the same but for upper and lower case.
func leastFold(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

// maxName is how long the name of a file may grow in bytes, some systems allow 255 in all.
const maxName = 200

// SafeName is a class as a file name: letters and digits of any script stay, as do '.', '_', ' '
// and '-'; every other character becomes '-', and so does a dot at the beginning. What is longer
// than 200 bytes is cut.
func SafeName(class string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
		case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsDigit(r), strings.ContainsRune("._ -", r):
			return r
		}
		return '-'
	}, class)
	if safe == "" || safe[0] == '.' {
		safe = "-" + strings.TrimPrefix(safe, ".")
	}
	cut := min(len(safe), maxName)
	for cut < len(safe) && !utf8.RuneStart(safe[cut]) {
		cut--
	}
	return safe[:cut]
}

// WritePicture writes a picture's file, whole or not at all, and the folder that it lies in.
func WritePicture(fsys disk.FS, path string, m *picture.Image, texts []picture.Text) error {
	var data bytes.Buffer
	if err := picture.Encode(&data, m, texts); err != nil {
		return err
	}
	return disk.Place(fsys, path, data.Bytes()) // what a crash of the machine tears, ReadPicture finds out
}

// maxPicture is more bytes than the file of any picture has; what is longer is not read on.
const maxPicture = 64 << 20

// ReadPicture reads a picture that is there already: a file that is whole and says all of
// texts, so that drawing it again would make the same bytes. Any other is not ok.
func ReadPicture(path string, texts []picture.Text) (m *picture.Image, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPicture))
	if err != nil {
		return nil, false
	}
	m, said, err := picture.Decode(data)
	if err != nil || slices.ContainsFunc(texts, func(t picture.Text) bool { return !slices.Contains(said, t) }) {
		return nil, false
	}
	return m, true
}

// copiedFile stands in a folder of copies: the ID of the artifact that they are of, and
// then their names, one a line. While copies are being made the ID is missing.
const copiedFile = ".copied"

// CopyOut copies a finished artifact's files to a folder beside the pipeline, for people:
// nothing computes with them. What an earlier call copied there and this artifact has not
// is removed; other files stay. If this very artifact was copied before, no file is opened.
func CopyOut(a *artifacts.Artifact, dir string) error {
	names := make([]string, len(a.Files))
	for i, f := range a.Files {
		names[i] = f.Name
	}
	stamp := filepath.Join(dir, copiedFile)
	text, err := os.ReadFile(stamp)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	id, before := parseStamp(string(text))
	if id == a.ID.String() && !slices.ContainsFunc(a.Files, func(f artifacts.File) bool { return sizeOf(dir, f.Name) != f.Size }) {
		return nil
	}
	all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(names), before...))))
	if err := disk.Place(disk.OS, stamp, stampText("", all)); err != nil {
		return err
	}
	for _, name := range before {
		if _, still := a.File(name); !still {
			path := filepath.Join(dir, filepath.FromSlash(name))
			os.Remove(path)
			os.Remove(filepath.Dir(path)) // if nothing else is in it
		}
	}
	for _, name := range names {
		data, err := a.ReadFile(name)
		if err != nil {
			return err
		}
		if err := disk.Place(disk.OS, filepath.Join(dir, filepath.FromSlash(name)), data); err != nil {
			return err
		}
	}
	return disk.Place(disk.OS, stamp, stampText(a.ID.String(), names))
}

func stampText(id string, names []string) []byte {
	return []byte(id + "\n" + strings.Join(names, "\n") + "\n")
}

// parseStamp reads what stampText wrote; a name that leads out of the folder is none.
func parseStamp(text string) (id string, names []string) {
	id, rest, _ := strings.Cut(text, "\n")
	for line := range strings.Lines(rest) {
		if name := strings.TrimSuffix(line, "\n"); name != "." && fs.ValidPath(name) {
			names = append(names, name)
		}
	}
	return id, names
}

// sizeOf is a file's size, -1 if it is not there.
func sizeOf(dir, name string) int64 {
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return -1
	}
	return info.Size()
}
