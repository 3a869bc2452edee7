package report

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// labels are the names of judgements in a column of a list.
var labels = map[metrics.Judged]string{
	metrics.Passed: "pass", metrics.Failed: "fail", metrics.Unknown: "unknown",
	metrics.Allowed: "unknown", metrics.Warned: "warn", metrics.Skipped: "skipped",
	metrics.Counted: "count",
}

// label is the name of an assertion's judgement. It says whether an undecided one is unsupported, or lacks something
// that should have been reported.
func label(v event.Verdict) string {
	j := metrics.Judge(v)
	if v.Verdict == event.Unsupported && (j == metrics.Unknown || j == metrics.Allowed) {
		return string(event.Unsupported)
	}
	return labels[j]
}

// outcome is what decided an assertion, on a short line: its operands, or its pass rate with the 95 % interval if it
// only counts. It is empty if that is not a short line.
func outcome(c *metrics.Cell, v event.Verdict) string {
	if metrics.Judge(v) != metrics.Counted {
		return compared(v)
	}
	s := metrics.ScoreOf(v, c.Planned.Users)
	if s.N == 0 {
		return readable.Unknown
	}
	low, high := s.Interval()
	text := func(v float64) string { return readable.Significant(v, 3) }
	return fmt.Sprintf("%s (%s to %s)", readable.Range(s.Low/float64(s.N), s.High/float64(s.N), text), text(low),
		text(high))
}

// compared puts the operands of an assertion in place of their names: "0.93 > 0.5". It is empty if that is not a
// short line of numbers.
func compared(v event.Verdict) string {
	v, ok := withoutCells(v)
	if !ok {
		return ""
	}
	values := map[string]event.Operand{}
	for _, o := range v.Operands {
		switch o.Value.(type) {
		case float64, bool:
			values[o.Path] = o
		default:
			if operandShown(o) == "unknown" || o.Range == nil {
				return ""
			}
			values[o.Path] = o
		}
	}
	if len(values) == 0 {
		return ""
	}
	for _, digits := range []int{3, 4, 6, 17} {
		if line, clear := substitute(v.That, values, digits); clear {
			if len([]rune(line)) > 40 || strings.ContainsAny(line, "\n\"'`") {
				return ""
			}
			return line
		}
	}
	return ""
}

// cellFigure is a figure of a cell as an expression over all cells names it.
var cellFigure = regexp.MustCompile(`cell\((\s*\{[^{}]*\}\s*)?\)(\.[A-Za-z_][A-Za-z0-9_]*|\["[^"]*"\])+`)

// withoutCells gives the figures of cells short names, in the expression and in its operands, which have the order of
// the expression; ok is false if it cannot tell them apart.
func withoutCells(v event.Verdict) (out event.Verdict, ok bool) {
	if v.Scope != string(figure.OverallScope) {
		return v, true
	}
	short := map[string]string{}
	v.That = cellFigure.ReplaceAllStringFunc(v.That, func(name string) string {
		if short[name] == "" {
			short[name] = fmt.Sprintf("cell_%d", len(short)+1)
		}
		return short[name]
	})
	v.Operands = slices.Clone(v.Operands)
	n := 0
	for i, o := range v.Operands {
		if strings.HasPrefix(o.Path, "cell(") {
			n++
			v.Operands[i].Path = fmt.Sprintf("cell_%d", n)
		}
	}
	return v, n == len(short)
}

var token = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*(\["[^"]*"\])?` +
	`|\d+(\.\d+)?([eE][+-]?\d+)?`)

// substitute formats values with a number of digits. The line is unambiguous if different numbers in it look different:
// 0.4996 must not be shown as failing 0.5 > 0.5.
func substitute(that string, values map[string]event.Operand, digits int) (line string, clear bool) {
	shown := map[string]float64{}
	clear = true
	see := func(text string, v float64) {
		if other, ok := shown[text]; ok && other != v {
			clear = false
		}
		shown[text] = v
	}
	line = token.ReplaceAllStringFunc(that, func(word string) string {
		o, ok := values[word]
		if !ok {
			if v, err := strconv.ParseFloat(word, 64); err == nil {
				see(readable.Significant(v, 17), v)
			}
			return word
		}
		v, number := o.Value.(float64)
		if o.Range != nil {
			return readable.Range(o.Range.Low, o.Range.High, func(v float64) string { return readable.Significant(v, digits) })
		}
		if !number {
			return fmt.Sprint(o.Value)
		}
		text := readable.Significant(v, digits)
		see(text, v)
		return text
	})
	return line, clear
}

// operandShown shows a value as it was compared: exactly, or with what is known about it.
func operandShown(o event.Operand) string {
	switch {
	case o.Value != nil:
		return readable.Exact(o.Value, o.Unit)
	case o.Unsupported:
		return "unsupported"
	case o.Beginning != nil && *o.Beginning != "":
		return readable.Exact(*o.Beginning, "") + " …"
	case o.Range != nil:
		exact := func(v float64) string { return readable.Exact(v, o.Unit) }
		if text := readable.Range(o.Range.Low, o.Range.High, exact); text != readable.Unknown {
			return text
		}
	}
	return "unknown"
}

// operands lists what an assertion compared, one per line, paths and values in columns.
func operands(v event.Verdict) []string {
	wide, value := 0, 0
	shown := make([]string, len(v.Operands))
	for i, o := range v.Operands {
		shown[i] = operandShown(o)
		wide = max(wide, len([]rune(o.Path)))
		if n := len([]rune(shown[i])); n <= 24 {
			value = max(value, n)
		}
	}
	var out []string
	for i, o := range v.Operands {
		line := fmt.Sprintf("%-*s   %-*s", wide, o.Path, value, shown[i])
		switch {
		case o.Value == nil && o.Why != "":
			line += "   " + o.Why
		case o.Source != "":
			line += "   [" + o.Source + "]"
		}
		out = append(out, strings.TrimRight(line, " "))
	}
	return out
}

// evidence is everything that explains a verdict other than a pass: the source line, the operands, the author's
// message, the reply and the ceiling of the cache.
func evidence(c *metrics.Cell, v event.Verdict) []string {
	excerpt := v.Excerpt
	if excerpt == "" {
		excerpt = v.That
	}
	out := strings.Split(strings.TrimRight(excerpt, "\n"), "\n")
	for _, l := range operands(v) {
		out = append(out, "  "+l)
	}
	for _, line := range []struct{ label, text string }{
		{"items", failedItems(v)}, {"why", whyOf(v)}, {"difference", differenceOf(v)},
		{"message", v.Message}, {"reply", v.TextSeen}, {"note", ceiling(c, v)},
		{"note", cacheOff(c, v)},
	} {
		if line.text != "" {
			out = append(out, line.label+": "+line.text)
		}
	}
	return out
}

// differenceOf is where the difference of an assertion with a confidence lies; empty if it has none, or if the reason
// says it.
func differenceOf(v event.Verdict) string {
	i := v.Interval
	if i == nil || v.Verdict.Undecided() {
		return ""
	}
	number := func(x float64) string { return readable.Significant(x, 4) }
	how := text.Plural(i.Repeats, "repeat") + " of each"
	switch {
	case i.Items:
		how = text.Plural(i.Repeats, "item") + " in pairs"
	case i.Paired:
		how = text.Plural(i.Repeats, "repeat") + " in pairs"
	}
	return fmt.Sprintf("left minus right is %s%s, with %.4g %% confidence %s (%s)", number(i.By),
		metrics.UnitAfter(i.Unit), 100*i.Confidence, readable.Range(i.Within.Low, i.Within.High, number), how)
}

// whyOf is the verdict's reason if the operands do not show it.
func whyOf(v event.Verdict) string {
	for _, o := range v.Operands {
		if o.Why != "" && strings.Contains(v.Why, o.Why) {
			return ""
		}
	}
	return v.Why
}

// cacheOff says for a failed gate on the cache that the server's cache is off, if the server says so.
func cacheOff(c *metrics.Cell, v event.Verdict) string {
	gate := slices.ContainsFunc(v.Operands, func(o event.Operand) bool {
		return strings.HasPrefix(o.Path, "cache.") || strings.Contains(o.Path, ".cache.")
	})
	if !gate || v.Verdict != event.Fail {
		return ""
	}
	for _, n := range c.Notes {
		if n.Code == "cache_off" {
			return n.Text
		}
	}
	return ""
}

// ceiling says for a gate on the cache what no prefix cache could have exceeded.
func ceiling(c *metrics.Cell, v event.Verdict) string {
	gate := slices.ContainsFunc(v.Operands, func(o event.Operand) bool {
		return strings.HasSuffix(o.Path, "cache.hit_rate")
	})
	if !gate || v.Step == "" || v.Verdict != event.Fail {
		return ""
	}
	g := c.Measured(metrics.Group{Conversation: v.Conversation, Step: v.Step})
	first := slices.DeleteFunc(g, func(q *event.Request) bool { return q.Turn != 1 })
	could := metrics.Must("cache.reusable_rate").Over(c, first)
	kept, prompt, known := reusable(c, first)
	if !could.Known() || !known {
		return ""
	}
	return fmt.Sprintf("reusable_rate %s: %s of the %s prompt tokens of the step's first turn could be reused; "+
		"no prefix cache can exceed that",
		readable.Value(could), kept, prompt)
}

// heading is a verdict, its place and how often it held.
func heading(c *metrics.Cell, v event.Verdict) []string {
	out := []string{v.Title()}
	if v.File != "" {
		out = append(out, fmt.Sprintf("%s:%d:%d", v.File, v.Line, v.Column))
	}
	out = append(out, c.Name())
	if s := shareWords(v); s != "" {
		out = append(out, s)
	}
	return out
}

// mostItems is how many items a line names.
const mostItems = 12

// failedItems lists the items of a data set for which an assertion did not always hold.
func failedItems(v event.Verdict) string {
	var names []string
	for _, one := range v.Items {
		if one.Passed == one.Evaluated {
			continue
		}
		name := strconv.Itoa(one.Item)
		if one.Passed > 0 {
			name += fmt.Sprintf(" (%d/%d)", one.Passed, one.Evaluated)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	text := fmt.Sprintf("%d of %d did not pass: ", len(names), len(v.Items)) + strings.Join(names[:min(len(names),
		mostItems)], ", ")
	if more := len(names) - mostItems; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// share is the number of repeats in which an assertion held, or of items for which it always did; empty if it is judged
// once.
func share(v event.Verdict) string {
	if v.Scope == string(figure.ScenarioScope) || v.Scope == string(figure.OverallScope) || v.Evaluated == 0 {
		return ""
	}
	if n := len(v.Items); n > 0 {
		held := 0
		for _, one := range v.Items {
			if one.Passed == one.Evaluated {
				held++
			}
		}
		return fmt.Sprintf("%d/%d items", held, n)
	}
	return fmt.Sprintf("%d/%d", v.Passed, v.Evaluated)
}

// shareWords is share in words.
func shareWords(v event.Verdict) string {
	s := share(v)
	if s != "" && len(v.Items) == 0 {
		s += " repeats"
	}
	return s
}

// tally is the verdict line's count: "11 passed, 0 failed, 1 unsupported (allowed)".
func tally(r *metrics.Run) string {
	n := r.Counts()
	unsupported := map[metrics.Judged]int{} // among the undecided ones
	for _, c := range r.WithAllCells() {
		for _, v := range c.Verdicts {
			if j := metrics.Judge(v); label(v) == string(event.Unsupported) {
				unsupported[j]++
				n[j]--
			}
		}
	}
	parts := []string{fmt.Sprintf("%d passed", n[metrics.Passed]), fmt.Sprintf("%d failed", n[metrics.Failed])}
	for _, p := range []struct {
		n    int
		text string
	}{
		{n[metrics.Unknown], "%d unknown"}, {unsupported[metrics.Unknown], "%d unsupported"},
		{n[metrics.Allowed], "%d unknown (allowed)"}, {unsupported[metrics.Allowed], "%d unsupported (allowed)"},
		{n[metrics.Warned], "%d warned"}, {n[metrics.Skipped], "%d skipped"},
		{n[metrics.Counted], "%d counted"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf(p.text, p.n))
		}
	}
	return strings.Join(parts, ", ")
}

// why says whether a judgement is explained by a reason and not by numbers.
func why(j metrics.Judged) bool {
	return j == metrics.Unknown || j == metrics.Allowed || j == metrics.Skipped
}

// reasonOf is why a verdict is unknown or skipped, for an attribute. If text of a model was compared, the reason may
// quote it, so it stays in the element's text.
func reasonOf(v event.Verdict) string {
	if quotesText(v) || v.Why == "" {
		return "see the text"
	}
	return v.Why
}

func quotesText(v event.Verdict) bool {
	return v.TextSeen != "" || slices.ContainsFunc(v.Operands, func(o event.Operand) bool {
		_, text := o.Value.(string)
		return text || o.Beginning != nil
	})
}

// untrue says on one line what did not hold: "0.31 > 0.5 is false (9/12 repeats)".
func untrue(v event.Verdict) string {
	line := compared(v)
	if line == "" {
		line = v.That
	}
	line += " is false"
	if s := shareWords(v); s != "" {
		line += " (" + s + ")"
	}
	return line
}

// junitProperties says who answered and what was measured.
