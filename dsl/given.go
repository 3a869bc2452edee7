package dsl

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl/syntax"
	"homellm/dsl/transcript"
	"homellm/engine/text"
	"homellm/engine/wire"
)

// Given is a history that is in context before the first step of a conversation, sent by no request of its own.
type Given struct {
	Pos      syntax.Pos
	Messages []Message
	Blocks   []*Document // of a trace without texts: what opens the first question

	from string // file, and which of its chats
	at   []syntax.Pos
	asks bool // it ends with a question that nothing answers
}

// given reads the history that a conversation begins with; nil: it begins with none, or it cannot be read.
func (d *decoder) given(n *syntax.Node, c *Conversation) *Given {
	if n == nil {
		return nil
	}
	file, line, id := d.get(n, "file"), d.get(n, "line"), d.get(n, "id")
	if file == nil || file.Text() == "" {
		return nil
	}
	data := d.readDocument(file)
	if data == "" {
		return nil // why has been said
	}
	name := path.Join(path.Dir(d.src.Name), file.Text())
	chats, found := transcript.Read(name, []byte(data), "")
	d.diags = append(d.diags, found...)
	if found.Errors() {
		return nil
	}
	i, ok := d.chooseChat(n, chats, line, id)
	if !ok {
		return nil
	}
	chat, found := chats.Chat(i)
	d.diags = append(d.diags, found...)
	if found.Errors() {
		return nil
	}
	g := &Given{Pos: d.src.Pos(n), from: file.Text()}
	switch {
	case id != nil:
		g.from += " (" + text.OneLine(id.Text()) + ")"
	case chats.Len() > 1:
		g.from += ":" + strconv.Itoa(chats.Line(i))
	}
	d.take(g, chat)
	d.checkGiven(n, c, g, chat)
	return g
}

// take makes messages and blocks of a chat.
func (d *decoder) take(g *Given, chat *transcript.Chat) {
	for _, m := range chat.Messages {
		g.Messages = append(g.Messages, m.Message)
		g.at = append(g.at, m.Pos)
	}
	if p := chat.Block; p != nil {
		left := p.Tokens
		for _, block := range p.Blocks {
			g.Blocks = append(g.Blocks, &Document{Pos: chat.Pos, Source: "synthetic", Seed: block, Tokens: min(left, p.Size)})
			left -= p.Size
		}
	}
	if n := len(g.Messages); n > 0 {
		g.asks = g.Messages[n-1].Role == roleUser
	}
}

// chooseChat is which chat of a file is meant.
func (d *decoder) chooseChat(n *syntax.Node, chats *transcript.File, line, id *syntax.Node) (int, bool) {
	what, last := "entry", chats.Line(chats.Len()-1)
	if chats.Lines() {
		what = "line"
	}
	switch {
	case id != nil && line != nil:
		d.errorf(id, "links/given", "remove one of them", "line and id both say which chat it is")
		return 0, false
	case id != nil:
		if i := chats.WithID(id.Text()); i >= 0 {
			return i, true
		}
		d.errorf(id, "links/given", syntax.SuggestOr(id.Text(), chats.IDs(), "chats"), "no chat of this file has the id %q",
			id.Text())
		return 0, false
	case line != nil:
		k, _ := asInt(line)
		if i := chats.AtLine(k); i >= 0 {
			return i, true
		}
		d.errorf(line, "links/given", fmt.Sprintf("the last one is %d", last), "there is no chat in %s %d", what, k)
		return 0, false
	case chats.Len() > 1:
		help := fmt.Sprintf("say which, such as line: %d", chats.Line(0))
		if ids := chats.IDs(); len(ids) > 0 {
			help += " or id: " + strconv.Quote(ids[0])
		}
		d.errorf(d.get(n, "file"), "links/given", help, "the file holds %s, each in its %s", text.Plural(chats.Len(), "chat"),
			what)
		return 0, false
	}
	return 0, true
}

// checkGiven reports what of a given history does not go with its conversation.
func (d *decoder) checkGiven(n *syntax.Node, c *Conversation, g *Given, chat *transcript.Chat) {
	if len(g.Messages) > 0 && g.Messages[0].Role == roleSystem && c.System != "" {
		d.errorf(n, "links/given", "remove `system:`, or the message in the file",
			"the given history begins with a system message, and the conversation has one too")
	}
	if g.asks {
		d.warnf(n, "links/given", "end it with the reply, or leave the question to a step",
			"the given history ends with a user message that nothing answers: the first question is a second one")
	}
	var missing []string
	for _, t := range chat.Tools {
		if !slices.ContainsFunc(c.Tools, func(own *Tool) bool { return own.Name == t.Name }) {
			missing = append(missing, t.Name)
		}
	}
	if len(missing) > 0 {
		d.warnf(n, "links/given", "declare them in `tools:` with what answers them",
			"the file declares %s that the conversation has not, and the model is not told of them", someOf("tool", missing))
	}
}

// given puts a given history behind the system message.
func (h *History) given(g *Given) {
	for _, m := range g.Messages {
		own := message{role: m.Role, parts: []part{{text: m.Content}}, question: m.Role == roleUser, calls: m.ToolCalls,
			thoughts: m.Thoughts()}
		if m.Role == roleTool {
			own.of = wire.Call(m.ToolCallID, m.Name, "")
		}
		h.messages = append(h.messages, own)
		if h.tools != nil {
			for _, c := range m.ToolCalls {
				h.tools.calls[c.Function.Name]++
			}
		}
	}
	if texts := g.texts(); texts != "" {
		h.pending = append(h.pending, part{text: texts})
	}
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
func (g *Given) says(m Message) (syntax.Pos, bool) {
	if g == nil {
		return syntax.Pos{}, false
	}
	i := slices.IndexFunc(g.Messages, func(own Message) bool { return own.Role == m.Role && own.Content == m.Content })
	if i < 0 {
		return syntax.Pos{}, false
	}
	return g.at[i], true
}
