package dsl

import (
	"cmp"
	"fmt"
	"slices"
)

// bringing says what the retrievals of a plan bring. Which chunks come is only known in a run, so a plan plays the ends
// of what is possible.
type bringing struct {
	largest bool // the largest chunks of the corpus, else the smallest
	anew    bool // each retrieval brings others, else all bring the same
}

// bringings are the ends. Chunks that are in context already are not put there again, so the same chunks make the
// shortest prompts and leave the most of a prompt as it was; chunks that are new each time do the opposite.
var bringings = []bringing{{false, false}, {false, true}, {true, false}, {true, true}}

// bring returns what the nth search of a plan brings.
func (p *planner) bring(b bringing, m *Model, n int, s Lookup) (out []*Document) {
	chunks := slices.Clone(s.corpus.Chunks)
	slices.SortStableFunc(chunks, func(x, y *Chunk) int {
		if b.largest {
			x, y = y, x
		}
		return cmp.Compare(x.Size, y.Size)
	})
	for i, k := range chunks[:min(s.TopK, len(chunks))] {
		doc := k.Document
		if b.anew {
			other := maxChunks + n*maxTopK + i // like no chunk of the corpus
			first := string(rune('A' + n%26))  // titles differ from the start
			doc = &Document{ID: chunkID(s.From, other), Title: first + doc.Title, Text: p.synthetic(m, int64(other), k.Size)}
		}
		out = append(out, doc)
	}
	return out
}

// maxTopK is the largest top_k.
const maxTopK = 100

// bothEnds joins the turns of two plays into intervals.
func bothEnds(all, more []PlannedTurn) []PlannedTurn {
	if all == nil {
		for i, t := range more {
			more[i].Least = Least{t.PromptTokens, t.Reusable, t.Ceiling}
		}
		return more
	}
	for i, t := range more {
		had := &all[i]
		had.Least = Least{min(had.Least.PromptTokens, t.PromptTokens), min(had.Least.Reusable, t.Reusable),
			min(had.Least.Ceiling, t.Ceiling)}
		had.PromptTokens, had.Reusable = max(had.PromptTokens, t.PromptTokens), max(had.Reusable, t.Reusable)
		had.Ceiling, had.seen = max(had.Ceiling, t.Ceiling), max(had.seen, t.seen)
	}
	return all
}

// unretrieved says why the retrievals of a cell cannot be made; empty if they can.
func (c *Cell) unretrieved() string {
	const form = "the scenario %s, and the profile of server %s does not say who %s: add %s to it"
	switch {
	case c.Server == nil:
	case c.Scenario.Retrieves() && c.Server.Embedder() == nil:
		return fmt.Sprintf(form, "retrieves", c.Server.Name, "embeds", "embeddings: {server: …}")
	case c.Scenario.Reranks() && c.Server.Reranker() == nil:
		return fmt.Sprintf(form, "reranks", c.Server.Name, "reranks", "rerank: {server: …}")
	}
	return ""
}
