package critters

// Colours are the words of captions for coats, in the order of coats: no two coats share one.
var Colours = []string{"orange", "yellow", "brown", "grey", "black", "white", "pink", "teal", "green", "purple", "blue", "red"}

// places are the words of captions for grounds, in the order of grounds.
var places = []string{"on paper", "at sunrise", "in the mist", "on grass", "in the haze", "in a corn field",
	"by a lagoon", "by a reef", "by a lake", "in a wood", "at dusk", "at night"}

// hills are the words of captions for scenes, behind the animal and before the place.
var hills = [scenes]string{2: " under the sun on a hill", 3: " on a hill"}

// Properties names the numbers that Describe gives.
var Properties = []string{"x", "y", "scale"}

// Description is what can be seen in a picture.
type Description struct {
	Caption string // "a red cat on a hill at dusk": one of Colours, one of Classes, and where

	// Numbers are those of Properties: the animal's place, from -1 at the left and top edges to 1
	// at the right and bottom ones, and its size, where 1 fills the picture.
	Numbers []float32
}

// Describe says what Draw draws, at any size, without drawing it. Nothing that it says names a side, but x.
func Describe(seed uint64, index int) Description {
	t, label := traitsOf(seed, index)
	colour := Colours[t.worn]
	article := "a "
	if colour == "orange" {
		article = "an "
	}
	return Description{
		Caption: article + colour + " " + Classes[label] + hills[t.ground] + " " + places[t.behind],
		Numbers: []float32{float32(t.x), float32(t.y), float32(t.scale)},
	}
}
