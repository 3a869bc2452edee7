package prompt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/dsl/ceiling"
)

// Salt makes a short text from the name of a scope of isolation: no two scopes have the same.
func Salt(scope string) string {
	h := sha256.Sum256([]byte(scope))
	return hex.EncodeToString(h[:8])
}

// Use puts the prompts from here on under a salt.
func (m *Maker) Use(salt string) { m.salt = salt }

// saltLead is how many tokens of a prompt may precede a salt in the first message: templates put a date or the model
// makers' rules there.
const saltLead = 32

// Lead is how many cached tokens a prompt under a new salt may have.
func (m *Maker) Lead() int {
	if m.cell.Server.Capabilities.CacheSalt != "" {
		return 0
	}
	return saltLead
}

// inMessage says that the salt is in the first message.
func (m *Maker) inMessage() bool { return m.salt != "" && m.cell.Server.Capabilities.CacheSalt == "" }

// findLead finds how many tokens the template puts before a salt in the first message: the common prefix of the same
// prompt under two salts. Every prompt shares them with all others.
func (m *Maker) findLead(ctx context.Context, r Request) {
	if m.leadOf == m.salt || !m.inMessage() || r.tokenize == nil {
		return
	}
	other := slices.Clone(r.messages)
	for i := range other {
		other[i].Content = strings.ReplaceAll(other[i].Content, m.salt, unlike(m.salt))
	}
	a, err := r.tokenize(ctx, r.messages)
	if err != nil {
		return // the ceiling says why
	}
	b, err := r.tokenize(ctx, other)
	if err != nil {
		return
	}
	m.lead, m.leadOf = ceiling.Common(a, b), m.salt
}

// unlike is a salt that differs from another one in every character but has digits and letters at the same positions:
// a tokeniser may join a letter, and not a digit, with the space before it.
func unlike(salt string) string {
	return strings.Map(func(r rune) rune {
		if r <= '9' {
			return '0' + (r-'0'+5)%10
		}
		return 'a' + (r-'a'+3)%6
	}, salt)
}

// salted puts a salt where the server and the template of the model accept it: into the body, else into the leading
// system message, or into the first user message if the template has no system messages. In a message it costs a few
// prompt tokens, as the journal says (salt_method: message).
func (m *Maker) salted(messages []dsl.Message, extra map[string]any, salt string) []dsl.Message {
	if salt == "" {
		return messages
	}
	if key := m.cell.Server.Capabilities.CacheSalt; key != "" {
		extra[key] = salt
		return messages
	}
	was := &m.marked
	if n := len(was.of); was.salt == salt && 0 < n && n <= len(messages) && &was.of[0] == &messages[0] {
		was.of, was.out = messages, append(was.out, messages[n:]...)
	} else {
		*was = marked{salt, messages, m.mark(messages, "[session "+salt+"]")}
	}
	return slices.Clip(was.out)
}

// marked is a conversation with a salt in a message. It is kept because a conversation of thousands of turns is not to
// be copied at every turn.
type marked struct {
	salt    string
	of, out []dsl.Message
}

// mark returns messages with a line in the first that can take it.
func (m *Maker) mark(messages []dsl.Message, line string) []dsl.Message {
	if len(messages) > 0 && messages[0].Role == "system" {
		return prefixed(messages, 0, line)
	}
	out := append([]dsl.Message{{Role: "system", Content: line}}, messages...)
	template := m.templates.Of(m.cell.Model)
	if template == nil {
		return out
	}
	if _, _, err := renderFor(template, m.cell.Server, out); err == nil {
		return out
	}
	for i, x := range messages {
		if x.Role == "user" {
			return prefixed(messages, i, line)
		}
	}
	return out
}

// prefixed puts a line at the beginning of one message.
func prefixed(messages []dsl.Message, i int, line string) []dsl.Message {
	out := slices.Clone(messages)
	out[i].Content = line + "\n" + out[i].Content
	return out
}
