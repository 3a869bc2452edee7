package imports

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"homellm/dsl/transcript"
	"homellm/engine/wire"
)

// images removes invalid images from a chat.
func (b *builder) images(chat *transcript.Chat) {
	for i := range chat.Messages {
		m := &chat.Messages[i]
		m.Images = slices.DeleteFunc(m.Images, func(shown wire.Image) bool {
			err := b.Image(shown.Data)
			if err != nil {
				b.note("an image that %v is left out", err)
			}
			return err != nil
		})
		if m.Role == "user" && m.Content == "" && len(m.Images) == 0 {
			m.Content = "(an image that could not be taken over)"
		}
	}
}

// imageFile adds an image file beside the scenario and returns its path. Equal images share one file.
func (b *builder) imageFile(shown wire.Image) string {
	sum := sha256.Sum256(shown.Data)
	name := hex.EncodeToString(sum[:6]) + "." + strings.TrimPrefix(shown.Media, "image/")
	return b.beside("images", name, shown.Data)
}

// shown returns a message in the form of chat completions: with images its content is a list of parts.
func shown(m wire.Message) any {
	if len(m.Images) == 0 {
		return m
	}
	var parts []any
	if m.Content != "" {
		parts = append(parts, map[string]any{"type": "text", "text": m.Content})
	}
	for _, i := range m.Images {
		parts = append(parts, map[string]any{"type": "image_url", "image_url": map[string]any{"url": i.DataURL()}})
	}
	return map[string]any{"role": m.Role, "content": parts}
}
