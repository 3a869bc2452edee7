package engine

import (
	"strings"
	"sync"

	"homellm/dsl"
	"homellm/engine/metrics"
	"homellm/engine/model"
)

// Vocabulary is what expressions may name: the table of metrics in the terms of the language.
func Vocabulary() dsl.Vocabulary {
	kinds := map[metrics.Kind]dsl.Kind{metrics.Float: dsl.Float, metrics.Int: dsl.Int, metrics.String: dsl.String, metrics.Bool: dsl.Bool}
	convert := func(names []metrics.Name) []dsl.Name {
		out := make([]dsl.Name, len(names))
		for i, n := range names {
			out[i] = dsl.Name{Path: n.Path, Kind: kinds[n.Kind], Unit: n.Unit, Doc: n.Doc, Rate: n.Rate, Aggregate: n.Aggregate, Better: n.Better}
		}
		return out
	}
	v := metrics.Vocabulary()
	return dsl.Vocabulary{Turn: convert(v.Turn), Conversation: convert(v.Conversation), Run: convert(v.Run), Cell: convert(v.Cell)}
}

// PlanOptions are what a plan needs to know of models and servers: how tokens are counted, and
// which metrics a server cannot give.
func PlanOptions(*dsl.Library) dsl.Options {
	var mu sync.Mutex
	counters := map[string]*model.Counter{}
	return dsl.Options{
		Count: func(m *dsl.Model, text string) (n int, exact bool) {
			name := ""
			if m != nil {
				name = m.Name
			}
			mu.Lock()
			c := counters[name]
			if c == nil {
				c = model.Estimate(model.VocabularyOf(name))
				counters[name] = c
			}
			mu.Unlock()
			count, err := c.Count(text)
			if err != nil {
				return len(text) / 4, false // the embedded vocabulary cannot be read: an estimate all the same
			}
			return count.Tokens, count.Exact
		},
		Unavailable: unavailable,
	}
}

// unavailable says why a server will not be able to report a metric; empty if it may.
func unavailable(s *dsl.Server, path string) string {
	if strings.Contains(path, "cache.") && !strings.Contains(path, "cache.reusable") && s.Capabilities.CacheReport.Source == "none" {
		return "server " + s.Name + " reports no cached tokens (cache_report.source: none)"
	}
	return ""
}
