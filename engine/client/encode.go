package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"

	openai "github.com/sashabaranov/go-openai"

	"homellm/engine/wire"
)

// Message is one message of a chat.
type Message = wire.Message

// Prompt is one request. A nil or zero field is not sent, so that the server's default applies; a pointer to zero is
// sent as zero.
type Prompt struct {
	Messages    []Message // for chat
	Text        string    // for completions
	MaxTokens   int
	Temperature *float64
	TopP        *float64
	Seed        *int64
	Stop        []string

	Tools      []wire.Tool
	ToolChoice string        // one of the wire.Choose…, or the name of a tool; empty: the server's default
	Format     *wire.Format  // that the reply is to keep to
	Thinking   wire.Thinking // for APIs that have keys for it; what a chat template takes is in Extra

	Extra map[string]any // keys of the body; nil removes a key
}

// placeholder is the model name that go-openai sees. The library refuses some options for names that look like
// OpenAI's models, but a home server may serve any model under any name.
const placeholder = "model"

// encodeChat lets go-openai's client build the request and adds what the library's types cannot hold.
func encodeChat(to *url.URL, cfg *Config, p Prompt) (*http.Request, error) {
	r := openai.ChatCompletionRequest{
		Model:         placeholder,
		Stop:          p.Stop,
		Seed:          seed(p),
		StreamOptions: streamOptions(cfg),
	}
	set := sampling(cfg, p)
	set["messages"] = chatMessages(p.Messages)
	chatTools(set, p)
	return prepare(to, 2, cfg, p, set, func(ctx context.Context, c *openai.Client) error {
		if cfg.Stream {
			_, err := c.CreateChatCompletionStream(ctx, r)
			return err
		}
		_, err := c.CreateChatCompletion(ctx, r)
		return err
	})
}

// encodeText does the same for text completions.
func encodeText(to *url.URL, cfg *Config, p Prompt) (*http.Request, error) {
	r := openai.CompletionRequest{
		Model:         placeholder,
		Prompt:        "",
		Stop:          p.Stop,
		Seed:          seed(p),
		StreamOptions: streamOptions(cfg),
	}
	set := sampling(cfg, p)
	set["prompt"] = p.Text
	return prepare(to, 1, cfg, p, set, func(ctx context.Context, c *openai.Client) error {
		if cfg.Stream {
			_, err := c.CreateCompletionStream(ctx, r)
			return err
		}
		_, err := c.CreateCompletion(ctx, r)
		return err
	})
}

// sampling holds the values that go-openai drops: it takes a zero for "not set", above all a temperature of zero.
func sampling(cfg *Config, p Prompt) map[string]any {
	set := map[string]any{"model": cfg.Model}
	if p.MaxTokens > 0 { // deprecated in go-openai, but most servers ignore its successor
		set["max_tokens"] = p.MaxTokens
	}
	sampled(set, p)
	if p.Format != nil {
		set["response_format"] = p.Format.Chat()
	}
	return set
}

// sampled adds the parameters that have the same names in most APIs.
func sampled(set map[string]any, p Prompt) {
	if p.Temperature != nil {
		set["temperature"] = *p.Temperature
	}
	if p.TopP != nil {
		set["top_p"] = *p.TopP
	}
}

func seed(p Prompt) *int {
	if p.Seed == nil {
		return nil
	}
	s := int(*p.Seed)
	return &s
}

func streamOptions(cfg *Config) *openai.StreamOptions {
	if !cfg.Stream {
		return nil
	}
	return &openai.StreamOptions{IncludeUsage: true}
}

// prepare runs one call of go-openai's client against a transport that keeps the request instead of sending it. The
// library appends depth elements to the endpoint's path.
func prepare(to *url.URL, depth int, cfg *Config, p Prompt, set map[string]any,
	ask func(context.Context, *openai.Client) error) (*http.Request, error) {
	root := *to
	for range depth {
		root.Path = path.Dir(root.Path)
	}
	oc := openai.DefaultConfig(cfg.APIKey)
	oc.BaseURL = root.String()
	oc.HTTPClient = rewriter{set, p.Extra}
	err := ask(context.Background(), openai.NewClientWithConfig(oc))
	if done, ok := errors.AsType[*prepared](err); ok {
		done.request.Header.Del("Connection") // kept alive anyway; HTTP/2 has no such header
		return done.request, nil
	}
	return nil, unbuilt(err)
}

func unbuilt(err error) error { return fmt.Errorf("building the request: %w", err) }

// rewriter is the HTTP client that go-openai is given: it completes the body and hands the
// request back.
type rewriter struct {
	set, extra map[string]any
}

// prepared carries a finished request out through go-openai's error return.
type prepared struct{ request *http.Request }

func (p *prepared) Error() string { return "request prepared, not sent" }

func (w rewriter) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	if err := merge(fields, w.set, w.extra); err != nil {
		return nil, err
	}
	setBody(r, join(fields))
	return nil, &prepared{r}
}

// merge puts keys into a body, later maps over earlier ones. Where both sides hold an object, the
// objects are merged; a nil removes the key.
func merge(fields map[string]json.RawMessage, sources ...map[string]any) error {
	for _, source := range sources {
		for key, value := range source {
			if value == nil {
				delete(fields, key)
				continue
			}
			if inner, ok := value.(map[string]any); ok && isObject(fields[key]) {
				merged := map[string]json.RawMessage{}
				if err := json.Unmarshal(fields[key], &merged); err != nil {
					return err
				}
				if err := merge(merged, inner); err != nil {
					return err
				}
				fields[key] = join(merged)
				continue
			}
			raw, err := marshal(value)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			fields[key] = raw
		}
	}
	return nil
}

func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

// marshal is json.Marshal without the escapes that only a web page needs.
func marshal(v any) (json.RawMessage, error) {
	if messages, ok := v.([]Message); ok && messages != nil {
		size := 2
		for _, m := range messages {
			size += len(m.Content) + len(m.Content)/16 + 48
		}
		return appendMessages(make([]byte, 0, size), messages)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// join writes an object with its keys in order, so that equal prompts give equal bytes. The values are JSON already,
// so a prompt of megabytes is not parsed again.
func join(fields map[string]json.RawMessage) []byte {
	size := 2
	for key, raw := range fields {
		size += len(key) + len(raw) + 4
	}
	b := append(make([]byte, 0, size), '{')
	for i, key := range slices.Sorted(maps.Keys(fields)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendText(b, key), ':'), fields[key]...)
	}
	return append(b, '}')
}

// appendText appends a JSON string.
func appendText(b []byte, text string) []byte {
	b = append(b, '"')
	for text != "" {
		n := verbatim([]byte(text))
		b, text = append(b, text[:n]...), text[n:]
		if text == "" {
			break
		}
		switch c := text[0]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default: // rare
			quoted, _ := marshal(text) // a string always marshals
			return append(b, quoted[1:]...)
		}
		text = text[1:]
	}
	return append(b, '"')
}

// appendMessages appends the messages of a chat. A long conversation is encoded at every turn, which takes more time
// than all else: most messages are a role and a text, and need no reflection.
func appendMessages(b []byte, messages []Message) ([]byte, error) {
	b = append(b, '[')
	for i, m := range messages {
		if i > 0 {
			b = append(b, ',')
		}
		if !m.Equal(Message{Role: m.Role, Content: m.Content}) {
			raw, err := marshal(m)
			if err != nil {
				return nil, err
			}
			b = append(b, raw...)
			continue
		}
		b = appendText(append(b, `{"role":`...), m.Role)
		b = appendText(append(b, `,"content":`...), m.Content)
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

func setBody(r *http.Request, body []byte) {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.ContentLength = int64(len(body))
}

// chatTools puts tools into a body of chat completions.
func chatTools(set map[string]any, p Prompt) {
	if len(p.Tools) > 0 {
		set["tools"] = wire.Functions(p.Tools)
	}
	switch p.ToolChoice {
	case "":
	case wire.ChooseAuto, wire.ChooseNone, wire.ChooseRequired:
		set["tool_choice"] = p.ToolChoice
	default:
		set["tool_choice"] = map[string]any{"type": "function", "function": map[string]any{"name": p.ToolChoice}}
	}
}

// post builds a request with a JSON body.
func post(to *url.URL, cfg *Config, accept string, set, extra map[string]any) (*http.Request, error) {
	fields := map[string]json.RawMessage{}
	if err := merge(fields, set, extra); err != nil {
		return nil, unbuilt(err)
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, to.String(), http.NoBody)
	if err != nil {
		return nil, unbuilt(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	if cfg.APIKey != "" {
		r.Header.Set("Authorization", "Bearer "+cfg.APIKey)
	}
	setBody(r, join(fields))
	return r, nil
}
