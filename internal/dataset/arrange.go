package dataset

import (
	"slices"
	"sort"
	"strings"
)

// place is where an image of a tree belongs.
type place struct {
	path  string // in the source
	class string
	split string // Train, Test, or "" where the tree does not say
	name  string // path below the split's folder: what a split by hash looks at
}

// onlyClass is the class of images that lie in no folder.
const onlyClass = "images"

// arrange reads classes and splits from the paths of all images of a tree, sorted. Images that lie where no class can
// be read are skipped.
//
//	[wrapper/…/][train|test/]class/…/file
func arrange(paths []string) (placed []place, skipped []Skip) {
	base := wrapper(paths)
	splits := splitFolders(paths, base)
	for _, p := range paths {
		at := place{path: p, name: p[len(base):]}
		if splits != nil {
			top, rest, inside := strings.Cut(at.name, "/")
			if at.split = splits[top]; !inside || at.split == "" {
				skipped = append(skipped, Skip{p, "lies beside the folders train and test"})
				continue
			}
			at.name = rest
		}
		at.class, _, _ = strings.Cut(at.name, "/")
		if !strings.Contains(at.name, "/") {
			at.class = ""
		}
		placed = append(placed, at)
	}
	return loose(placed, skipped)
}

// loose deals with images outside of class folders: if all are, they are the one class; else they are skipped.
func loose(placed []place, skipped []Skip) ([]place, []Skip) {
	inFolders := slices.ContainsFunc(placed, func(p place) bool { return p.class != "" })
	kept := placed[:0]
	for _, p := range placed {
		if p.class == "" {
			if inFolders {
				skipped = append(skipped, Skip{p.path, "lies beside the class folders"})
				continue
			}
			p.class = onlyClass
		}
		kept = append(kept, p)
	}
	return kept, skipped
}

// wrapper returns the prefix, ending in a slash or empty, of single folders around all images that hold no image
// themselves.
func wrapper(paths []string) string {
	base := ""
	for len(paths) > 0 {
		top, _, inside := strings.Cut(paths[0][len(base):], "/")
		next := base + top + "/"
		if !inside {
			break
		}
		for _, p := range paths {
			if !strings.HasPrefix(p, next) || !strings.Contains(p[len(next):], "/") {
				return base
			}
		}
		base = next
	}
	return base
}

// splitFolders returns what the folders below base stand for if one is train and one is a test folder, else nil.
func splitFolders(paths []string, base string) map[string]string {
	splits := map[string]string{}
	found := map[string]bool{}
	for _, p := range paths {
		top, _, inside := strings.Cut(p[len(base):], "/")
		if !inside || splits[top] != "" {
			continue
		}
		switch strings.ToLower(top) {
		case "train", "training":
			splits[top] = Train
		case "test", "testing", "val", "valid", "validation":
			splits[top] = Test
		default:
			continue
		}
		found[splits[top]] = true
	}
	if found[Train] && found[Test] {
		return splits
	}
	return nil
}

// sortSkips orders what was skipped by ID.
func sortSkips(s []Skip) {
	sort.SliceStable(s, func(i, j int) bool { return s[i].ID < s[j].ID })
}
