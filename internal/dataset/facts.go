package dataset

import (
	"fmt"
	"os"

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
	facts := &Facts{index: index}
	err := readIndexFile(index, func(f *os.File, size int64) error {
		r := readIndex(f, size)
		l, counts := r.head()
		facts.Classes, facts.Train, facts.Test = l.classes, total(counts[Train]), total(counts[Test])
		return r.err
	})
	return facts, err
}

// readIndexFile opens the index file of an artifact and reads it.
func readIndexFile(index *artifacts.Artifact, read func(f *os.File, size int64) error) error {
	f, err := index.Open(indexFile)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	if err := read(f, info.Size()); err != nil {
		return fmt.Errorf("dataset: %s: %w: run `lfm artifacts verify`", index.Path(indexFile), err)
	}
	return nil
}

func total(counts []int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// Said is what is said of the images: how many of the training images have a caption with a word in it, and the names of
// the numbers that are known of each image.
func (f *Facts) Said() (captions int, properties []string, err error) {
	t, err := readTold(f.index, f.Train+f.Test)
	if t == nil || err != nil {
		return 0, nil, err
	}
	err = readIndexFile(f.index, func(file *os.File, size int64) error {
		l, err := readListing(file, size, nil)
		if err != nil {
			return err
		}
		for i, caption := range t.Captions[:min(l.len(), len(t.Captions))] {
			if !l.test[i] && len(words(caption)) > 0 {
				captions++
			}
		}
		return nil
	})
	return captions, t.Properties, err
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
