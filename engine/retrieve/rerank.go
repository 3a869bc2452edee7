package retrieve

import (
	"context"
	"fmt"
	"time"
)

// rerankRequest is the form of Jina and Cohere, which vLLM, llama-server and Infinity take.
type rerankRequest struct {
	Model     string   `json:"model,omitempty"`
	Query     string   `json:"query"`
	Documents []string `json:"documents"`
	TopN      int      `json:"top_n"`
}

type reranked struct {
	Index *int     `json:"index"`
	Score *float64 `json:"relevance_score"`
}

// Rerank asks which texts fit a query best, and returns the best k, the best first. All texts are to be scored, so that
// what is missing is noticed.
func Rerank(ctx context.Context, s Service, query string, texts []string, k int) ([]Hit, time.Duration, error) {
	var reply struct {
		Results []reranked `json:"results"`
	}
	took, err := s.call(ctx, rerankRequest{s.Model, query, texts, len(texts)}, &reply)
	if err != nil {
		return nil, 0, err
	}
	if _, err := placed(reply.Results, len(texts), func(r reranked) *int { return r.Index }); err != nil {
		return nil, 0, fmt.Errorf("%s: scores of %d texts: %w", s.URL, len(texts), err)
	}
	out := make([]Hit, len(texts))
	for i, r := range reply.Results {
		if r.Score == nil {
			return nil, 0, fmt.Errorf("%s: result %d has no score", s.URL, i+1)
		}
		out[i] = Hit{*r.Index, *r.Score}
		if i > 0 && out[i].Score > out[i-1].Score {
			return nil, 0, fmt.Errorf("%s: the results are not in the order of their scores: number %d has %g, and number %d "+
				"before it has %g", s.URL, i+1, out[i].Score, i, out[i-1].Score)
		}
	}
	return out[:min(k, len(out))], took, nil
}
