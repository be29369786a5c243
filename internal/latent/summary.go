package latent

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
)

// SummaryName is the file beside the shards.
const SummaryName = "latents.json"

// ShardRows is how many rows a shard has. It decides bytes, and how much a kill can lose.
const ShardRows = 4096

// ShardName returns the file name of a shard.
func ShardName(i int) string { return fmt.Sprintf("part-%05d.arrow", i) }

// Summary is latents.json: what all rows share, and what is known once all are written.
type Summary struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Header
	Rows   int            `json:"rows"`
	Counts map[string]int `json:"counts"` // rows of each split
	Flips  int            `json:"flips"`  // mirrored rows
	Labels []int          `json:"labels"` // rows of each class
	Stats
	Shards []Shard `json:"shards"`
}

// Shard is one file.
type Shard struct {
	Name   string `json:"name"`
	Rows   int    `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`

	tally *tally // while writing
}

// encode returns the text of latents.json.
func (s Summary) encode() ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// decodeSummary reads latents.json and checks that it can be true: what it says decides how much memory is asked for.
func decodeSummary(text []byte) (s Summary, err error) {
	if err := json.Unmarshal(text, &s); err != nil {
		return s, err
	}
	if s.Format != Format || s.Version != Version {
		return s, fmt.Errorf("this is format %q version %d; this program reads %q version %d", s.Format, s.Version, Format, Version)
	}
	if err := s.validate(); err != nil {
		return s, err
	}
	if len(s.Mean) != s.Shape.C || len(s.Std) != s.Shape.C {
		return s, fmt.Errorf("there are %d means and %d deviations for %d channels", len(s.Mean), len(s.Std), s.Shape.C)
	}
	for k := range s.Mean {
		if math.IsNaN(s.Mean[k]) || s.Std[k] < 0 {
			return s, fmt.Errorf("channel %d has mean %v and deviation %v", k, s.Mean[k], s.Std[k])
		}
	}
	rows := 0
	for i, sh := range s.Shards {
		want := ShardRows
		if i == len(s.Shards)-1 {
			want = s.Rows - rows
		}
		switch {
		case sh.Name != ShardName(i) || filepath.Base(sh.Name) != sh.Name:
			return s, fmt.Errorf("shard %d is called %q, want %q", i, sh.Name, ShardName(i))
		case sh.Rows != want || sh.Rows < 1 || sh.Rows > ShardRows:
			return s, fmt.Errorf("shard %s has %d rows", sh.Name, sh.Rows)
		case sh.Bytes < int64(sh.Rows)*int64(s.Shape.Size())*4:
			return s, fmt.Errorf("shard %s has %d bytes, too few for %d rows of %v", sh.Name, sh.Bytes, sh.Rows, s.Shape)
		}
		rows += sh.Rows
	}
	if rows != s.Rows || rows == 0 {
		return s, fmt.Errorf("there are %d rows in the shards, %d in all", rows, s.Rows)
	}
	return s, nil
}
