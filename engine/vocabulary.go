package engine

import (
	"strings"

	"homellm/dsl"
	"homellm/engine/metrics"
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

// PlanOptions are what a plan needs to know of models and servers: how prompts are rendered, how
// tokens are counted, and which metrics a server cannot give.
func PlanOptions(lib *dsl.Library) dsl.Options { return NewTemplates(lib).PlanOptions(nil) }

// unavailable says why a server will not be able to report a metric; empty if it may.
func unavailable(s *dsl.Server, path string) string {
	if strings.Contains(path, "cache.") && !strings.Contains(path, "cache.reusable") && s.Capabilities.CacheReport.Source == "none" {
		return "server " + s.Name + " reports no cached tokens (cache_report.source: none)"
	}
	return ""
}
