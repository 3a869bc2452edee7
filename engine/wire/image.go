package wire

import "encoding/base64"

// Image is a picture that a message shows.
type Image struct {
	Name   string // of its file
	Media  string // image/png or image/jpeg
	SHA256 string
	Data   []byte
}

// Base64 is the picture as text, as Ollama's own API and Anthropic's take it.
func (i Image) Base64() string { return base64.StdEncoding.EncodeToString(i.Data) }

// DataURL is the picture as an address that holds it, as OpenAI's APIs take it.
func (i Image) DataURL() string { return "data:" + i.Media + ";base64," + i.Base64() }

// Shown counts the pictures of messages. How many tokens they are only the server knows.
func Shown(messages []Message) int {
	n := 0
	for _, m := range messages {
		n += len(m.Images)
	}
	return n
}
