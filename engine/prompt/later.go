package prompt

import (
	"context"

	"homellm/engine/event"
)

const (
	joined  = 1 // tokens by which a text differs that is counted without what it follows
	between = 3 // tokens around the end of reasoning, which are in no text
)

// Later counts the tokens of the text that came after the first arrival of a reply: with the server's tokeniser, or
// else with the model's own. It is nil where there is neither, and of a call of a tool, whose text is only a part
// of it.
func (m *Maker) Later(ctx context.Context, e *event.Exchange) *event.Counted {
	var from [2]int // bytes that came with the first arrival, of the answer and the reasoning
	for _, c := range e.Chunks {
		switch {
		case c.Channel == event.Tool:
			return nil
		case c.At > e.Chunks[0].At:
		case c.Channel == event.Reasoning:
			from[1] += c.Bytes
		default:
			from[0] += c.Bytes
		}
	}
	if from[0] > len(e.Text) || from[1] > len(e.Reasoning) {
		return nil
	}
	out := event.Counted{Spread: joined}
	for _, text := range []string{e.Text[from[0]:], e.Reasoning[from[1]:]} {
		if text == "" {
			continue
		}
		if out.Tokens > 0 {
			out.Spread += between
		}
		n, exact := m.countText(ctx, text)
		if !exact {
			return nil
		}
		out.Tokens += n
	}
	return &out
}

// countText counts a text; false if that would be an estimate.
func (m *Maker) countText(ctx context.Context, text string) (n int, exact bool) {
	if m.server.TokenizeText != nil {
		ids, err := m.server.TokenizeText(ctx, text)
		return len(ids), err == nil
	}
	count, err := m.templates.Count(m.cell.Model, text, m.counters)
	return count.Tokens, err == nil && count.Exact
}
