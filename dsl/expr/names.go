package expr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// chain replaces a chain of names by a call that returns the value.
func (c *compilation) chain(root *ast.IdentifierNode, parts []*ast.MemberNode) ast.Node {
	at := c.scope.root(root.Value)
	if at == nil {
		message, help := c.scope.explainRoot(root.Value)
		c.failAt(root, "expr/name", help, "%s", message)
		return root
	}
	return c.follow(root, at, parts)
}

// follow is the call for the value that parts of a name lead to from a symbol. Root is the node of that symbol.
func (c *compilation) follow(root ast.Node, at *symbol, parts []*ast.MemberNode) ast.Node {
	from, last := root.Location().From, root.Location()
	for _, m := range parts {
		name := m.Property.(*ast.StringNode).Value
		last = m.Location()
		next := (*symbol)(nil)
		if at.part != nil {
			next = at.part(name)
		}
		if next == nil {
			code, message, help := c.explain(at, name)
			c.fail(last.From, last.To, code, help, "%s", message)
			return root
		}
		at = next
	}
	switch {
	case at.dist:
		c.fail(last.From, last.To, "expr/distribution", "add one of ."+strings.Join(Statistics(), " ."),
			"%s is a distribution over %s, not one number", at.path, cmp.Or(at.counted, "all repeats"))
		return root
	case at.kind == "":
		c.fail(last.From, last.To, "expr/name", "name one of: "+strings.Join(at.parts, ", "), "%s is a group, not a value",
			at.path)
		return root
	}
	if at.floor > 0 && at.samples > 0 && at.samples < at.floor && !c.scope.env.AllowSmallN {
		c.fail(last.From, last.To, "expr/samples", smallNHelp,
			"%s needs at least %d repeats to mean something, and %d are planned (%s)", at.path, at.floor, at.samples, at.counted)
	}
	return c.leaf(at, from, last.To)
}

// explain says why a name has no such part.
func (c *compilation) explain(at *symbol, name string) (code, message, help string) {
	code = "expr/name"
	if at.missing != nil {
		if message, help = at.missing(name); message != "" {
			return code, message, help
		}
	}
	switch {
	case at.dist:
		if same := synonyms[name]; same != "" {
			return code, fmt.Sprintf("%s has no statistic %q", at.path, name), fmt.Sprintf("did you mean %q?", same)
		}
		help = cmp.Or(syntax.Suggest(name, at.parts), "a distribution has "+strings.Join(at.parts, ", "))
		return code, fmt.Sprintf("%s has no statistic %q", at.path, name), help
	case at.kind != "" && slices.Contains(Statistics(), name) && c.scope.env.Scope != figure.ScenarioScope &&
		c.scope.env.Scope != figure.OverallScope && c.scope.env.Scope != figure.BoxScope && at.measured:
		return "expr/distribution", fmt.Sprintf("%s is one value here, and has no .%s", at.path, name),
			"distributions over repeats are known in the assert of the scenario: move this there"
	case at.kind != "":
		if at.kind == String {
			help = method(c.text, name)
		}
		return code, fmt.Sprintf("%s is %s, and has no parts", at.path, at.kind.Words()), help
	}
	message = fmt.Sprintf("%s has no metric %q", at.path, name)
	if near := syntax.Suggest(name, at.parts); near != "" {
		return code, message, near
	}
	if ours := OwnName(name); slices.Contains(at.parts, ours) {
		return code, message, syntax.Meant([]string{ours})
	}
	if path := cmp.Or(find(at, name), findSimilar(at, name)); path != "" {
		return code, message, fmt.Sprintf("did you mean %q?", path)
	}
	return code, message, at.path + " has " + strings.Join(at.parts, ", ")
}

// synonyms are other words for a statistic.
var synonyms = map[string]string{
	"median": "p50", "avg": "mean", "average": "mean", "std": "stddev", "sd": "stddev", "count": "n", "minimum": "min",
	"maximum": "max",
}

// otherMetrics are the names that other programs have for our metrics.
var otherMetrics = map[string]string{
	"latency": "e2e_ms", "latency_ms": "e2e_ms", "duration": "e2e_ms", "duration_ms": "e2e_ms", "total_ms": "e2e_ms",
	"time": "e2e_ms", "time_ms": "e2e_ms", "response_time": "e2e_ms", "response_time_ms": "e2e_ms", "elapsed_ms": "e2e_ms",
	"ttfb": "ttft_ms", "ttfb_ms": "ttft_ms", "first_token_ms": "ttft_ms", "time_to_first_token": "ttft_ms",
	"time_to_first_token_ms": "ttft_ms", "itl": "tpot_ms", "itl_ms": "tpot_ms", "inter_token_latency_ms": "tpot_ms",
	"tokens": "output_tokens", "completion_tokens": "output_tokens", "generated_tokens": "output_tokens",
	"input_tokens": "prompt_tokens", "tps": "output_tps", "tokens_per_second": "output_tps", "speed": "output_tps",
	"tok_s": "output_tps", "success": "ok", "succeeded": "ok", "passed": "ok", "failed": "ok", "content": "text",
	"response": "text", "reply": "text", "answer": "text", "output": "text", "message": "text", "body": "text",
	"status_code": "status", "code": "status", "stop_reason": "finish_reason",
}

// OwnName is the metric that others call as it is written, or "".
func OwnName(written string) string { return otherMetrics[strings.ToLower(written)] }

// leaf returns the call for a value.
func (c *compilation) leaf(at *symbol, from, to int) ast.Node {
	i, ok := c.index[at.path]
	if !ok {
		i = len(c.program.leaves)
		c.index[at.path] = i
		l := leaf{path: at.path, kind: at.kind, measured: at.measured, constant: at.constant, floor: at.floor,
			samples: at.samples}
		if at.constant != nil && c.scope.env.Declared != nil {
			l.source = c.scope.env.Declared(at.path)
		}
		if at.name != nil {
			l.metric, l.reported = at.name.Path, at.name.Reported
			l.whole = at.name.Kind == Int && !strings.HasSuffix(at.path, ".mean") && !strings.HasSuffix(at.path, ".stddev")
			// The count of a distribution does not have the unit of its values.
			if !strings.HasSuffix(at.path, ".n") && !strings.HasSuffix(at.path, ".n_unknown") {
				spread := strings.HasSuffix(at.path, ".stddev")
				l.unit, l.rate, l.signed = at.name.Unit, at.name.Rate && !spread, at.name.Signed && !spread
			}
		}
		c.program.leaves = append(c.program.leaves, l)
	}
	c.program.spans = append(c.program.spans, span{i, from, to})
	name := map[Kind]string{Float: callFloat, Int: callInt, String: callString, Bool: callBool}[at.kind]
	return call(file.Location{From: from, To: to}, name, &ast.IntegerNode{Value: i})
}
