package prompt

import (
	"slices"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/wire"
)

// thoughtsField returns the field in which the thoughts of earlier answers go back to the server; empty if the model's
// template does not read them.
func (m *Maker) thoughtsField(api wire.API) string {
	template := m.templates.Of(m.cell.Model)
	reads := template != nil && template.ReadsThoughts()
	if api == wire.Completions {
		return map[bool]string{true: wire.FieldReasoningContent}[reads] // homellm renders it
	}
	if m.server.Thoughts != nil {
		reads = *m.server.Thoughts
	}
	if !reads {
		return ""
	}
	return engines.Of(m.server.Engine).ThoughtsField(api)
}

// withThoughts are messages with the thoughts of answers in a field, or without them.
func withThoughts(messages []dsl.Message, field string) []dsl.Message {
	thinks := func(m dsl.Message) bool { return m.Thoughts() != "" }
	if !slices.ContainsFunc(messages, thinks) {
		return messages
	}
	out := slices.Clone(messages)
	for i, m := range out {
		out[i] = m.Think(field, m.Thoughts())
	}
	return out
}
