package metrics

import (
	"homellm/engine/event"
)

// retrieval lists the metrics of searches in corpora. A turn has those of the searches since the turn before it.
var retrieval = []Def{
	{Name: "retrieve.embed_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turnsAndRun, Fold: Mean, Source: "client",
		Shown: Shown{Box: "Query embedding"},
		Doc:   "time to embed the queries of the searches before the turn",
		Formula: "from a connection being there to the last byte of the reply; of several searches the sum; it is no part " +
			"of ttft_ms",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if len(q.Retrieved) == 0 {
				return nil, nothingRetrieved
			}
			var sum float64
			for _, r := range q.Retrieved {
				sum += event.Milliseconds(r.Embed)
			}
			return sum, ""
		}},
	{Name: "retrieve.rerank_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turnsAndRun, Fold: Mean, Source: "client",
		Shown:   Shown{Box: "Reranking"},
		Doc:     "time to rerank what the searches before the turn found",
		Formula: "as retrieve.embed_ms, of the reranker's request",
		each: func(_ *Cell, q *event.Request) (any, string) {
			var sum float64
			reranked := false
			for _, r := range q.Retrieved {
				if r.Rerank != nil {
					sum, reranked = sum+event.Milliseconds(*r.Rerank), true
				}
			}
			if !reranked {
				return nil, nothingReranked
			}
			return sum, ""
		}},
	{Name: "retrieve.recall", Unit: "ratio", Kind: Float, Rate: true, Better: +1, Levels: turnsAndRun, Fold: Mean,
		Source: "client",
		Shown:  Shown{Box: "Recall", Beside: &Beside{Rank: 9, Head: "recall", Stat: "mean", Whole: true}},
		Doc:    "share of what the searches before the turn are expected to find that they found",
		Formula: "expected files of which a chunk was found and expected chunks that were found / all that are expected; " +
			"top_k of the search is the depth",
		each: func(_ *Cell, q *event.Request) (any, string) {
			found, all := 0, 0
			for _, r := range q.Retrieved {
				for _, e := range r.Expect {
					all++
					if e.Found {
						found++
					}
				}
			}
			if all == 0 {
				return nil, nothingExpected
			}
			return float64(found) / float64(all), ""
		}},
	{Name: IndexTime, Unit: "ms", Kind: Float, Better: -1, Levels: []Level{CellLevel}, Fold: Sum, Source: "client",
		Doc:     "time to embed all chunks of all corpora, before the first pass",
		Formula: "sum of the requests, as retrieve.embed_ms",
		absent:  "the scenario has no corpus"},
}

// IndexTime is the name of the time to embed the corpora.
const IndexTime = "retrieve.index_ms"
