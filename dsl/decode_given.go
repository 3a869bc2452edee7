package dsl

import (
	"fmt"
	"path"
	"slices"
	"strconv"

	"homellm/dsl/syntax"
	"homellm/dsl/transcript"
	"homellm/engine/text"
)

// given reads the history that a conversation begins with; nil if it has none or the history cannot be read.
func (d *decoder) given(n *syntax.Node, c *Conversation) *Given {
	if n == nil {
		return nil
	}
	file, line, id := d.get(n, "file"), d.get(n, "line"), d.get(n, "id")
	if file == nil || file.Text() == "" {
		return nil
	}
	data := d.readDocument("chat", file)
	if data == "" {
		return nil // the reason was reported
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

// take adds the messages and blocks of a chat.
func (d *decoder) take(g *Given, chat *transcript.Chat) {
	for _, m := range chat.Messages {
		for i := range m.Images {
			shown, err := ImageOf(fmt.Sprintf("%s#%d", g.from, i+1), m.Images[i].Data)
			if err != nil {
				d.diags = append(d.diags, syntax.Diagnostic{Pos: m.Pos, Severity: syntax.Error, Code: "links/image",
					Message: fmt.Sprintf("an image of this message %v", err)})
			}
			m.Images[i] = shown
		}
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

// chooseChat returns the index of the chat that `line:` or `id:` chooses from a file.
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

// checkGiven reports parts of a given history that do not fit its conversation.
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
			"the file declares %s that the conversation does not have, so the model does not know of them", someOf("tool",
				missing))
	}
}
