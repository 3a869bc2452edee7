package engine

import (
	"homellm/dsl"
	"homellm/engine/metrics"
)

// settled withdraws a verdict that the sample is too small for: a percentile whose 95 % bound lies on
// the other side of its limit has neither passed nor failed. A bound that the sample cannot give
// at all withdraws nothing; there the author has accepted few samples.
//
// looks are the judgements that decide whether more is played, this one included; none where there is only one. More
// is about how many more repeats would settle what is open.
func settled(cell *metrics.Cell, a *dsl.Assertion, r dsl.Result, looks metrics.Looks) (out dsl.Result, more int) {
	if r.Verdict == dsl.Unknown {
		return r, 0
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
		s := cell.Settles(l.Path, l.Op, l.Value, looks)
		if s.OK && s.More == 0 && r.Verdict == dsl.Fail {
			return r, 0 // one limit is surely broken, whatever the others are
		}
		if !s.OK {
			s.More = max(s.More, 1)
			if why == "" {
				why = s.Why
			}
		}
		more = max(more, s.More)
	}
	if why != "" {
		r.Verdict, r.Why = dsl.Unknown, why
	}
	return r, more
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
