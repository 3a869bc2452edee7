package engine

import (
	"homellm/dsl"
	"homellm/engine/event"
)

// images returns the images of messages in the form of the journal.
func images(messages []dsl.Message) (out []event.Image) {
	for _, m := range messages {
		for _, i := range m.Images {
			out = append(out, event.Image{SHA256: i.SHA256, Media: i.Media, Bytes: len(i.Data)})
		}
	}
	return out
}
