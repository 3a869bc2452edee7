package client

import "bytes"

// A stream must have at least this much before its deltas are taken for repetitions: a short answer may really be "no",
// "no no".
const (
	repeatedDeltas = 3  // deltas
	repeatedGrowth = 2  // deltas that extend the one before
	repeatedBytes  = 12 // bytes of a last delta that repeats all the others
)

// dropCumulative returns the text without repetition, and how much each delta adds to it, where every delta repeats
// all text so far; nil for other streams. Sizes are the lengths of the deltas.
func dropCumulative(text []byte, sizes []int) (kept []byte, added []int) {
	if len(sizes) < repeatedDeltas {
		return nil, nil
	}
	last := sizes[len(sizes)-1]
	before := len(text) - last
	if len(sizes) > repeatedDeltas && last >= repeatedBytes && bytes.Equal(text[:before], text[before:]) {
		sizes[len(sizes)-1] = 0
		return text[:before], sizes
	}
	grown := 0
	at := 0
	for _, n := range sizes {
		piece := text[at : at+n]
		if !bytes.HasPrefix(piece, kept) {
			return nil, nil
		}
		if at > 0 && n > len(kept) {
			grown++
		}
		added = append(added, n-len(kept))
		kept = piece
		at += n
	}
	if grown < repeatedGrowth {
		return nil, nil
	}
	return kept, added
}
