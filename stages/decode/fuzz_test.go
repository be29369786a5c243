package decode

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzFileNames: whatever classes are called, each gets a folder of its own below the one it is made in.
func FuzzFileNames(f *testing.F) {
	f.Add("cat\ndog")
	f.Add("a/b\na:b\na-b\nA-B\na-b-2")
	f.Add("../../etc\n..\n.\n\n\x00\ngrid.png\nsamples.jsonl")
	f.Fuzz(func(t *testing.T, text string) {
		classes := strings.Split(text, "\n")
		taken := map[string]string{}
		for i, name := range FileNames(classes) {
			if !filepath.IsLocal(name) || name == "." || filepath.Base(name) != name {
				t.Fatalf("class %q lies in %q", classes[i], name)
			}
			if other, ok := taken[strings.ToLower(name)]; ok {
				t.Fatalf("classes %q and %q both lie in %q", classes[i], other, name)
			}
			taken[strings.ToLower(name)] = classes[i]
		}
	})
}

// FuzzStamp: what CopyOut removes by an earlier call's list lies in its folder; its own list comes back.
func FuzzStamp(f *testing.F) {
	f.Add("id\ncat/1.png\n../x\n/etc/passwd\n.\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		id, names := parseStamp(text)
		for _, name := range names {
			if !fs.ValidPath(name) || name == "." || !filepath.IsLocal(filepath.FromSlash(name)) {
				t.Fatalf("%q would be removed", name)
			}
		}
		if id2, again := parseStamp(string(stampText(id, names))); id2 != id || strings.Join(again, "\n") != strings.Join(names, "\n") {
			t.Fatalf("%q, then %q", names, again)
		}
	})
}
