package judge

import (
	"fmt"
	"strings"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// The metrics of a hit rate, its ceiling, and the tokens that both are shares of.
const (
	hitRate  = "cache.hit_rate"
	reusable = "cache.reusable_rate"
	prompt   = "prompt_tokens"
)

// eval evaluates an assertion. If it failed only because it asks for a hit rate above the ceiling of any prefix
// cache, and the server's cache reaches the ceiling, the outcome is unsupported: the failure says nothing about the
// server. A cache below the ceiling fails.
func (j *Judge) eval(cell *metrics.Cell, t *tally, in metrics.Group, item *dsl.Item) expr.Result {
	look := j.lookup(cell, t, in, item)
	r := t.assertion.Eval(look)
	if r.Verdict != expr.Fail || cell.Started == nil {
		return r
	}
	reached := map[string]string{}
	for _, l := range t.assertion.Limits() {
		if why := beyondReach(l, look, cell.Started.Server); why != "" {
			reached[l.Path] = why
		}
	}
	if len(reached) == 0 {
		return r
	}
	without := t.assertion.Eval(func(path string) expr.Value {
		if why := reached[path]; why != "" {
			return expr.Value{Why: why, Unsupported: true}
		}
		return look(path)
	})
	if without.Verdict == expr.Unsupported {
		r.Verdict, r.Why = expr.Unsupported, without.Why
	}
	return r
}

// beyondReach says why a limit of a hit rate is out of reach for a cache that is within a block of its ceiling; "" if
// it is not.
func beyondReach(l expr.Limit, look expr.Lookup, s event.Server) string {
	number := func(name string) (float64, bool) {
		v := look(strings.Replace(l.Path, hitRate, name, 1))
		switch n := v.V.(type) {
		case float64:
			return n, v.Why == ""
		case int:
			return float64(n), v.Why == ""
		}
		return 0, false
	}
	if l.Metric != hitRate {
		return ""
	}
	hit, known := number(hitRate)
	ceiling, told := number(reusable)
	tokens, counted := number(prompt)
	asked := map[string]bool{">": l.Value >= ceiling, ">=": l.Value > ceiling, "==": l.Value > ceiling}[l.Op]
	block := float64(max(1, s.BlockTokens))
	if !known || !told || !counted || !asked || (ceiling-hit)*tokens > block {
		return ""
	}
	return fmt.Sprintf("no prefix cache in blocks of %.0f tokens can hit more than %.2f of this prompt of %.0f tokens, "+
		"and this one hit %.2f", block, ceiling, tokens, hit)
}
