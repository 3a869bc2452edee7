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
	Images []wire.Image // shown with the question
	Reply  string       // recorded
	Rounds *Rounds      // nil: the conversation has no tools

	named []named // chunks that Docs names by their corpus
}

var queryKind = actionKind{
	Key: "query", Asks: true,
	Doc: "Asks a question about documents that are in context.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		q := Query{Text: in.node.Text(), Reply: in.firstReply(), Rounds: in.rounds}
		e := effect{needsDocument: true}
		if in.node != nil && in.node.Kind == syntax.MapKind {
			q.Text = d.str(in.node, "text")
			e.reads, q.named = d.contextNames(in.node, "docs")
			q.Docs, q.Images = refNames(e.reads), d.images(in.node)
		}
		return q, e
	},
}

// chunkNames implements [chunkNamer].
func (q Query) chunkNames() []named { return q.named }

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

// contextNames reads a list of names of what may be in context: documents, corpora, and chunks of a corpus, which
// a plan
// looks for once it has cut the corpus. The reference of a chunk is to its corpus.
func (d *decoder) contextNames(n *syntax.Node, key string) (all []reference, chunks []named) {
	for _, item := range d.list(n, key) {
		name := item.Text()
		switch corpus := d.corpora[corpusOf(name)]; {
		case d.corpora[name] != nil:
			d.used[name] = true
			all = append(all, reference{name, item})
		case corpus != nil && d.documents[name] == nil:
			d.used[corpus.ID] = true
			all, chunks = append(all, reference{corpus.ID, item}), append(chunks, named{name, d.place(item)})
		default:
			if doc := d.document(item); doc != nil {
				all = append(all, reference{doc.ID, item})
			}
		}
	}
	return all, chunks
}

func refNames(refs []reference) []string {
	var out []string
	for _, r := range refs {
		out = append(out, r.name)
	}
	return out
}
