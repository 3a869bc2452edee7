package metrics

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// CountFailed counts the requests that failed.
func CountFailed(g []*event.Request) int {
	n := 0
	for _, q := range g {
		if q.Err != nil {
			n++
		}
	}
	return n
}

// total is the time from the first request of a conversation to the end of its last reply. A group
// of several conversations takes what they take together, without what was played in between. A
// conversation that broke off would look fast, so one failure makes it unknown.
func total(g []*event.Request) (any, string) {
	type pass struct {
		repeat       int
		conversation string
	}
	type span struct{ from, to time.Duration }
	spans := map[pass]span{}
	for _, q := range g {
		switch {
		case q.Err != nil:
			return nil, "a request failed: " + q.Err.Class
		case q.Sent == nil:
			return nil, neverSent
		}
		at := pass{q.Repeat, q.Conversation}
		s, begun := spans[at]
		if !begun || *q.Sent < s.from {
			s.from = *q.Sent
		}
		spans[at] = span{s.from, max(s.to, q.Done)}
	}
	if len(g) == 0 {
		return nil, "no request was measured"
	}
	var sum time.Duration
	for _, s := range spans {
		sum += s.to - s.from
	}
	return ms(sum), ""
}

func peak(g []*event.Request) (any, string) {
	most := 0
	for _, q := range g {
		switch {
		case q.Err != nil:
			return nil, "a request failed: " + q.Err.Class
		case q.Usage.Prompt == nil:
			return nil, noUsage
		}
		n, why := output(q)
		if why != "" {
			return nil, why
		}
		most = max(most, *q.Usage.Prompt+n)
	}
	if len(g) == 0 {
		return nil, "no request was measured"
	}
	return most, ""
}

// joulesPerToken divides the energy of the measured turns by the tokens they generated.
func joulesPerToken(c *Cell, g []*event.Request) (any, string) {
	readings, _, _ := c.observations("energy_j")
	if len(readings) == 0 {
		readings, _, _ = c.observations("gpu.energy_j")
	}
	if len(readings) == 0 {
		return nil, "no device reports its energy"
	}
	for _, q := range c.Requests {
		if Cancelled(q) && !q.Warmup {
			return nil, "the end of the run cut a request off" // its energy was spent, its tokens were not counted
		}
	}
	tokens := 0
	for _, q := range g {
		if q.Err != nil {
			return nil, "a request failed: " + q.Err.Class // its energy was spent, its tokens were not counted
		}
		n, why := output(q)
		if why != "" {
			return nil, why
		}
		tokens += n
	}
	if tokens == 0 {
		return nil, "no token was generated"
	}
	return stats.Sum(readings) / float64(tokens), ""
}

// peakOf lets the largest observation of another metric stand in where nobody measured the peak.
func (d Def) peakOf(name string) Def {
	d.over = func(c *Cell, _ []*event.Request) (any, string) {
		values, _, _ := c.observations(name)
		if len(values) == 0 {
			return nil, d.absent
		}
		return slices.Max(values), ""
	}
	return d
}

// Over folds the metric over a group of requests of the cell into one number. Failed requests
// are never part of a mean or a ratio, and make a sum or a maximum unknown.
func (d *Def) Over(c *Cell, g []*event.Request) Value {
	if d.At(CellLevel) {
		return c.Observed(d.Name)
	}
	v := Value{Unit: d.Unit, Source: d.Source}
	if d.over != nil {
		v.V, v.Why = d.over(c, g)
		return v
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
	v.V, v.Why = d.fold(c, g, each)
	return v
}

func (d *Def) fold(c *Cell, g []*event.Request, each []Value) (any, string) {
	var known []float64
	for _, v := range each {
		if n, ok := v.Number(); ok {
			known = append(known, n)
		}
	}
	switch d.Fold {
	case All:
		for _, v := range each {
			if !v.Known() {
				return nil, v.Why
			}
			if v.V == false {
				return false, ""
			}
		}
		if len(each) == 0 {
			return nil, "no request was measured"
		}
		return true, ""
	case Sum, Max:
		if why := unknown(each); why != "" {
			return nil, why
		}
	}
	if len(known) == 0 {
		return nil, reason(each)
	}
	var out float64
	switch d.Fold {
	case Sum:
		out = stats.Sum(known)
	case Max:
		out = slices.Max(known)
	case Ratio:
		out = d.weighted(c, g)
	default:
		out = NewDist(known).Mean
	}
	if d.Kind == Int {
		return int(out), ""
	}
	return out, ""
}

// weighted is the sum of the numerators over the sum of the denominators of the requests where
// the ratio is known.
func (d *Def) weighted(c *Cell, g []*event.Request) float64 {
	var num, den float64
	for _, q := range g {
		if !d.Each(c, q).Known() {
			continue
		}
		n, m, _ := d.parts(c, q)
		num, den = num+n, den+m
	}
	return num / den
}

// asked leaves the prefills out of a group that holds answers too, if the metric tells something of
// an answer. A prefill sends the context ahead and asks nothing: its wait is nobody's, and among
// the waits for answers it would be taken for one. Its own step shows it.
func (d *Def) asked(g []*event.Request) []*event.Request {
	prefill := func(q *event.Request) bool { return q.Action == "inject" }
	if !d.answer || !slices.ContainsFunc(g, prefill) {
		return g
	}
	if answers := slices.DeleteFunc(slices.Clone(g), prefill); len(answers) > 0 {
		return answers
	}
	return g
}

// Dist describes the metric over a group of requests. Failed requests are left out altogether;
// whoever shows a distribution shows their number beside it.
func (d *Def) Dist(c *Cell, g []*event.Request) Dist {
	if d.At(CellLevel) {
		return c.ObservedDist(d.Name)
	}
	var known []float64
	var answered, all []Value
	g = d.asked(g)
	for _, q := range g {
		v := d.Each(c, q)
		all = append(all, v)
		if q.Err == nil {
			answered = append(answered, v)
		}
		if n, ok := v.Number(); ok {
			known = append(known, n)
		}
	}
	out := NewDist(known)
	out.Unknown = unknowns(answered)
	if out.N > 0 && d.Fold == Ratio {
		out.Mean = d.weighted(c, g)
	}
	switch {
	case out.Unknown > 0:
		out.Why = reason(answered)
	case out.N == 0:
		out.Why = reason(all)
	}
	return out
}

// PerRepeat describes the metric folded over each repeat of a group: one value a repeat.
func (d *Def) PerRepeat(c *Cell, g Group) Dist {
	var known []float64
	var each []Value
	for _, n := range c.Repeats() {
		g.Repeat = n
		q := c.Measured(g)
		if len(q) == 0 {
			continue // the repeat broke off before it came to this group
		}
		v := d.Over(c, q)
		each = append(each, v)
		if f, ok := v.Number(); ok {
			known = append(known, f)
		}
	}
	out := NewDist(known)
	out.Unknown = unknowns(each)
	if out.N == 0 || out.Unknown > 0 {
		out.Why = reason(each)
	}
	return out
}

// Observed returns a metric of the cell that is observed beside its turns: the mean, sum or
// maximum of its readings.
func (c *Cell) Observed(name string) Value {
	d, ok := Lookup(name)
	if !ok || !d.At(CellLevel) {
		return Value{Why: name + " is not a metric of a cell"}
	}
	values, source, dropped := c.observations(name)
	v := Value{Unit: d.Unit, Source: cmp.Or(source, d.Source)}
	switch {
	case len(values) == 0 && d.over != nil:
		v.V, v.Why = d.over(c, c.Measured(Group{}))
	case len(values) == 0 && dropped > 0:
		v.Why = "no sample fell into the measured repeats"
	case len(values) == 0:
		v.Why = d.absent
	case d.Fold == Sum:
		v.V = stats.Sum(values)
	case d.Fold == Max:
		v.V = slices.Max(values)
	default:
		v.V = NewDist(values).Mean
	}
	return v
}

// ObservedDist describes the readings of a cell metric.
func (c *Cell) ObservedDist(name string) Dist {
	values, _, _ := c.observations(name)
	v := c.Observed(name)
	if f, ok := v.Number(); ok && len(values) == 0 {
		values = []float64{f} // worked out from other readings
	}
	d := NewDist(values)
	d.Why = v.Why
	return d
}

func unknowns(each []Value) int {
	n := 0
	for _, v := range each {
		if !v.Known() {
			n++
		}
	}
	return n
}

// unknown returns why the first unknown value is, or "". A reply of one token has no gap that
// could be the longest, which hides nothing.
func unknown(each []Value) string {
	for _, v := range each {
		if !v.Known() && v.Why != oneToken {
			return v.Why
		}
	}
	return ""
}

// reason says why values are unknown: the reason most of them give, with how many do.
func reason(each []Value) string {
	if len(each) == 0 {
		return "no request was measured"
	}
	counts := map[string]int{}
	best := ""
	for _, v := range each {
		if v.Known() {
			continue
		}
		counts[v.Why]++
		if n := counts[v.Why] - counts[best]; best == "" || n > 0 || n == 0 && v.Why < best {
			best = v.Why
		}
	}
	if n := counts[best]; n < len(each) {
		return fmt.Sprintf("%s (%d of %d)", best, n, len(each))
	}
	return best
}

// sources joins the different sources of known values in the order they appear.
func sources(each []Value, otherwise string) string {
	var out []string
	for _, v := range each {
		if v.Known() && !slices.Contains(out, v.Source) {
			out = append(out, v.Source)
		}
	}
	if len(out) == 0 {
		return otherwise
	}
	return strings.Join(out, " and ")
}
