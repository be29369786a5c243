// Package picture makes the pictures that people look at: 8-bit images out of a model's
// floats, PNG files that carry their settings in text chunks, labelled grids, and pairs of
// originals and reconstructions.
//
// An Image is RGB bytes. FromFloats makes one from (H, W, 3) numbers in [-1, 1]; Encode
// writes it as PNG with Text chunks, Texts reads them back, and Decode both; Grid and Pairs
// arrange many in one.
//
//	+------------------------+
//	|      a title           |
//	| cat  [img][img][img]   |
//	| dog  [img][img][img]   |
//	+------------------------+
//
// A file's bytes are a pure function of the image and its texts.
package picture
