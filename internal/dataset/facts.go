package dataset

import (
	"fmt"

	"lfm/artifacts"
)

// Facts are what an index says of its data set as a whole.
type Facts struct {
	Classes     []string
	Train, Test int // images

	index *artifacts.Artifact
}

// ReadFacts reads those of an index artifact, and nothing of its images.
func ReadFacts(index *artifacts.Artifact) (*Facts, error) {
	f, err := index.Open(indexFile)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	r := readIndex(f, info.Size())
	l, counts := r.head()
	if r.err != nil {
		return nil, fmt.Errorf("dataset: %s: not an index: %w: run `lfm artifacts verify`", index.Path(indexFile), r.err)
	}
	return &Facts{Classes: l.classes, Train: total(counts[Train]), Test: total(counts[Test]), index: index}, nil
}

func total(counts []int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// Said is what is said of the images: how many have a caption, and the names of the numbers that are known of each.
func (f *Facts) Said() (captions int, properties []string, err error) {
	t, err := readTold(f.index, f.Train+f.Test)
	if t == nil || err != nil {
		return 0, nil, err
	}
	for _, caption := range t.Captions {
		if caption != "" {
			captions++
		}
	}
	return captions, t.Properties, nil
}

// readTold reads what an index artifact says of its so many images, nil if nothing.
func readTold(index *artifacts.Artifact, images int) (*told, error) {
	if _, there := index.File(captionsFile); !there {
		return nil, nil
	}
	data, err := index.ReadFile(captionsFile)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	t, err := decodeTold(data, images)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w: run `lfm artifacts verify`", index.Path(captionsFile), err)
	}
	return t, nil
}
