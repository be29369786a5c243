package main

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"lfm/internal/critters"
	"lfm/internal/picture"
)

// TestPictures looks at what the README's main command left in LFM_PICTURES, the folder
// out/decode of examples/critters: pictures of every class, each with its settings and
// with something to see on it. .ci/run sets it after a short run.
func TestPictures(t *testing.T) {
	dir := os.Getenv("LFM_PICTURES")
	if dir == "" {
		t.Skip("LFM_PICTURES names no folder of pictures; .ci/run makes some")
	}
	for _, class := range critters.Classes {
		files, err := filepath.Glob(filepath.Join(dir, class, "*.png"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no pictures (%v)", class, err)
		}
		for _, file := range files {
			checkPicture(t, file, class)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "grid.png")); err != nil {
		t.Error(err)
	}
}

// checkPicture wants a 32x32 picture that names its class and is not of one colour.
func checkPicture(t *testing.T, file, class string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := picture.Texts(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	said := map[string]string{}
	for _, text := range texts {
		said[text.Key] = text.Value
	}
	if said["lfm:class"] != class || said["lfm:flow"] == "" || said["lfm:nfe"] == "" {
		t.Errorf("%s says %v", file, said)
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if b := m.Bounds(); b.Dx() != 32 || b.Dy() != 32 {
		t.Errorf("%s is %v, want 32x32", file, b)
	}
	var n, sum, squares float64
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			r, g, b, _ := m.At(x, y).RGBA()
			v := float64(r+g+b) / 3 / 257
			n, sum, squares = n+1, sum+v, squares+v*v
		}
	}
	if deviation := math.Sqrt(squares/n - sum*sum/n/n); deviation < 5 {
		t.Errorf("%s: grey levels deviate by %.1f, want a picture", file, deviation)
	}
}
