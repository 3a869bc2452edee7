package dsl

import (
	"slices"

	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// Retrieve searches a corpus for the chunks that are nearest to a query, and puts them into the context.
type Retrieve struct {
	Lookup
	Into string // turn | system | message
	Role string // role of a separate message: user | system

	named []named // chunks in Expect
}

const defaultTopK = 5

var retrieveKind = actionKind{
	Key: "retrieve",
	Doc: "Searches a corpus for what is nearest to a query, and puts the best chunks into the context.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		a := Retrieve{Lookup: Lookup{
			Query: d.str(in.node, "query"), TopK: d.integer(in.node, "top_k", defaultTopK),
			Rerank: d.flag(in.node, "rerank", false), corpus: d.corpus(d.get(in.node, "from")),
		}}
		a.Into, a.Role = d.placement(in.node)
		expect := d.list(in.node, "expect")
		if a.corpus == nil {
			return a, effect{unclear: true}
		}
		a.From = a.corpus.ID
		for _, n := range expect {
			if n.Kind != syntax.StringKind {
				continue
			}
			if name, ok := d.expected(a.corpus, n); ok && !slices.Contains(a.Expect, name) {
				a.Expect = append(a.Expect, name)
				if corpusOf(name) == a.From {
					a.named = append(a.named, named{name, d.place(n)})
				}
			}
		}
		return a, effect{retrieves: &reference{a.From, d.get(in.node, "from")}}
	},
}

// chunkNames implements [chunkNamer].
func (a Retrieve) chunkNames() []named { return a.named }

// Turns returns 0: what is retrieved is sent with the next question.
func (a Retrieve) Turns() int { return 0 }

// Play puts the chunks that are found into the context, the best first. A chunk that is there already is not put there
// again.
func (a Retrieve) Play(h *History, _ Send) error {
	if h.Retrieve == nil || a.corpus == nil {
		return nil
	}
	found, err := h.Retrieve(h.step, a.Lookup)
	if err != nil {
		return err
	}
	for _, doc := range found {
		if !slices.Contains(h.docs, doc.ID) {
			h.inject(doc, a.Into, a.Role)
		}
	}
	h.phase = figure.WithRAG
	return nil
}
