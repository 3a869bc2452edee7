package client

import (
	"bytes"
	"slices"

	"homellm/engine/event"
)

// A stream must have at least this much before its deltas are taken for repetitions: a short answer such as "no", "no
// no" may be meant so.
const (
	repeatedDeltas = 3  // deltas
	repeatedGrowth = 2  // deltas that extend the one before
	repeatedBytes  = 12 // bytes of a last delta that repeats all the others
)

// dropRepeats removes repeated text: some servers send the whole text so far with each delta, and some send everything
// once more at the end.
func (r *record) dropRepeats() {
	r.text = r.withoutRepeats(r.text, event.Answer, event.Refusal)
	r.reasoning = r.withoutRepeats(r.reasoning, event.Reasoning)
	r.tool = r.withoutRepeats(r.tool, event.Tool)
}

// withoutRepeats returns a text without its repetitions. A delta without new text is not the arrival of a token.
func (r *record) withoutRepeats(text []byte, channels ...event.Channel) []byte {
	of := func(c event.Chunk) bool {
		return slices.Contains(channels, c.Channel)
	}
	var sizes []int
	for _, c := range r.x.Chunks {
		if of(c) {
			sizes = append(sizes, c.Bytes)
		}
	}
	kept, sizes := dropCumulative(text, sizes)
	if kept == nil {
		return text
	}
	r.x.Wire.Repeating = true
	chunks := r.x.Chunks[:0]
	for _, c := range r.x.Chunks {
		if of(c) {
			c.Bytes, sizes = sizes[0], sizes[1:]
			if c.Bytes == 0 {
				continue
			}
		}
		chunks = append(chunks, c)
	}
	r.x.Chunks = chunks
	return kept
}

// dropCumulative returns the text without repetition, and how much each delta adds to it, where every delta repeats all text so
// far; nil for other streams. Sizes are the lengths of the deltas.
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
