package judge

import (
	"homellm/dsl/expr"
	"homellm/engine/metrics"
)

// Vocabulary is the names that expressions may use: the table of metrics in terms of the language.
func Vocabulary() expr.Vocabulary {
	kinds := map[metrics.Kind]expr.Kind{metrics.Float: expr.Float, metrics.Int: expr.Int, metrics.String: expr.String,
		metrics.Bool: expr.Bool}
	convert := func(names []metrics.Name) []expr.Name {
		out := make([]expr.Name, len(names))
		for i, n := range names {
			out[i] = expr.Name{Path: n.Path, Kind: kinds[n.Kind], Unit: n.Unit, Doc: n.Doc, Rate: n.Rate,
				Signed: n.Signed, Aggregate: n.Aggregate, Better: n.Better, Reported: n.Reported}
		}
		return out
	}
	v := metrics.Vocabulary()
	return expr.Vocabulary{Turn: convert(v.Turn), Conversation: convert(v.Conversation), Run: convert(v.Run),
		Cell: convert(v.Cell)}
}
