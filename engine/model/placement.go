package model

// SystemPlacement is what a user wants done with system messages before the template sees them.
type SystemPlacement string

// The placements. They exist since templates disagree: a retrieved document that arrives as a
// system message in the middle is printed in place by ChatML, moved to the front by DeepSeek's
// template, and refused by Mistral's and Gemma's.
const (
	PlaceNative    SystemPlacement = "native"     // as the template does; the default
	PlaceMerge     SystemPlacement = "merge"      // what the template does not keep in place opens the next user message
	PlaceFirstUser SystemPlacement = "first_user" // the leading system text opens the first user message; others stay
)

// Placements lists the values that a profile may name.
var Placements = []SystemPlacement{PlaceNative, PlaceMerge, PlaceFirstUser}

// joint stands between texts that were separate messages.
const joint = "\n\n"

// Place rewrites a conversation for a placement, for servers that render it themselves.
func (t *Template) Place(messages []Message, p SystemPlacement) []Message {
	return t.place(messages, p)
}

// place rewrites a conversation for a placement. Where it moves text it keeps the order, so a
// conversation that grows at its end still grows only at its end.
func (t *Template) place(messages []Message, p SystemPlacement) []Message {
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

func (t *Template) merge(messages []Message) []Message {
	out := make([]Message, 0, len(messages))
	add := func(m Message) {
		if last := len(out) - 1; last >= 0 && !t.takesTwoUsers && out[last].Role == m.Role && m.Role != "system" {
			out[last].Content += joint + m.Content
			return
		}
		out = append(out, m)
	}
	held, holding := "", false
	hold := func(text string) {
		if holding && held != "" && text != "" {
			text = held + joint + text
		} else if text == "" {
			text = held
		}
		held, holding = text, true
	}
	for i, m := range messages {
		switch {
		case m.Role == "system" && (i == 0 && t.takesSystem || i > 0 && t.takesLaterSystem):
			add(m)
		case m.Role == "system":
			hold(m.Content)
		case holding && m.Role == "user":
			if held != "" {
				m.Content = held + joint + m.Content
			}
			held, holding = "", false
			add(m)
		case holding: // an answer came first: the text stands as a question of its own
			add(Message{Role: "user", Content: held})
			held, holding = "", false
			add(m)
		default:
			add(m)
		}
	}
	if holding {
		add(Message{Role: "user", Content: held})
	}
	return out
}
