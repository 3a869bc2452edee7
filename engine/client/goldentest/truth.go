package goldentest

import (
	"slices"
	"strings"
	"time"
)

// Pace is how fast a shape is played.
type Pace struct {
	First  time.Duration // from the request to the first token
	Gap    time.Duration // between tokens
	Tokens int           // how many events carry text
}

// Token is one event that carried text.
type Token struct {
	// when the write that completed the event left: the kernel's stamp for TCP on Linux, elsewhere the start of the
	// write
	At      time.Time
	Channel string // answer, reasoning, tool, refusal
	Text    string
	N       int // number of tokens in it
	Told    int // number of tokens that the wire reports for it; -1 if none
}

// Truth is what really happened.
type Truth struct {
	Received time.Time // when the whole request had arrived
	Tokens   []Token
	Ended    time.Time
	Each     time.Duration // time per token, where events did not leave as tokens were made; else 0

	Finish                              string
	Prompt, Completion, Cached, Thought int // the count on the wire; -1 if none
	Class                               string
	Whole                               string // the text, if it was sent in one body
}

// Text returns all text of the channels named.
func (t Truth) Text(channels ...string) string {
	var b strings.Builder
	if slices.Contains(channels, "answer") {
		b.WriteString(t.Whole)
	}
	for _, k := range t.Tokens {
		if slices.Contains(channels, k.Channel) {
			b.WriteString(k.Text)
		}
	}
	return b.String()
}
