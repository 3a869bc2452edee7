package expr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// Sample returns the metric that a path such as steps.q1.ttft_ms means, if it has one number per repeat. If not, it
// says why, and what to write.
func (n *Names) Sample(path string) (name *Name, message, help string) {
	at, ok := figure.Parse(figure.SampleScope, path)
	if !ok {
		first, rest, _ := strings.Cut(path, ".")
		var forms []string
		for _, r := range figure.Known(figure.SampleScope) {
			forms = append(forms, r.Form()+".METRIC")
		}
		help = "write one of: " + strings.Join(forms, ", ")
		if near := syntax.Nearest(first, figure.RootNames(figure.SampleScope)); near != "" {
			help = fmt.Sprintf("did you mean %q?", near+"."+rest)
		}
		return nil, fmt.Sprintf("%q is not a metric with one value a repeat", path), help
	}
	switch {
	case at.Part != figure.NoPart && (at.ID == "" || at.Rest == ""):
		return nil, fmt.Sprintf("%q does not name a metric of one of the %s", path, at.Name), "write " + at.Name +
			".<id>.METRIC"
	case at.Part == figure.PhasePart && !slices.Contains(figure.Phases(), at.ID):
		help = cmp.Or(syntax.Suggest(at.ID, figure.Phases()), "the phases are "+strings.Join(figure.Phases(), ", "))
		return nil, fmt.Sprintf("there is no phase %q", at.ID), help
	}
	tree := n.levels[at.Level]
	if found := tree.find(at.Rest); found != nil && found.Kind.number() {
		return found, "", ""
	}
	message = fmt.Sprintf("%s has no metric %q with a number for each repeat", at.Prefix(), at.Rest)
	return nil, message, sampleHelp(at.Prefix(), at.Rest, tree.numbers(""))
}

// sampleHelp suggests one of the metrics below a prefix.
func sampleHelp(prefix, metric string, all []string) string {
	if i := strings.LastIndexByte(metric, '.'); i >= 0 && slices.Contains(all, metric[:i]) &&
		slices.Contains(Statistics(), metric[i+1:]) {
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
		if t = t.next(part); t == nil {
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
