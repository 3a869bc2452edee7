package dsl

import (
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// Given is a history that is in context before the first step of a conversation, which no request sends alone.
type Given struct {
	Pos      syntax.Pos
	Messages []wire.Message
	Blocks   []*Document // of a trace without texts: what opens the first question

	from string // file, and which of its chats
	at   []syntax.Pos
	asks bool // it ends with a question that nothing answers
}

// texts are the texts of the blocks, which a cell's tokeniser decides.
func (g *Given) texts() string {
	var out []string
	for _, b := range g.Blocks {
		out = append(out, b.Text)
	}
	return strings.Join(out, " ")
}

// Tokens is how many tokens the blocks of a trace have.
func (g *Given) Tokens() int {
	n := 0
	for _, b := range g.blocks() {
		n += b.Tokens
	}
	return n
}

func (g *Given) blocks() []*Document {
	if g == nil {
		return nil
	}
	return g.Blocks
}

// From says which chat of which file it is.
func (g *Given) From() string { return g.from }

// says is where the given history has a message.
func (g *Given) says(m wire.Message) (syntax.Pos, bool) {
	if g == nil {
		return syntax.Pos{}, false
	}
	same := func(own wire.Message) bool { return own.Role == m.Role && own.Content == m.Content }
	i := slices.IndexFunc(g.Messages, same)
	if i < 0 {
		return syntax.Pos{}, false
	}
	return g.at[i], true
}
