package dsl

import (
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// Given is a history that is in context before the first step of a conversation. No request is made for it alone.
type Given struct {
	Pos      syntax.Pos
	Messages []wire.Message
	Blocks   []*Document // from a trace without texts: synthetic texts that open the first question

	from string // the file, and which chat in it
	at   []syntax.Pos
	asks bool // it ends with a question that has no answer
}

// texts joins the texts of the blocks, which are written with the tokeniser of a cell.
func (g *Given) texts() string {
	var out []string
	for _, b := range g.Blocks {
		out = append(out, b.Text)
	}
	return strings.Join(out, " ")
}

// Tokens returns the number of tokens in the blocks of a trace.
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

// From says which chat of which file the history is.
func (g *Given) From() string { return g.from }

// says returns the position of a message in the given history; false if it is not there.
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
