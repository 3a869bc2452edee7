package model

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"homellm/dsl/ceiling"
)

// packedGoldens are the files of goldens/ by their names without .json, as one JSON object, compressed. They are part
// of the program, so that a user can check a template, including their own, without a server.
//
//go:embed goldens.gz
var packedGoldens []byte

var goldenFiles = sync.OnceValues(func() (files map[string]json.RawMessage, err error) {
	r, err := gzip.NewReader(bytes.NewReader(packedGoldens))
	if err == nil {
		err = json.NewDecoder(r).Decode(&files)
	}
	return files, err
})

// Golden is an independent Jinja implementation's rendering of a conversation.
type Golden struct {
	Name     string // conversation/variant
	Messages []Message
	Options  Options
	Text     string // the prompt; empty if the template raised an error
	Raised   string // the error; empty if there was none
}

// Goldens returns the goldens of a shipped template, by name, in alphabetical order.
func Goldens(template string) ([]Golden, error) {
	var conversations map[string][]Message
	if err := readGolden("conversations", &conversations); err != nil {
		return nil, err
	}
	var file struct {
		Goldens map[string]struct {
			Text  string `json:"text"`
			Error string `json:"error"`
		} `json:"goldens"`
	}
	if err := readGolden(template, &file); err != nil {
		return nil, err
	}
	var out []Golden
	for _, name := range slices.Sorted(maps.Keys(file.Goldens)) {
		conversation, variant, _ := strings.Cut(name, "/")
		g := Golden{
			Name: name, Messages: conversations[conversation],
			Text: file.Goldens[name].Text, Raised: file.Goldens[name].Error,
			Options: Options{Closed: variant == "closed", NoThink: variant == "no_think"},
		}
		switch variant {
		case "think":
			g.Options.Vars = map[string]any{"enable_thinking": true}
		case "high":
			g.Options.Vars = map[string]any{"reasoning_effort": "high"}
		}
		switch template { // shipped templates that print today's date
		case "llama-3.2", "gpt-oss", "smollm3", "mistral-small-3.2":
			g.Options.Now = probeTime
		}
		out = append(out, g)
	}
	return out, nil
}

func readGolden(name string, into any) error {
	files, err := goldenFiles()
	if err != nil {
		return fmt.Errorf("reading the goldens: %w", err)
	}
	data, ok := files[name]
	if !ok {
		return fmt.Errorf("there are no goldens of %s", name)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading the goldens of %s: %w", name, err)
	}
	return nil
}

// Check renders a golden's conversation with t and says how the result differs; "" if it does not.
func (g Golden) Check(t *Template) string {
	got, err := t.Render(g.Messages, g.Options)
	text := got.String()
	switch {
	case err != nil && g.Raised != "":
		return ""
	case err != nil:
		return fmt.Sprintf("%s: %v, want a prompt", g.Name, err)
	case g.Raised != "":
		return fmt.Sprintf("%s: rendered, but the model's template raises %q", g.Name, g.Raised)
	case text != g.Text:
		at := ceiling.CommonText(text, g.Text)
		return fmt.Sprintf("%s: differs at byte %d: %q, want %q", g.Name, at, excerpt(text, at), excerpt(g.Text, at))
	default:
		return ""
	}
}

// excerpt is the text around a byte.
func excerpt(s string, at int) string {
	const before, after = 20, 30
	return strings.ToValidUTF8(s[max(0, at-before):min(len(s), at+after)], "")
}
