package client

import "homellm/engine/wire"

// chatMessages returns messages in the form of chat completions: if one shows images, its content is a list of parts.
func chatMessages(messages []Message) any {
	if wire.Shown(messages) == 0 {
		return messages
	}
	out := make([]any, len(messages))
	for i, m := range messages {
		if out[i] = m; len(m.Images) > 0 {
			out[i] = chatShown(m)
		}
	}
	return out
}

// chatShown returns a message with images in the form of chat completions.
func chatShown(m Message) any {
	content := []any{map[string]any{"type": "text", "text": m.Content}}
	for _, i := range m.Images {
		content = append(content, map[string]any{"type": "image_url", "image_url": map[string]any{"url": i.DataURL()}})
	}
	return struct {
		Message
		Content []any `json:"content"` // in place of the text
	}{m, content}
}

// ollamaShown returns a message with images in the form of Ollama's own API.
func ollamaShown(m Message) any {
	images := make([]string, len(m.Images))
	for i, shown := range m.Images {
		images[i] = shown.Base64()
	}
	return struct {
		Message
		Images []string `json:"images"`
	}{m, images}
}
