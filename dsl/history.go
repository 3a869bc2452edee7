package dsl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/wire"
)

// Message is one message as it goes on the wire.
type Message = wire.Message

// Turn is one request that a step wants sent.
type Turn struct {
	N         int       // within the step, from 1
	Messages  []Message // a copy: the history may change later
	Phase     figure.Phase
	Docs      []string // documents in context, in injection order
	MaxTokens int      // 0: the step's own
	Prefill   bool     // it sends the context ahead and asks nothing
	Reply     string   // the recorded reply; empty if none
}

// Send sends a turn and returns the text that the history keeps as the reply.
type Send func(Turn) (reply string, err error)

// Action is one kind of step. Play edits the history and sends each turn; both the plan and the
// engine call it, so that what is planned is what is played.
type Action interface {
	Turns() int
	Play(h *History, send Send) error
}

// Where an injected document goes.
const (
	intoTurn    = "turn"    // opens the next user message
	intoSystem  = "system"  // ends the one system message at the head
	intoMessage = "message" // a separate message at the end of the history
)

// How a document is removed.
const (
	excise    = "excise"    // its text is gone, and a message that held nothing else with it
	tombstone = "tombstone" // a stub of the same length replaces it
)

// The roles of messages.
const (
	roleSystem    = "system"
	roleUser      = "user"
	roleAssistant = "assistant"
)

// partBreak stands between the parts of one message.
const partBreak = "\n\n"

// History is the message list of one conversation. Messages are lists of parts, so that a
// document can be taken out again from between other text without searching for it.
type History struct {
	messages []message
	pending  []part   // documents that open the next user message
	docs     []string // ids in context, in injection order
	phase    figure.Phase
	removals int // documents that were taken out
}

type message struct {
	role  string
	parts []part
}

// part is a stretch of a message: a document, the stub of one, or plain text (no id).
type part struct {
	doc  string
	text string
}

func (m message) content() string {
	texts := make([]string, len(m.parts))
	for i, p := range m.parts {
		texts[i] = p.text
	}
	return strings.Join(texts, partBreak)
}

// NewHistory starts a history with a system message, or with none if it is empty.
func NewHistory(system string) *History {
	h := &History{phase: figure.Before}
	if system != "" {
		h.messages = append(h.messages, message{roleSystem, []part{{text: system}}})
	}
	return h
}

// Messages returns the messages as they would go on the wire, in a new slice. Documents that
// wait for the next user message are not in it.
func (h *History) Messages() []Message {
	out := make([]Message, len(h.messages))
	for i, m := range h.messages {
		out[i] = Message{Role: m.role, Content: m.content()}
	}
	return out
}

// inContext returns the ids of the documents in context, in injection order, in a new slice. A
// document that waits for the next user message counts.
func (h *History) inContext() []string { return slices.Clone(h.docs) }

// has reports whether a document is in context.
func (h *History) has(id string) bool { return slices.Contains(h.docs, id) }

// inject puts a document into the context. Role is that of an own message, user or system, and
// is not looked at elsewhere.
func (h *History) inject(doc *Document, into, role string) {
	p := part{doc.ID, wrap(doc)}
	switch into {
	case intoSystem:
		if len(h.messages) == 0 || h.messages[0].role != roleSystem {
			h.messages = slices.Insert(h.messages, 0, message{role: roleSystem})
		}
		h.messages[0].parts = append(h.messages[0].parts, p)
	case intoMessage:
		h.messages = append(h.messages, message{cmp.Or(role, roleUser), []part{p}})
	default:
		h.pending = append(h.pending, p)
	}
	h.docs = append(h.docs, doc.ID)
	h.phase = figure.WithRAG
}

// wrap labels a document, so that a model can tell it from the question.
func wrap(doc *Document) string {
	return fmt.Sprintf("[RETRIEVED INFORMATION: %s]\n%s\n[END RETRIEVED INFORMATION]", cmp.Or(doc.Title, doc.ID), doc.Text)
}

// remove takes a document out of the context, wherever its text is: in a separate message, in the system message, or
// before a question, which stays.
func (h *History) remove(id, mode string) {
	if !h.has(id) {
		return
	}
	var kept []message
	for _, m := range h.messages {
		if m.parts = without(m.parts, id, mode); len(m.parts) > 0 {
			kept = append(kept, m)
		}
	}
	h.messages = kept
	h.pending = without(h.pending, id, mode)
	h.docs = slices.DeleteFunc(h.docs, func(d string) bool { return d == id })
	h.phase = figure.AfterRemoval
	h.removals++
}

// without returns the parts less those of a document, or with stubs in their place.
func without(parts []part, id, mode string) []part {
	var kept []part
	for _, p := range parts {
		switch {
		case p.doc != id:
			kept = append(kept, p)
		case mode == tombstone:
			kept = append(kept, part{text: stub(p.text)})
		}
	}
	return kept
}

// stubLabel opens a stub, as far as there is room for it; stubFiller follows until it is full.
const (
	stubLabel  = "[REMOVED]"
	stubFiller = " The passage that stood here has been taken out of the conversation."
)

// stub returns text without content that has as many runes as the text it replaces. Runes, not tokens: a scenario is
// the same text for every model, and each model cuts it into its own tokens. It is prose, because prose has about as
// many runes to a token as what it replaces; a row of dots has far fewer, and would leave a longer prompt than the
// document did.
func stub(text string) string {
	n := len([]rune(text))
	filler := strings.Repeat(stubFiller, n/len(stubFiller)+1)
	return string([]rune(stubLabel + filler)[:n])
}

// user appends a user message. Documents that waited for it open it.
func (h *History) user(text string) {
	m := message{roleUser, h.pending}
	if text != "" || len(m.parts) == 0 {
		m.parts = append(slices.Clip(m.parts), part{text: text})
	}
	h.messages = append(h.messages, m)
	h.pending = nil
}

// assistant appends a reply.
func (h *History) assistant(text string) {
	h.messages = append(h.messages, message{roleAssistant, []part{{text: text}}})
}

// prefillText is the question of a prefill that has none: chat templates want a user message at
// the end.
const prefillText = "."

// prefill returns the messages that bring the context into the server's cache before the next
// question is asked. The next real turn starts with the same text up to the end of the last
// document: documents that wait are sent as a separate user message, which the question will
// follow inside the same message; elsewhere the documents stand already, and a user message
// with a full stop takes the place of the question. Only what a template puts behind a message
// differs, which is a few tokens.
func (h *History) prefill() []Message {
	out := h.Messages()
	switch {
	case len(h.pending) > 0:
		return append(out, Message{Role: roleUser, Content: message{parts: h.pending}.content()})
	case len(out) == 0 || out[len(out)-1].Role != roleUser:
		return append(out, Message{Role: roleUser, Content: prefillText})
	}
	return out
}

// play sends one turn: the user's text is appended, then the reply that the caller wants kept.
// A turn that failed keeps its question, so that a caller who goes on anyway sends a history
// that says what was asked.
func (h *History) play(n int, text, recorded string, send Send) error {
	h.user(text)
	reply, err := send(Turn{N: n, Messages: h.Messages(), Phase: h.phase, Docs: h.inContext(), Reply: recorded})
	if err != nil {
		return err
	}
	h.assistant(reply)
	return nil
}
