package dsl

import (
	"slices"

	"homellm/dsl/syntax"
)

// Inject puts documents into the context.
type Inject struct {
	Docs    []*Document
	Into    string // turn | system | message
	Role    string // role of a separate message: user | system
	Prefill bool   // send the context at once, with max_tokens 1, and measure it
}

var injectKind = actionKind{
	Key: "inject",
	Doc: "Puts documents into the context: before the next question, into the system message or as a message of " +
		"their own.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		a := Inject{Prefill: d.flag(in.node, "prefill", false)}
		a.Into, a.Role = d.placement(in.node)
		injects := d.references(in.node, "docs")
		for _, r := range injects {
			a.Docs = append(a.Docs, d.documents[r.name])
		}
		return a, effect{injects: injects, unclear: len(injects) == 0}
	},
}

// placement reads where documents go, and the role of a separate message.
func (d *decoder) placement(n *syntax.Node) (into, role string) {
	into, role = d.strOr(n, "into", intoTurn), d.strOr(n, "role", roleUser)
	if slices.Contains([]string{intoTurn, intoSystem}, into) && d.get(n, "role") != nil {
		d.errorKey(n, "role", "links/role", "only `into: message` has a role", "role has no effect with into: %s", into)
	}
	return into, role
}

// Turns returns 1 if the context is sent at once, else 0.
func (a Inject) Turns() int {
	if a.Prefill {
		return 1
	}
	return 0
}

// Play edits the history, and sends it for a prefill. The reply to a prefill is not kept: it is one token and answers
// no question.
func (a Inject) Play(h *History, send Send) error {
	for _, doc := range a.Docs {
		h.inject(doc, a.Into, a.Role)
	}
	if !a.Prefill {
		return nil
	}
	_, err := send(Turn{N: 1, Messages: h.prefill(), Phase: h.phase, Docs: h.inContext(), MaxTokens: 1, Prefill: true})
	return err
}
