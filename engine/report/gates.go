package report

import (
	"fmt"
	"math"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// compareHead is the header of a comparison's rows.
var compareHead = []string{"verdict", "gate", "old", "new", "change", "margin", "95 % interval", "p", "p adjusted", "n"}

// compareRow is one gate in words.
func compareRow(d compare.Delta) []string {
	verdict := string(d.Verdict)
	if d.Judged() == metrics.Warned || d.Judged() == metrics.Allowed {
		verdict += " (allowed)"
	}
	quantity := func(v float64) string {
		if d.Unit == "tokens/s" {
			return readable.Quantity(v, d.Unit) + " " + d.Unit
		}
		return readable.Quantity(v, d.Unit)
	}
	center := func(s compare.Side) string {
		switch {
		case s.Center != nil:
			return quantity(*s.Center)
		case s.Within != nil:
			return readable.Range(s.Within.Low, s.Within.High, quantity)
		}
		return readable.Unknown
	}
	row := []string{verdict, d.Gate.Name, center(d.Old), center(d.New), readable.Unknown, readable.Unknown,
		readable.Unknown, probability(d.P), probability(d.Adjusted), fmt.Sprintf("%d/%d", d.Old.N, d.New.N)}
	if d.Old.N+d.New.N == 0 {
		row[columnN] = readable.Unknown
	}
	if d.Change == nil {
		signed := func(v float64) string { return readable.Signed(v, quantity) }
		if d.Between != nil {
			row[columnChange] = spanned(*d.Between, signed)
		}
		if m := exceeds(d); m > 0 {
			row[columnMargin] = quantity(m)
		}
		if d.Between != nil && d.Lo != nil && d.Hi != nil {
			row[columnInterval] = spanned(event.Range{Low: *d.Lo, High: *d.Hi}, signed)
		}
		return row
	}
	base := 0.0
	if d.Relative != nil && *d.Relative != 0 {
		base = *d.Change / *d.Relative
	} else if d.Old.Center != nil {
		base = *d.Old.Center
	}
	change := func(v float64) string {
		if base == 0 {
			return readable.Signed(v, func(v float64) string { return fmt.Sprintf("%.3g", v) })
		}
		return readable.Percent(v / math.Abs(base))
	}
	row[columnChange] = change(*d.Change)
	if m := exceeds(d); m > 0 {
		row[columnMargin] = strings.TrimPrefix(change(m), "+")
	}
	if d.Lo != nil && d.Hi != nil {
		row[columnInterval] = change(*d.Lo) + " … " + change(*d.Hi)
	}
	return row
}

// Columns of [compareRow].
const (
	columnChange   = 4
	columnMargin   = 5
	columnInterval = 6
	columnP        = 7
	columnAdjusted = 8
	columnN        = 9
)

// exceeds returns the margin that a change must exceed, in the metric's unit; 0 if the gate has none.
func exceeds(d compare.Delta) float64 {
	switch {
	case d.Widened != nil:
		return *d.Widened
	case d.Margin != nil:
		return *d.Margin
	}
	return 0
}

// spanned is the limits of a change.
func spanned(r event.Range, show func(float64) string) string {
	switch {
	case math.IsInf(r.Low, 0) && math.IsInf(r.High, 0):
		return readable.Unknown
	case math.IsInf(r.High, 0):
		return "≥ " + show(r.Low)
	case math.IsInf(r.Low, 0):
		return "≤ " + show(r.High)
	}
	return show(r.Low) + " … " + show(r.High)
}

func probability(p *float64) string {
	switch {
	case p == nil:
		return readable.Unknown
	case *p < 0.0005:
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", *p)
}

// uneventful says whether a gate of a single step found nothing. There are many such gates, so only their number is
// shown.
func uneventful(d compare.Delta) bool {
	return d.Gate.OfStep() && (d.Verdict == compare.Same || d.Verdict == compare.NotSeen)
}

// remarks are the lines below the rows: why gates are unknown, and further notes.
func remarks(p compare.Pair) []string {
	var out []string
	if p.Missing != "" {
		out = append(out, p.Missing)
	}
	out = append(append(out, circumstances(p)...), p.Warnings...)
	same, unseen := 0, 0
	for _, d := range p.Deltas {
		if uneventful(d) {
			if d.Verdict == compare.Same {
				same++
			} else {
				unseen++
			}
			continue
		}
		if d.Why != "" && !strings.HasPrefix(d.Why, "not comparable") {
			out = append(out, d.Gate.Name+": "+d.Why)
		}
		for _, w := range d.Warnings {
			out = append(out, d.Gate.Name+": "+w)
		}
	}
	if same+unseen > 0 {
		out = append(out, fmt.Sprintf("%d further gates of single steps have nothing worse: %d the same, %d of means and "+
			"tails "+
			"not seen; --format json has each", same+unseen, same, unseen))
	}
	return out
}

// circumstances lists the differences between both sides, first those that make them incomparable.
func circumstances(p compare.Pair) []string {
	out := incomparable(p)
	for _, m := range p.Differences {
		out = append(out, "differs: "+m.String())
	}
	return out
}

// incomparable says what makes the two sides incomparable.
func incomparable(p compare.Pair) []string {
	var out []string
	for _, m := range p.Mismatches {
		out = append(out, "differs: "+m.String()+", which must match")
	}
	if p.Stale != "" {
		out = append(out, p.Stale)
	}
	return out
}

// simulatedSides says which sides of a comparison were answered by a simulator; empty: none.
func simulatedSides(c compare.Comparison) string {
	var sides, what []string
	add := func(list *[]string, s string) {
		if s != "" && !strings.Contains("\x00"+strings.Join(*list, "\x00")+"\x00", "\x00"+s+"\x00") {
			*list = append(*list, s)
		}
	}
	for _, p := range c.Pairs {
		for k, label := range []string{"old", "new"} {
			s := p.Sides[k]
			if s.Fingerprint["server.simulation"] != "" || s.Cell != nil && s.Cell.Simulated() {
				add(&sides, label)
				add(&what, s.Fingerprint["server.simulation"])
			}
		}
	}
	if len(sides) == 0 {
		return ""
	}
	line := strings.Join(sides, " and ") + ": homellm's simulator answered, not a real server"
	if len(what) > 0 {
		line += " (" + strings.Join(what, "; ") + ")"
	}
	return line
}

// marginText is how much worse a gate allows: "5 %, at least 15 ms".
func marginText(d compare.Delta) string {
	var parts []string
	if d.Gate.MaxWorse != nil {
		parts = append(parts, readable.Significant(100**d.Gate.MaxWorse, 3)+" %")
	}
	if d.Gate.MaxWorseAbs != nil {
		parts = append(parts, withUnit(*d.Gate.MaxWorseAbs, d.Unit))
	}
	if d.Gate.MinDelta > 0 {
		parts = append(parts, withUnit(d.Gate.MinDelta, d.Unit))
	}
	text := strings.Join(parts, ", at least ")
	if d.Widened != nil {
		text += "; " + withUnit(*d.Widened, d.Unit) + " with what may lie between runs"
	}
	return text
}

func withUnit(v float64, unit string) string {
	return readable.WithUnit(readable.Significant(v, 3), unit)
}
