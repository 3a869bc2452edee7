package metrics

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// Over folds the metric over a group of requests of the cell into one number. Failed requests are never part of a
// mean or a ratio, and make a sum or a maximum unknown. If another value is unknown, the number lies between the
// limits that follow from it.
func (d *Def) Over(c *Cell, g []*event.Request) Value {
	if d.At(CellLevel) {
		return d.observe(c)
	}
	v := Value{Unit: d.Unit, Source: d.Source}
	if d.over != nil {
		v.V, v.Why = d.over(c, g)
		if slices.ContainsFunc(g, d.ignored) {
			v.V, v.Why = nil, "the engine does not support keys of the requests"
			return d.supported(c, v)
		}
		if v.Why != "" && d.span != nil && len(g) > 0 {
			v.V = nil
			v = d.between(d.span(c, g), v)
		}
		v.Unsupported = v.Why != "" && d.beyond != nil && d.beyond(c, g)
		return d.supported(c, v)
	}
	if d.Fold == None {
		v.Why = d.Name + " has no meaning over several turns"
		return v
	}
	g = d.asked(g)
	each := make([]Value, 0, len(g))
	for _, q := range g {
		each = append(each, d.Each(c, q))
	}
	v.Source = sources(each, d.Source)
	return d.fold(c, g, each, v)
}

// fold combines the values of several turns.
func (d *Def) fold(c *Cell, g []*event.Request, each []Value, v Value) Value {
	var out event.Range
	switch d.Fold {
	case All:
		v.V, v.Why = all(each)
		return v
	case Last:
		if len(each) == 0 {
			v.Why = "no turn was measured"
			return v
		}
		return each[len(each)-1]
	case Sum, Max:
		v.Why = unknown(each)
		out = d.total(c, g, each)
	default:
		of := d.members(c, g, each)
		if len(of.values) == 0 {
			v.Why = reason(each)
			return v
		}
		if of.unknown > 0 {
			v.Why = reason(of.values)
		}
		out = of.mean()
	}
	switch {
	case len(each) == 0:
		v.Why = reason(each)
	case v.Why == "":
		v.V = out.Low
		if d.Kind == Int {
			v.V = int(out.Low)
		}
	case slices.ContainsFunc(each, informed):
		v = d.between(out, v)
	}
	return d.supported(c, v)
}

// all is true if every value is: a single false value decides, whatever the unknown ones are.
func all(each []Value) (any, string) {
	if len(each) == 0 {
		return nil, "no request was measured"
	}
	for _, v := range each {
		if v.Known() && v.V == false {
			return false, ""
		}
	}
	if why := unknown(each); why != "" {
		return nil, why
	}
	return true, ""
}

// total is the limits of the sum or the maximum over all turns. A failed turn adds an unlimited amount.
func (d *Def) total(c *Cell, g []*event.Request, each []Value) event.Range {
	var out event.Range
	for i, v := range each {
		if v.Why == oneToken {
			continue // the turn has no gap that could be the longest
		}
		r := d.ends(c, g[i], v)
		if g[i].Err != nil && !v.Known() {
			r = d.natural()
		}
		if d.Fold == Max {
			out = event.Range{Low: max(out.Low, r.Low), High: max(out.High, r.High)}
		} else {
			out = event.Range{Low: out.Low + r.Low, High: out.High + r.High}
		}
	}
	return out
}

// members are the turns of a group that have a value of a metric, known or not.
type members struct {
	def     *Def
	folded  bool         // the values are of repeats, not of turns
	from    map[int]bool // the repeats of the turns
	values  []Value
	ends    []event.Range
	regions []region // of a ratio
	unknown int
	turns   int  // behind the values
	some    bool // at least one of them has limits narrower than the metric's own
}

// members selects the turns of a group that count: those that did not fail and have a value.
func (d *Def) members(c *Cell, g []*event.Request, each []Value) members {
	out := members{def: d, from: map[int]bool{}}
	for i, q := range g {
		v := each[i]
		lost := missing(q, v)
		if d.Fold == Ratio && (v.Known() || lost || v.Why == nothingReusable && q.Err == nil) {
			out.regions = append(out.regions, d.regionOf(c, q, v))
		}
		if !v.Known() && !lost {
			continue
		}
		if lost {
			out.unknown++
		}
		out.turns++
		out.some = out.some || informed(v)
		out.from[q.Repeat] = true
		out.values, out.ends = append(out.values, v), append(out.ends, d.ends(c, q, v))
	}
	return out
}

// repeats is the number of repeats that the members are from.
func (m members) repeats() int {
	if m.folded {
		return len(m.ends)
	}
	return len(m.from)
}

// regionOf is the region of the parts of a ratio in one turn.
func (d *Def) regionOf(c *Cell, q *event.Request, v Value) region {
	num, den, why := d.parts(c, q)
	if h, ok := c.delay(q); ok && d.first && why == "" { // the denominator is a time in seconds
		return box(event.Range{Low: num, High: num}, event.Range{Low: max(0, den-h.most/1000), High: den})
	}
	if why == "" && v.Known() {
		return certainly(num, den)
	}
	if d.region != nil {
		return d.region(c, q)
	}
	free := event.Range{Low: 0, High: math.Inf(1)}
	return box(free, free)
}

// mean is the limits of the mean of the members; of a ratio, of the quotient of the sums.
func (m members) mean() event.Range {
	if m.def.Fold == Ratio {
		return m.def.within(quotients(m.regions))
	}
	low, high := ends(m.ends)
	return event.Range{Low: NewDist(low).Mean, High: NewDist(high).Mean}
}

// described is the distribution of the members, with the reason why there is none or why some are unknown.
func (m members) described(none string) Dist {
	out := distOf(m.ends, m.unknown, m.some)
	out.Repeats, out.Turns = m.repeats(), m.turns
	if m.def.Fold == Ratio && !m.folded && out.N > 0 {
		out.setMean(m.mean())
	}
	switch {
	case out.Unknown > 0:
		out.Why = reason(m.values)
	case out.N == 0:
		out.Why = none
	}
	return out
}

// counted is how many turns of a group are behind its folded value.
func (d *Def) counted(c *Cell, g Group) int {
	n := 0
	for _, q := range d.asked(c.Measured(g)) {
		if q.Err == nil {
			n++
		}
	}
	return n
}

// asked leaves prefills out of a group that holds answers too, if the metric describes answers. A prefill sends the
// context ahead and no user waits for it, so it must not be counted with the waits for answers. Its own step shows
// it.
func (d *Def) asked(g []*event.Request) []*event.Request {
	prefill := func(q *event.Request) bool { return q.Prefill }
	if !d.answer || !slices.ContainsFunc(g, prefill) {
		return g
	}
	if answers := slices.DeleteFunc(slices.Clone(g), prefill); len(answers) > 0 {
		return answers
	}
	return g
}

// Dist describes the metric over a group of requests. Failed requests are left out; reports show their number beside a
// distribution.
func (d *Def) Dist(c *Cell, g []*event.Request) Dist {
	if d.At(CellLevel) {
		return d.observed(c)
	}
	m, none := d.ofTurns(c, g)
	return m.described(none)
}

// ofTurns are the values of the turns of a group, or why there are none.
func (d *Def) ofTurns(c *Cell, g []*event.Request) (m members, none string) {
	g = d.asked(g)
	each := make([]Value, 0, len(g))
	for _, q := range g {
		each = append(each, d.Each(c, q))
	}
	return d.members(c, g, each), reason(each)
}

// ofRepeats are the values of the metric folded over each repeat of a group, or why there are none. A repeat in which
// not all turns were played has none.
func (d *Def) ofRepeats(c *Cell, g Group) (m members, none string) {
	m, none = members{def: d, folded: true}, reason(nil)
	for _, v := range d.repeats(c, g) {
		if v.none != "" {
			none = v.none
			continue
		}
		if !v.Known() {
			m.unknown++
		}
		g.Repeat = v.repeat
		m.turns += d.counted(c, g)
		m.some = m.some || informed(v.Value)
		m.values, m.ends = append(m.values, v.Value), append(m.ends, d.ends(c, nil, v.Value))
	}
	return m, none
}

// repeatValue is a metric folded over one repeat.
type repeatValue struct {
	repeat int
	none   string // why the repeat has none: it was interrupted, or all its turns failed
	Value
}

// repeats folds the metric over each repeat of a group.
func (d *Def) repeats(c *Cell, g Group) []repeatValue {
	var out []repeatValue
	for _, n := range c.Repeats() {
		g.Repeat = n
		q := c.Measured(g)
		v := repeatValue{repeat: n, none: c.cut(d, g)}
		if len(q) == 0 && v.none == "" {
			v.none = fmt.Sprintf("repeat %d broke off before it", n)
		}
		if v.none == "" {
			v.Value = d.Over(c, q)
			if !v.Known() && d.fails(c, q) {
				v.none = v.Why
			}
		}
		out = append(out, v)
	}
	return out
}

// fails says whether a repeat has no value because of a failed turn and not an unknown one: failures are counted
// separately.
func (d *Def) fails(c *Cell, turns []*event.Request) bool {
	failed := CountFailed(turns) > 0 && !d.counts
	if d.over != nil || d.Fold == Sum || d.Fold == Max {
		return failed
	}
	return !slices.ContainsFunc(turns, func(q *event.Request) bool { return missing(q, d.Each(c, q)) })
}

// observe folds the samples of a metric that is observed beside the turns of a cell: their mean, sum or maximum.
func (d *Def) observe(c *Cell) Value {
	values, source, dropped := c.observations(d.Name)
	v := Value{Unit: d.Unit, Source: cmp.Or(source, d.Source)}
	switch {
	case len(values) == 0 && d.over != nil:
		v.V, v.Why = d.over(c, c.Measured(Group{}))
	case len(values) == 0 && dropped > 0:
		v.Why = "no sample fell into the measured repeats"
	case len(values) == 0:
		v.Why, v.Unsupported = d.absent, true
	case d.Fold == Sum:
		v.V = stats.Sum(values)
	case d.Fold == Max:
		v.V = slices.Max(values)
	default:
		v.V = NewDist(values).Mean
	}
	return v
}

// observed describes the samples of a cell metric.
func (d *Def) observed(c *Cell) Dist {
	values, _, _ := c.observations(d.Name)
	v := d.observe(c)
	if f, ok := v.Number(); ok && len(values) == 0 {
		values = []float64{f} // computed from other samples
	}
	out := NewDist(values)
	out.Why = v.Why
	return out
}

// unknown returns the reason of the first unknown value, or "". A reply of one token has no gap that could be the
// longest, so it hides nothing.
func unknown(each []Value) string {
	for _, v := range each {
		if !v.Known() && v.Why != oneToken {
			return v.Why
		}
	}
	return ""
}

// counted is how a reason of [reason] may end.
var counted = regexp.MustCompile(` \(\d+ of \d+\)$`)

// reason says why values are unknown: the most frequent reason, with its count if others are known. That count replaces
// the one of a group, which is of the requests in one of the windows, say.
func reason(each []Value) string {
	if len(each) == 0 {
		return "no request was measured"
	}
	counts, whole := map[string]int{}, map[string]string{}
	best := ""
	for _, v := range each {
		if v.Known() {
			continue
		}
		why := counted.ReplaceAllString(v.Why, "")
		if counts[why]++; counts[why] == 1 {
			whole[why] = v.Why
		}
		if n := counts[why] - counts[best]; best == "" || n > 0 || n == 0 && why < best {
			best = why
		}
	}
	if n := counts[best]; n < len(each) {
		return fmt.Sprintf("%s (%d of %d)", best, n, len(each))
	}
	return whole[best]
}

// sources joins the different sources of known values in the order they appear.
func sources(each []Value, otherwise string) string {
	var out []string
	for _, v := range each {
		if informed(v) && !slices.Contains(out, v.Source) {
			out = append(out, v.Source)
		}
	}
	if len(out) == 0 {
		return otherwise
	}
	return strings.Join(out, " and ")
}
