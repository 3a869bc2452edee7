package expr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/syntax"
)

// Sample returns the metric that a path such as steps.q1.ttft_ms means, if it has one number for each
// repeat. If not, it says why, and what to write.
func (n *Names) Sample(path string) (name *Name, message, help string) {
	root, rest, _ := strings.Cut(path, ".")
	tree := map[string]*nameTree{"steps": n.aggregate, "phases": n.aggregate, "conversations": n.conversation, "run": n.run}[root]
	if tree == nil {
		help = "write one of: steps.<id>.METRIC, phases.<phase>.METRIC, conversations.<id>.METRIC, run.METRIC"
		if near := syntax.Nearest(root, []string{"steps", "phases", "conversations", "run"}); near != "" {
			help = fmt.Sprintf("did you mean %q?", near+"."+rest)
		}
		return nil, fmt.Sprintf("%q is not a metric with one value a repeat", path), help
	}
	prefix, metric := root, rest
	if root != "run" {
		id, below, ok := strings.Cut(rest, ".")
		if !ok || id == "" {
			return nil, fmt.Sprintf("%q does not name a metric of one of the %s", path, root), "write " + root + ".<id>.METRIC"
		}
		if root == "phases" && !slices.Contains(phases, Phase(id)) {
			var ids []string
			for _, p := range phases {
				ids = append(ids, string(p))
			}
			return nil, fmt.Sprintf("there is no phase %q", id), cmp.Or(syntax.Suggest(id, ids), "the phases are "+strings.Join(ids, ", "))
		}
		prefix, metric = root+"."+id, below
	}
	if at := tree.find(metric); at != nil && at.Kind.number() {
		return at, "", ""
	}
	return nil, fmt.Sprintf("%s has no metric %q with a number for each repeat", prefix, metric), sampleHelp(prefix, metric, tree.numbers(""))
}

// sampleHelp proposes one of the metrics below a prefix for one that is not among them.
func sampleHelp(prefix, metric string, all []string) string {
	if i := strings.LastIndexByte(metric, '.'); i >= 0 && slices.Contains(all, metric[:i]) && slices.Contains(Stats(), metric[i+1:]) {
		return fmt.Sprintf("write metric: %s.%s, and the statistic as stat:", prefix, metric[:i])
	}
	if near := syntax.Nearest(metric, all); near != "" {
		return fmt.Sprintf("did you mean %q?", prefix+"."+near)
	}
	return "metrics here: " + strings.Join(all, ", ")
}

// find returns the name at a path, or nil.
func (t *nameTree) find(path string) *Name {
	for part := range strings.SplitSeq(path, ".") {
		if t = t.parts[part]; t == nil {
			return nil
		}
	}
	return t.name
}

// numbers lists the paths of all numbers of the tree.
func (t *nameTree) numbers(prefix string) []string {
	var out []string
	for _, p := range t.order {
		next := t.parts[p]
		if next.name != nil && next.name.Kind.number() {
			out = append(out, prefix+p)
		}
		out = append(out, next.numbers(prefix+p+".")...)
	}
	return out
}
