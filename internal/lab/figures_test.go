package lab

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"slices"
	"testing"
)

// claims say of each figure's numbers what the figure claims.
var claims = map[string]func(n Numbers) bool{
	"crossing": func(n Numbers) bool { // learned is near the mean, from which either pair is far
		mean := n["exact mean"]
		return distance(n["learned"], mean) < 0.4 && distance(n["velocity of the upper pair"], mean) > 2 && distance(n["velocity of the lower pair"], mean) > 2
	},
	"particles": func(n Numbers) bool { return n["share within three deviations of a Gaussian"][0] > 0.85 },
	"straightness": func(n Numbers) bool { // paths differ, trajectories hardly, and errors most in few steps
		flow, diffusion := n["error of the flow"], n["error of diffusion"]
		bent, turned := n["detour of the flow's trajectories"][0], n["detour of diffusion's trajectories"][0]
		for i := range flow {
			ratio := flow[i] / diffusion[i]
			if few := i < 2; few && !(ratio > 0.5 && ratio < 0.75) || !few && !(ratio > 0.7 && ratio < 1) {
				return false
			}
		}
		return math.Abs(n["detour of the flow's paths"][0]) < 1e-6 && n["detour of diffusion's paths"][0] > 0.02 &&
			min(bent, turned) > 0.005 && max(bent, turned) < 2*min(bent, turned)
	},
	"embedding": func(n Numbers) bool {
		return n["least likeness of times 0.01 apart"][0] > n["greatest likeness of times 0.05 or more apart"][0]
	},
	"ema": func(n Numbers) bool {
		half := len(n["step"]) / 2
		return below(n["distance of their average"][half:], n["distance of the weights"][half:])
	},
	"times": func(n Numbers) bool { // more often in the middle, and nearer there
		middle := len(n["t"]) / 2
		return n["density, logit-normal"][middle] > 1.5 && n["squared distance, logit-normal"][middle] < n["squared distance, uniform"][middle]
	},
	"coupling": func(n Numbers) bool {
		return 4*n["crossings, optimal transport"][0] < n["crossings, independent"][0] &&
			4*n["detour, optimal transport"][0] < n["detour, independent"][0] && below(n["W2, optimal transport"], n["W2, independent"])
	},
	"bases": func(n Numbers) bool {
		return n["length of paths, moments of the data"][0] < n["length of paths, standard normal"][0] &&
			below(n["W2, moments of the data"][1:5], n["W2, standard normal"][1:5])
	},
	"cost": func(n Numbers) bool { // so many times as much, and at each size more
		within := func(what string, low, high float64) bool {
			var ratio []float64
			for i, latents := range n[what+", latents"] {
				ratio = append(ratio, n[what+", pixels"][i]/latents)
			}
			return slices.IsSorted(ratio) && ratio[0] > low && ratio[2] < high && ratio[2] > 1.8*ratio[0]
		}
		return within("GFLOP a picture", 4, 8.5) && within("MiB of a step", 1.9, 4) && n["seconds of a step here, latents"][0] > 0
	},
	"guidance": func(n Numbers) bool {
		class, deviation := n["mean probability of the class"], n["deviation along the axis of classes"]
		slices.Reverse(deviation)
		return slices.IsSorted(class) && slices.IsSorted(deviation) && math.Abs(class[0]-0.5) < 0.06
	},
}

// TestClaims draws every figure from little training: its numbers bear its claim out, and
// both files can be read.
func TestClaims(t *testing.T) {
	b := backend(t)
	for _, f := range Figures {
		t.Run(f.Name, func(t *testing.T) {
			drawing, numbers, err := f.Draw(t.Context(), b, true)
			if err != nil {
				t.Fatal(err)
			}
			if !claims[f.Name](numbers) {
				t.Errorf("%s\nthe numbers say otherwise: %v", f.Claim, numbers)
			}
			file, err := drawing.PNG()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := png.Decode(bytes.NewReader(file)); err != nil {
				t.Errorf("PNG: %v", err)
			}
			for d := xml.NewDecoder(bytes.NewReader(drawing.SVG())); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("SVG: %v", err)
				}
			}
		})
	}
}

// below reports whether each number is less than its counterpart.
func below(a, b []float64) bool {
	for i := range a {
		if a[i] >= b[i] {
			return false
		}
	}
	return true
}

func distance(a, b []float64) float64 { return math.Hypot(a[0]-b[0], a[1]-b[1]) }
