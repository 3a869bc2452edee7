package dsl

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/wire"
)

// Message is one message on the wire.
type Message = wire.Message

// Turn is one request of a step.
type Turn struct {
	N         int       // within the step, from 1
	Messages  []Message // a copy: the history may change later
	Phase     figure.Phase
	Docs      []string // ids of the documents in context, in the order of injection
	MaxTokens int      // 0: the step's own
	Prefill   bool     // it sends the context ahead and asks nothing
	Reply     string   // the recorded reply; empty if none

	// Of a conversation with tools.
	Tools []wire.Tool
	Calls []wire.ToolCall // of the recorded reply
	Round int             // which request of its user message it is, from 1
	Last  bool            // no further one may follow
	// says how the calls of a reply would be answered, and changes nothing; nil: there are no tools
	Answer func(Reply) Answered

	longest func() (*Tool, string)
}

// Recorded is the reply that the scenario has for the turn; empty if it has none.
func (t Turn) Recorded() Reply { return Reply{Text: t.Reply, Calls: t.Calls} }

// standIn returns the reply that a plan assumes, with a text of the right length. If the model may call tools, it calls
// the one with the longest result as often as it may, so that a plan knows the most that is needed.
func (t Turn) standIn(text string) Reply {
	if len(t.Tools) == 0 || t.Last {
		return Reply{Text: text}
	}
	tool, result := t.longest()
	return Reply{Calls: []wire.ToolCall{wire.Call("", tool.Name, compact(map[string]any{"text": text}))},
		results: []string{result}}
}

// compact is a plain value as JSON.
func compact(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "{}" // a number that JSON cannot express, which no file can contain
	}
	return string(raw)
}

// Send sends a turn and returns what the history keeps as the reply.
type Send func(Turn) (Reply, error)

// Action is one kind of step. Play edits the history and sends each turn. The plan and the engine both call it, so
// what is planned is what is played.
type Action interface {
	Turns() int
	Play(h *History, send Send) error
}

// The places for an injected document.
const (
	intoTurn    = "turn"    // at the beginning of the next user message
	intoSystem  = "system"  // at the end of the system message at the head
	intoMessage = "message" // a separate message at the end of the history
)

// How a document is removed.
const (
	excise    = "excise"    // its text is removed, and a message with no other text too
	tombstone = "tombstone" // a stub of the same length replaces it
)

// The roles of messages.
const (
	roleSystem    = "system"
	roleUser      = "user"
	roleAssistant = "assistant"
	roleTool      = "tool"
)

// partBreak separates the parts of one message.
const partBreak = "\n\n"

// History is the message list of one conversation. Messages are lists of parts, so that a document can be removed
// from between other text without searching for it.
type History struct {
	messages []message
	wired    []Message // the first messages in wire form; nil after a change other than appending
	pending  []part    // documents for the next user message
	docs     []string  // ids in context, in the order of injection
	phase    figure.Phase
	removals int // documents that were taken out
	tools    *toolbox
	step     string // the step being played

	Pause func(time.Duration) error // lets time pass; nil: no time passes, as in a plan
	// finds the chunks that a step retrieves, the best first; nil: nothing is found
	Retrieve func(step string, s Lookup) ([]*Document, error)
}

// Play plays the step.
func (s *Step) Play(h *History, send Send) error {
	h.step = s.ID
	return s.Do.Play(h, send)
}

type message struct {
	role  string
	parts []part
	step  string          // of a question: the step that asks it; empty: it is from a given history
	calls []wire.ToolCall // of an assistant
	of    wire.ToolCall   // of a tool: the call that it answers

	images []wire.Image // of a question: what it shows

	question bool   // a user's message other than a separate document
	thoughts string // of an assistant, before it said that
}

// part is a piece of a message: a document, the stub of one, or plain text (no id).
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
		h.messages = append(h.messages, message{role: roleSystem, parts: []part{{text: system}}})
	}
	return h
}

// Begin starts the history of a conversation.
func (c *Conversation) Begin() *History {
	h := NewHistory(c.System)
	if len(c.Tools) > 0 {
		h.tools = &toolbox{tools: c.Tools, told: told(c.Tools), calls: map[string]int{}}
	}
	if c.Given != nil {
		h.given(c.Given)
	}
	return h
}

// given appends a given history after the system message.
func (h *History) given(g *Given) {
	for _, m := range g.Messages {
		own := message{role: m.Role, parts: []part{{text: m.Content}}, question: m.Role == roleUser, images: m.Images,
			calls:    m.ToolCalls,
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

// Messages returns the messages in wire form. Callers must not change them, since later turns share them. Documents
// that wait for the next user message are not included.
func (h *History) Messages() []Message {
	for _, m := range h.messages[len(h.wired):] {
		h.wired = append(h.wired, Message{Role: m.role, Content: m.content(), ToolCalls: m.calls, ToolCallID: m.of.ID,
			Name: m.of.Function.Name, ReasoningContent: m.thoughts, Images: m.images})
	}
	return slices.Clip(h.wired)
}

// inContext returns the ids of the documents in context, in the order of injection, in a new slice. A document that
// waits for the next user message counts.
func (h *History) inContext() []string { return slices.Clone(h.docs) }

// has reports whether a document is in context, or a chunk of a corpus.
func (h *History) has(name string) bool {
	return slices.ContainsFunc(h.docs, func(id string) bool { return names(name, id) })
}

// inject puts a document into the context. Role is the role of a separate message, user or system, and has no effect
// elsewhere.
func (h *History) inject(doc *Document, into, role string) {
	p := part{doc.ID, wrap(doc)}
	switch into {
	case intoSystem:
		if len(h.messages) == 0 || h.messages[0].role != roleSystem {
			h.messages = slices.Insert(h.messages, 0, message{role: roleSystem})
		}
		h.messages[0].parts = append(h.messages[0].parts, p)
		h.wired = nil
	case intoMessage:
		h.messages = append(h.messages, message{role: cmp.Or(role, roleUser), parts: []part{p}})
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
	if !slices.Contains(h.docs, id) {
		return
	}
	var kept []message
	for _, m := range h.messages {
		if m.parts = without(m.parts, id, mode); len(m.parts) > 0 {
			kept = append(kept, m)
		}
	}
	h.messages, h.wired = kept, nil
	h.pending = without(h.pending, id, mode)
	h.docs = slices.DeleteFunc(h.docs, func(d string) bool { return d == id })
	h.phase = figure.AfterRemoval
	h.removals++
}

// without returns the parts without those of a document, or with stubs in their place.
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

// stubLabel begins a stub, cut to its length; stubFiller fills the rest.
const (
	stubLabel  = "[REMOVED]"
	stubFiller = " The passage that stood here has been taken out of the conversation."
)

// stub returns text without content with as many runes as the text it replaces. Runes, not tokens, because a scenario
// is the same text for every model. It is prose, because prose has about as many runes per token as the document; a
// row of dots has far fewer, and would make the prompt longer.
func stub(text string) string {
	n := len([]rune(text))
	filler := strings.Repeat(stubFiller, n/len(stubFiller)+1)
	return string([]rune(stubLabel + filler)[:n])
}

// user appends a user message, with the documents that waited for it at its beginning.
func (h *History) user(q question) {
	m := message{role: roleUser, parts: h.pending, step: h.step, images: q.images, question: true}
	if q.text != "" || len(m.parts) == 0 {
		m.parts = append(slices.Clip(m.parts), part{text: q.text})
	}
	h.messages = append(h.messages, m)
	h.pending = nil
}

// assistant appends a reply.
func (h *History) assistant(r Reply) {
	h.messages = append(h.messages, message{role: roleAssistant, parts: []part{{text: r.Text}}, thoughts: r.Thoughts,
		calls: r.Calls})
}

// prefillText is the question of a prefill without one, because chat templates require a user message at the end.
const prefillText = "."

// prefill returns the messages that bring the context into the server's cache before the next question. The next real
// turn starts with the same text, up to the end of the last document: waiting documents are sent in a user message to
// which the question is appended later; if there are none, the documents are in earlier messages, and a user message
// with a full stop replaces the question. Only what the template writes after a message differs, which is a few
// tokens.
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
