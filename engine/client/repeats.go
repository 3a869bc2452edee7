package client

import (
	"bytes"
	"slices"

	"homellm/engine/event"
)

// What a stream must have before its deltas are taken for repetitions: with fewer, an answer such as "no", "no no"
// could be meant so.
const (
	repeatedDeltas = 3  // deltas
	repeatedGrowth = 2  // of them that say more than the one before
	repeatedBytes  = 12 // in a last delta that repeats all the others
)

// unrepeat takes out of the texts what deltas repeat: some servers send all so far with each delta, and some send
// everything once more at the end.
func (r *record) unrepeat() {
	r.text = r.unrepeated(r.text, event.Answer, event.Refusal)
	r.reasoning = r.unrepeated(r.reasoning, event.Reasoning)
	r.tool = r.unrepeated(r.tool, event.Tool)
}

// unrepeated returns a text without its repetitions. A delta that says nothing new is no arrival of a token.
func (r *record) unrepeated(text []byte, channels ...event.Channel) []byte {
	of := func(c event.Chunk) bool {
		return slices.Contains(channels, c.Channel)
	}
	var sizes []int
	for _, c := range r.x.Chunks {
		if of(c) {
			sizes = append(sizes, c.Bytes)
		}
	}
	kept, sizes := once(text, sizes)
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

// once returns a text whose deltas, of the given sizes, repeat all so far, and how much each of them adds to it; nil if
// they do not.
func once(text []byte, sizes []int) (kept []byte, added []int) {
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
