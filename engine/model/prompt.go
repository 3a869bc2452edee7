package model

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Piece is a part of a prompt: one special token, or text between such.
type Piece struct {
	Text    string
	Special bool
}

// Split cuts a prompt at the template's special tokens. Servers find these wherever they stand, in
// what a user wrote as well, and so does this.
func (t *Template) Split(prompt string) []Piece {
	var out []Piece
	for prompt != "" {
		at, token := t.special(prompt)
		if at < 0 {
			return append(out, Piece{Text: prompt})
		}
		if at > 0 {
			out = append(out, Piece{Text: prompt[:at]})
		}
		out = append(out, Piece{Text: token, Special: true})
		prompt = prompt[at+len(token):]
	}
	return out
}

// special finds the first special token of s, the longest where several begin at one place.
func (t *Template) special(s string) (at int, token string) {
	for at < len(s) {
		skip := strings.IndexAny(s[at:], t.firsts)
		if skip < 0 {
			break
		}
		at += skip
		for _, x := range t.specials {
			if strings.HasPrefix(s[at:], x) {
				return at, x
			}
		}
		_, width := utf8.DecodeRuneInString(s[at:])
		at += width
	}
	return -1, ""
}

// specialsOf sorts the special tokens of a template, longest first, and collects the characters
// they begin with.
func specialsOf(spec Spec) (all []string, firsts string) {
	all = append(slices.Clone(spec.Special), spec.BOS)
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	all = slices.Compact(all)
	for _, s := range all {
		r, width := utf8.DecodeRuneInString(s)
		if !strings.ContainsRune(firsts, r) {
			firsts += s[:width]
		}
	}
	return all, firsts
}

// Count counts the tokens of a prompt: a special token is one, the text between goes to c. A counter
// that knows the special tokens itself gets the prompt whole.
func (t *Template) Count(c *Counter, prompt string) (Count, error) {
	if c.special {
		return c.Count(prompt)
	}
	sure := c.Confidence()
	sum := Count{Confidence: sure}
	for _, p := range t.Split(prompt) {
		if p.Special {
			sum = sum.Add(Count{Tokens: 1, Confidence: Confidence{Exact: true, Source: sure.Source}})
			continue
		}
		n, err := c.Count(p.Text)
		if err != nil {
			return Count{}, err
		}
		sum = sum.Add(n)
	}
	sum.Exact, sum.Source = sure.Exact, sure.Source
	return sum, nil
}

// Suspect is text of a message that the model would read as a special token.
type Suspect struct {
	Message int // index of the message
	Byte    int // offset in its content
	Token   string
}

// Suspects finds special tokens in what was written by people. A document that holds one can end
// its own message and speak in another role.
func (t *Template) Suspects(messages []Message) []Suspect {
	var out []Suspect
	for i, m := range messages {
		at := 0
		for _, p := range t.Split(m.Content) {
			if p.Special {
				out = append(out, Suspect{Message: i, Byte: at, Token: p.Text})
			}
			at += len(p.Text)
		}
	}
	return out
}

// FromTokenizerConfig reads the chat template and its tokens from a tokenizer_config.json, as it
// lies in a model's repository. Where that names several templates, the one called "default" counts.
func FromTokenizerConfig(data []byte) (Spec, error) {
	var config struct {
		Template json.RawMessage `json:"chat_template"`
		BOS      token           `json:"bos_token"`
		EOS      token           `json:"eos_token"`
		Added    map[string]struct {
			Content string `json:"content"`
			Special bool   `json:"special"`
		} `json:"added_tokens_decoder"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return Spec{}, fmt.Errorf("reading the tokenizer's configuration: %w", err)
	}
	spec := Spec{BOS: string(config.BOS), EOS: string(config.EOS)}
	var named []struct {
		Name     string `json:"name"`
		Template string `json:"template"`
	}
	if err := json.Unmarshal(config.Template, &spec.Jinja); err != nil {
		if err := json.Unmarshal(config.Template, &named); err != nil {
			return Spec{}, errors.New("reading the tokenizer's configuration: it has no chat_template")
		}
		for _, n := range named {
			if n.Name == "default" {
				spec.Jinja = n.Template
			}
		}
	}
	if spec.Jinja == "" {
		return Spec{}, errors.New("reading the tokenizer's configuration: it has no chat_template")
	}
	for _, a := range config.Added {
		if a.Special {
			spec.Special = append(spec.Special, a.Content)
		}
	}
	slices.Sort(spec.Special)
	if spec.EOS != "" {
		spec.Stop = []string{spec.EOS}
	}
	return spec, nil
}

// token is a special token of a tokenizer's configuration: a string, or an object with its content.
type token string

// UnmarshalJSON takes both forms.
func (t *token) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err == nil {
		*t = token(s)
		return nil
	}
	var object struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return fmt.Errorf("a special token is neither a string nor an object with content: %w", err)
	}
	*t = token(object.Content)
	return nil
}
