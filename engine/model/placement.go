package model

// SystemPlacement says what happens to system messages before the template sees them.
type SystemPlacement string

// The placements. They exist because templates differ: a retrieved document in a system message in the middle is
// printed there by ChatML, moved to the front by DeepSeek's template, and rejected by Mistral's and Gemma's.
const (
	PlaceNative    SystemPlacement = "native"     // as the template does; the default
	PlaceMerge     SystemPlacement = "merge"      // text that the template moves is put before the next user message
	PlaceFirstUser SystemPlacement = "first_user" // the leading text is put before the first user message
)

// Placements lists the values that a profile may name.
var Placements = []SystemPlacement{PlaceNative, PlaceMerge, PlaceFirstUser}

// joint separates texts that were separate messages.
const joint = "\n\n"

// Place rewrites a conversation for a placement, also for servers that render it themselves. It keeps the order of
// texts, so a conversation that grows at its end still grows only at its end.
func (t *Template) Place(messages []Message, p SystemPlacement) []Message {
	switch p {
	case PlaceMerge:
		return t.merge(messages)
	case PlaceFirstUser:
		return leadIntoUser(messages)
	default:
		return messages
	}
}

func leadIntoUser(messages []Message) []Message {
	if len(messages) < 2 || messages[0].Role != "system" || messages[1].Role != "user" {
		return messages
	}
	out := append([]Message(nil), messages[1:]...)
	if lead := messages[0].Content; lead != "" {
		out[0].Content = lead + joint + out[0].Content
	}
	return out
}

// merge moves every system text that the template does not keep in place to the start of the next user message.
func (t *Template) merge(messages []Message) []Message {
	m := merger{template: t}
	for i, message := range messages {
		kept := i == 0 && t.takesSystem || i > 0 && t.takesLaterSystem
		switch {
		case message.Role == "system" && !kept:
			m.hold(message.Content)
		case message.Role == "user":
			message.Content = m.release(message.Content)
			m.add(message)
		case message.Role == "system":
			m.add(message)
		default:
			m.flush()
			m.add(message)
		}
	}
	m.flush()
	return m.out
}

// merger collects the messages of a merged conversation.
type merger struct {
	template *Template
	out      []Message
	held     string // system text to be put before the next user message
	holding  bool   // there was one, which may be empty
}

// add joins messages of one role if the template does not accept two of them.
func (m *merger) add(message Message) {
	last := len(m.out) - 1
	if last >= 0 && m.out[last].Role == message.Role && message.Role != "system" && !m.template.takesTwoUsers {
		m.out[last].Content += joint + message.Content
		return
	}
	m.out = append(m.out, message)
}

func (m *merger) hold(text string) { m.held, m.holding = joined(m.held, text), true }

// release puts the held text before another.
func (m *merger) release(text string) string {
	if m.held != "" {
		text = m.held + joint + text
	}
	m.held, m.holding = "", false
	return text
}

// flush makes the held text a user message if an answer comes before the next user message.
func (m *merger) flush() {
	if m.holding {
		m.add(Message{Role: "user", Content: m.held})
		m.held, m.holding = "", false
	}
}

// joined joins two texts, with a joint between them if neither is empty.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + joint + b
}
