// Package profile says what the passes of a plan cost: the multiplications and additions
// that the model asks for, the bytes that it has to touch, and, for a trace, when each of
// them ran.
//
// Work is counted as package bench counts it, see there: over the graph as it is written,
// whatever a back end does to the same end. Bytes are those of a pass's operands and results,
// each once, so that GB/s say how near a pass that computes little comes to the memory's pace.
package profile
