// Package metrics measures how good pictures are.
//
// [PSNR] and [SSIM] compare one picture with another, on the bytes that a viewer sees: what rounding hides does not
// count. [Nearest] and [Copying] ask whether samples are new or merely remembered from the training pictures.
//
// A picture is (H, W, C) bytes, row-major; a set of vectors is one flat slice.
package metrics
