package model

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"homellm/engine/tokens"
)

// Piece is a part of a prompt: one special token, or text between such.
type Piece struct {
	Text    string
	Special bool
}

// Split cuts a prompt at the template's special tokens. Like a server, it finds them everywhere, also in what a user
// wrote.
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

// Count counts the tokens of a prompt: a special token is one, c counts the text between. A counter that knows the
// special tokens gets the whole prompt.
func (t *Template) Count(c *tokens.Counter, prompt string) (tokens.Count, error) {
	if c.KnowsSpecial() {
		return c.Count(prompt)
	}
	t.counting.Lock()
	defer t.counting.Unlock()
	if t.counter != c {
		t.counter, t.counted = c, tokens.Sums[tokens.Count]{}
	}
	confidence := c.Confidence()
	one := tokens.Count{Tokens: 1, Confidence: tokens.Confidence{Exact: true, Source: confidence.Source}}
	sum, err := t.counted.Over(prompt, t.longestSpecial(), func(rest string, sum tokens.Count) (int, tokens.Count, error) {
		at, token := t.special(rest)
		switch at {
		case 0:
			return len(token), sum.Add(one), nil
		case -1:
			at = len(rest)
		}
		n, err := c.Count(rest[:at])
		return at, sum.Add(n), err
	})
	if err != nil {
		return tokens.Count{}, err
	}
	if prompt == "" {
		return tokens.Count{Confidence: confidence}, nil
	}
	sum.Exact, sum.Source = confidence.Exact, confidence.Source
	return sum, nil
}

// longestSpecial is the length of the longest special token.
func (t *Template) longestSpecial() int {
	if len(t.specials) == 0 {
		return 0
	}
	return len(t.specials[0])
}

// Suspect is a special token in the text of a message.
type Suspect struct {
	Message int // index of the message
	Byte    int // offset in its content
	Token   string
}

// Suspects finds special tokens in text written by people. A document with one can end its own message and speak in
// another role.
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
