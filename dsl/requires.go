package dsl

import (
	"fmt"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
)

// Requires is what a cell must offer; if it does not, the cell is skipped with the reason.
type Requires struct {
	ContextTokens int
	Capabilities  []string // streaming, usage, cache_report, cache_reset, cache_salt, tokenize, metrics, gpu

	Box *expr.Assertion // about the machine that plays; nil: any may
}

// Unmet says why a machine may not play; empty: it may. The expression decides, over the facts of the machine: if an
// unknown one leaves it open, that is a reason not to.
func (r Requires) Unmet(facts expr.Lookup) string {
	if r.Box == nil {
		return ""
	}
	res := r.Box.Eval(facts)
	switch res.Verdict {
	case expr.Pass:
		return ""
	case expr.Unknown, expr.Unsupported:
		return fmt.Sprintf("%s is not certain: %s", figure.BoxScope, res.Why)
	case expr.Fail:
	}
	var are []string
	for _, o := range res.Operands {
		switch v := o.V.(type) {
		case nil:
		case string:
			are = append(are, fmt.Sprintf("%s is %.80q", o.Path, v))
		default:
			are = append(are, o.Path+" is "+expr.LiteralText(v))
		}
	}
	return fmt.Sprintf("%s does not hold: %s", figure.BoxScope, strings.Join(are, ", "))
}
