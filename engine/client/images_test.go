package client

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"testing"

	"homellm/engine/wire"
)

// TestEncodeImages checks the form in which each API takes images, and that other messages stay unchanged.
func TestEncodeImages(t *testing.T) {
	shown := wire.Image{Media: "image/png", SHA256: "1", Data: []byte("a picture")}
	messages := []Message{{Role: "system", Content: "Look <closely>."},
		{Role: "user", Content: "What is this?", Images: []wire.Image{shown, shown}}}
	for api, want := range map[wire.API]string{
		wire.Chat: `[{"role":"system","content":"Look <closely>."},{"role":"user","content":[{"text":"What is this?",` +
			`"type":"text"},{"image_url":{"url":"data:image/png;base64,YSBwaWN0dXJl"},"type":"image_url"},` +
			`{"image_url":{"url":"data:image/png;base64,YSBwaWN0dXJl"},"type":"image_url"}]}]`,
		wire.Ollama: `[{"role":"system","content":"Look <closely>."},{"role":"user","content":"What is this?",` +
			`"images":["YSBwaWN0dXJl","YSBwaWN0dXJl"]}]`,
		wire.Responses: `[{"content":"Look <closely>.","role":"system","type":"message"},{"content":[{"text":` +
			`"What is this?","type":"input_text"},{"image_url":"data:image/png;base64,YSBwaWN0dXJl","type":"input_image"},` +
			`{"image_url":"data:image/png;base64,YSBwaWN0dXJl","type":"input_image"}],"role":"user","type":"message"}]`,
		wire.Messages: `[{"content":[{"text":"What is this?","type":"text"},{"source":{"data":"YSBwaWN0dXJl",` +
			`"media_type":"image/png","type":"base64"},"type":"image"},{"source":{"data":"YSBwaWN0dXJl",` +
			`"media_type":"image/png","type":"base64"},"type":"image"}],"role":"user"}]`,
	} {
		to := &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/v1/chat/completions"}
		for _, d := range dialects {
			if d.Name != api {
				continue
			}
			r, err := d.encode(to, &Config{Model: "m"}, Prompt{Messages: messages})
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			var q struct {
				Messages json.RawMessage `json:"messages"`
				Input    json.RawMessage `json:"input"`
			}
			if err := json.Unmarshal(body, &q); err != nil || string(q.Messages)+string(q.Input) != want {
				t.Errorf("%s: %v\n got %s%s\nwant %s", api, err, q.Messages, q.Input, want)
			}
		}
	}
	if plain, err := json.Marshal(messages); err != nil || strings.Contains(string(plain), "YSBw") {
		t.Errorf("a message beside a request holds the picture: %s, %v", plain, err)
	}
}
