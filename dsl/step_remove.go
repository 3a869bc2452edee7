package dsl

import (
	"slices"

	"homellm/dsl/figure"
)

// Remove takes documents out of the context.
type Remove struct {
	Docs []string // documents, corpora of which all chunks go, and chunks
	Mode string   // excise | tombstone

	named []named // chunks in Docs
}

var removeKind = actionKind{
	Key: "remove",
	Doc: "Takes documents out of the context, or puts a stub of the same length in their place.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		all, chunks := d.contextNames(in.node, "docs")
		a, e := Remove{Mode: d.strOr(in.node, "mode", excise), named: chunks}, effect{}
		for _, r := range all {
			if name := r.node.Text(); name != r.name { // a chunk: others of its corpus stay
				a.Docs, e.reads = append(a.Docs, name), append(e.reads, r)
			} else {
				a.Docs, e.removes = append(a.Docs, name), append(e.removes, r)
			}
		}
		return a, e
	},
}

// chunkNames implements [chunkNamer].
func (a Remove) chunkNames() []named { return a.named }

// Turns returns 0.
func (a Remove) Turns() int { return 0 }

// Play edits the history. Whether a chunk has come depends on a server, and the phases of a scenario must not: they are
// the same if it has not.
func (a Remove) Play(h *History, _ Send) error {
	for _, name := range a.Docs {
		for _, id := range h.inContext() {
			if names(name, id) {
				h.remove(id, a.Mode)
			}
		}
		if slices.ContainsFunc(a.named, func(n named) bool { return n.chunk == name }) {
			h.phase = figure.AfterRemoval
		}
	}
	return nil
}
