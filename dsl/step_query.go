package dsl

import (
	"fmt"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// Query asks a question about documents in context. It is sent like any question, because the documents are in the
// context already. Docs names the documents, so that a question about a document that is not in context is found when
// the file is read.
type Query struct {
	Text   string
	Docs   []string
	Images []wire.Image // that it shows
	Reply  string       // recorded
	Rounds *Rounds      // of a conversation with tools
}

var queryKind = actionKind{
	Key: "query",
	Doc: "Asks a question about documents that are in context.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		q := Query{Text: in.node.Text(), Reply: in.firstReply(), Rounds: in.rounds}
		e := effect{needsDocument: true}
		if in.node != nil && in.node.Kind == syntax.MapKind {
			q.Text = d.str(in.node, "text")
			e.reads = d.references(in.node, "docs")
			q.Docs, q.Images = refNames(e.reads), d.images(in.node)
		}
		return q, e
	},
}

// Turns returns how many requests the question makes, at least.
func (q Query) Turns() int { return q.Rounds.turns(1) }

// Play sends the question.
func (q Query) Play(h *History, send Send) error {
	for _, id := range q.Docs {
		if !h.has(id) {
			return fmt.Errorf("querying document %s: it is not in context", id)
		}
	}
	return h.ask(&talk{Rounds: q.Rounds, send: send}, question{q.Text, q.Images}, q.Reply)
}

// references reads a list of document ids. Undeclared ones are reported and left out.
func (d *decoder) references(n *syntax.Node, key string) []reference {
	var out []reference
	for _, item := range d.list(n, key) {
		if doc := d.document(item); doc != nil {
			out = append(out, reference{doc.ID, item})
		}
	}
	return out
}

func refNames(refs []reference) []string {
	var out []string
	for _, r := range refs {
		out = append(out, r.name)
	}
	return out
}
