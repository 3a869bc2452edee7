package judge

import (
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
