package client

import (
	"slices"

	"homellm/engine/event"
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
