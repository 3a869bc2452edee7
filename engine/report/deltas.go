package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// delta is one number of a cell in two runs.
type delta struct {
	where    string // phase or conversation
	def      *metrics.Def
	stat     string
	old, new metrics.Dist
}

// deltas lists the numbers of a cell's table in both runs.
func deltas(oldRun, newRun *metrics.Run, before, after *metrics.Cell) []delta {
	var out []delta
	groups := rowsOf(newRun, after)
	for _, g := range rowsOf(oldRun, before) {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	several := len(conversations(newRun, after)) > 1
	for _, g := range groups {
		where := readable.Phase(g.Phase)
		switch {
		case g.Phase == "":
			where = g.Conversation
		case several:
			where = g.Conversation + ", " + where
		}
		for _, m := range metrics.Deltas() {
			out = append(out, delta{where, m.Def, m.At.Stat, m.Spread(before, g), m.Spread(after, g)})
		}
	}
	return out
}

// change is the difference and its share of the old value; both are empty if either value is unknown.
func (d delta) change() (difference, share string) {
	a, whyA := d.old.Sound(d.stat)
	b, whyB := d.new.Sound(d.stat)
	if whyA != "" || whyB != "" {
		return readable.Unknown, readable.Unknown
	}
	difference = readable.Signed(b-a, func(v float64) string { return readable.Quantity(v, d.def.Unit) })
	if a == 0 {
		return difference, readable.Unknown
	}
	return difference, readable.Percent((b - a) / math.Abs(a))
}

// side says whether all values of one run are on the same side of all values of the other: better, worse, or "" if
// they overlap or neither direction is better.
func (d delta) side() string {
	if d.def.Better == 0 || d.old.N < 2 || d.new.N < 2 {
		return ""
	}
	if d.old.Unknown > 0 || d.new.Unknown > 0 {
		return "" // some values are unknown
	}
	up, down := d.new.Min > d.old.Max, d.new.Max < d.old.Min
	switch {
	case up && d.def.Better > 0, down && d.def.Better < 0:
		return "better"
	case up, down:
		return "worse"
	}
	return ""
}

func (d delta) row() []string {
	old, _ := sound(d.def, d.old, d.stat)
	now, _ := sound(d.def, d.new, d.stat)
	difference, share := d.change()
	return []string{d.where, d.def.Name + " " + d.stat, old, now, difference, share, d.allValues()}
}

// allValues says how all values of one run compare with those of the other.
func (d delta) allValues() string {
	if side := d.side(); side != "" {
		return side
	}
	switch {
	case d.old.N == 0 || d.new.N == 0:
		return readable.Unknown
	case d.old.Unknown > 0 || d.new.Unknown > 0:
		return "not all known"
	case d.old.N < 2 || d.new.N < 2:
		return "too few"
	case d.new.Min > d.old.Max:
		return "higher"
	case d.new.Max < d.old.Min:
		return "lower"
	case d.old.Min == d.new.Min && d.old.Max == d.new.Max:
		return "the same"
	}
	return "overlap"
}

var deltaHead = []string{"where", "metric", "old", "new", "change", "relative", "all values"}

// pair is a cell that both runs have, by name.
type pair struct{ before, after *metrics.Cell }

// pairs matches the cells of two runs and names those that only one of them has.
func pairs(oldRun, newRun *metrics.Run) (both []pair, only []string) {
	used := map[*metrics.Cell]bool{}
	for _, a := range newRun.Cells {
		k := slices.IndexFunc(oldRun.Cells, func(b *metrics.Cell) bool { return !used[b] && b.Name() == a.Name() })
		if k < 0 {
			only = append(only, a.Name()+": only in the new run")
			continue
		}
		used[oldRun.Cells[k]] = true
		both = append(both, pair{oldRun.Cells[k], a})
	}
	for _, b := range oldRun.Cells {
		if !used[b] {
			only = append(only, b.Name()+": only in the old run")
		}
	}
	if len(oldRun.Cells) == 1 && len(newRun.Cells) == 1 && len(both) == 0 {
		// One cell each: the author compares two servers or models by this request.
		return []pair{{oldRun.Cells[0], newRun.Cells[0]}}, nil
	}
	return both, only
}

// differences lists the differences between the runs' circumstances, which may change their numbers.
func differences(oldRun, newRun *metrics.Run) []string {
	var out []string
	differ := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %s → %s", what, orUnknown(a), orUnknown(b)))
		}
	}
	a, b := oldRun.Started, newRun.Started
	differ("scenario", a.Scenario.Name, b.Scenario.Name)
	differ("setting", planned(a.Scenario), planned(b.Scenario))
	differ("options", fmt.Sprint(a.Options), fmt.Sprint(b.Options))
	both, only := pairs(oldRun, newRun)
	cells := map[string][]string{} // the cells in which a circumstance differs
	var order []string
	for _, p := range both {
		if p.before.Name() != p.after.Name() {
			differ("cell", p.before.Name(), p.after.Name())
		}
		for _, m := range compare.FingerprintOf(p.before).Differences(compare.FingerprintOf(p.after), nil) {
			if m.Key == compare.OptionsKey {
				continue // the line of the run lists them all
			}
			if line := m.String(); cells[line] == nil {
				order = append(order, line)
			}
			cells[m.String()] = append(cells[m.String()], p.after.Name())
		}
	}
	for _, line := range order {
		if n := len(cells[line]); n < len(both) {
			line = strings.Join(cells[line], ", ") + ": " + line
		}
		out = append(out, line)
	}
	return append(out, only...)
}

func orUnknown(s string) string {
	if s == "" {
		return readable.Unknown
	}
	return s
}

// verdictChanges lists the assertions of a pair whose verdicts differ.
func (p pair) verdictChanges() [][]string {
	type key struct{ name, conversation, step string }
	was := map[key]string{}
	for _, v := range p.before.Verdicts {
		was[key{v.Name, v.Conversation, v.Step}] = label(v)
	}
	var out [][]string
	for _, v := range p.after.Verdicts {
		k := key{v.Name, v.Conversation, v.Step}
		now := label(v)
		old, had := was[k]
		if !had {
			old = "not judged"
		}
		delete(was, k)
		if old != now {
			out = append(out, []string{v.Name, old, now})
		}
	}
	for _, v := range p.before.Verdicts {
		k := key{v.Name, v.Conversation, v.Step}
		if old, gone := was[k]; gone {
			out = append(out, []string{v.Name, old, "not judged"})
			delete(was, k)
		}
	}
	return out
}
