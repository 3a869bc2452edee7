package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/retrieve"
	"homellm/engine/target"
)

// searcher searches the corpora of a cell.
type searcher struct {
	scenario *dsl.Scenario
	indexes  map[string]*retrieve.Index // of the corpora, by id; nil: they are not embedded
	took     time.Duration              // to embed them
}

// embed embeds the chunks of all corpora, unless that has been done. Waiting says what is waited for.
func (x *searcher) embed(ctx context.Context, by *retrieve.Service, waiting func(what string) (done func())) error {
	if x.indexes != nil || !x.scenario.Retrieves() {
		return nil
	}
	if by == nil {
		return errors.New("nobody embeds what the scenario retrieves")
	}
	indexes := map[string]*retrieve.Index{}
	for _, corpus := range x.scenario.Corpora {
		texts := corpus.Texts()
		done := waiting(fmt.Sprintf("%s to embed the chunks of corpus %s: %d", by.URL, corpus.ID, len(texts)))
		index, took, err := retrieve.NewIndex(ctx, *by, texts)
		done()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("embedding corpus %s: %w", corpus.ID, err)
		}
		indexes[corpus.ID] = index
		x.took += took
	}
	x.indexes = indexes
	return nil
}

// find searches for a step. A search that fails finds nothing, and its record says why.
func (x *searcher) find(ctx context.Context, t *target.Target, step string, l dsl.Lookup) (found []*dsl.Document,
	r event.Retrieval) {
	corpus := x.scenario.Corpus(l.From)
	r = event.Retrieval{Step: step, Corpus: l.From, Query: l.Query}
	hits, err := x.search(ctx, t, corpus, l, &r)
	if err != nil {
		r.Failed = err.Error()
		return nil, r
	}
	for _, h := range hits {
		chunk := corpus.Chunks[h.N]
		r.Chunks = append(r.Chunks, event.Found{ID: chunk.ID, File: chunk.File, Score: h.Score})
		found = append(found, chunk.Document)
	}
	for _, name := range l.Expect {
		there := slices.ContainsFunc(r.Chunks, func(f event.Found) bool { return name == f.ID || name == f.File })
		r.Expect = append(r.Expect, event.Expected{Name: name, Found: there})
	}
	return found, r
}

// search finds the chunks nearest to a query, and has a reranker choose among them if the step says so.
func (x *searcher) search(ctx context.Context, t *target.Target, corpus *dsl.Corpus, l dsl.Lookup, r *event.Retrieval) (
	hits []retrieve.Hit, err error) {
	hits, r.Embed, err = x.indexes[l.From].Search(ctx, *t.Embedder, l.Query, l.Candidates())
	if err != nil || !l.Rerank {
		return hits, err
	}
	texts := make([]string, len(hits))
	for i, h := range hits {
		texts[i] = corpus.Chunks[h.N].Text
	}
	chosen, took, err := retrieve.Rerank(ctx, *t.Reranker, l.Query, texts, l.TopK)
	if err != nil {
		return nil, err
	}
	r.Rerank = &took
	for i := range chosen {
		chosen[i].N = hits[chosen[i].N].N
	}
	return chosen, nil
}

// lost is the first search that failed; nil: none did.
func lost(searches []event.Retrieval) *event.Retrieval {
	if i := slices.IndexFunc(searches, func(r event.Retrieval) bool { return r.Failed != "" }); i >= 0 {
		return &searches[i]
	}
	return nil
}
