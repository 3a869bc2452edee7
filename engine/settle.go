package engine

import (
	"homellm/dsl"
	"homellm/engine/metrics"
)

// settled withdraws a verdict that the sample is too small for: a percentile whose 95 % bound lies on
// the other side of its limit has neither passed nor failed. A bound that the sample cannot give
// at all withdraws nothing; there the author has accepted few samples.
func settled(cell *metrics.Cell, a *dsl.Assertion, r dsl.Result) dsl.Result {
	if r.Verdict == dsl.Unknown {
		return r
	}
	values := map[string]float64{}
	for _, o := range r.Operands {
		switch v := o.V.(type) {
		case float64:
			values[o.Path] = v
		case int:
			values[o.Path] = float64(v)
		}
	}
	why := ""
	for _, l := range a.Limits() {
		v, known := values[l.Path]
		if !known {
			continue
		}
		holds := map[string]bool{"<": v < l.Value, "<=": v <= l.Value, ">": v > l.Value, ">=": v >= l.Value, "==": v == l.Value}[l.Op]
		if r.Verdict == dsl.Fail && holds {
			continue // it is not what failed
		}
		ok, reason := cell.Settles(l.Path, l.Op, l.Value)
		switch {
		case ok && r.Verdict == dsl.Fail:
			return r // one limit is surely broken, whatever the others are
		case !ok && why == "":
			why = reason
		}
	}
	if why != "" {
		r.Verdict, r.Why = dsl.Unknown, why
	}
	return r
}

// revision is what the models file pins for a model on an engine; empty where it does not say.
func revision(c *dsl.Cell, engine string) string {
	if c.Model == nil {
		return ""
	}
	on, ok := c.Model.Engines[engine]
	if !ok {
		return ""
	}
	for _, s := range c.Model.Sources {
		if s.Name == on.Source {
			return s.Revision
		}
	}
	return ""
}
