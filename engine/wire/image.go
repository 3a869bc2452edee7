package wire

import "encoding/base64"

// Image is an image in a message.
type Image struct {
	Name   string // of the image file
	Media  string // image/png or image/jpeg
	SHA256 string
	Data   []byte
}

// Base64 returns the image in base64, the form of Ollama's own API and Anthropic's.
func (i Image) Base64() string { return base64.StdEncoding.EncodeToString(i.Data) }

// DataURL returns the image as a data URL, the form of OpenAI's APIs.
func (i Image) DataURL() string { return "data:" + i.Media + ";base64," + i.Base64() }

// Shown counts the images in messages. Only the server knows how many tokens they are.
func Shown(messages []Message) int {
	n := 0
	for _, m := range messages {
		n += len(m.Images)
	}
	return n
}
