package metrics

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// Over folds the metric over a group of requests of the cell into one number. Failed requests
// are never part of a mean or a ratio, and make a sum or a maximum unknown.
func (d *Def) Over(c *Cell, g []*event.Request) Value {
	if d.At(CellLevel) {
		return d.observe(c)
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
// an answer. A prefill sends the context ahead and asks nothing: no user waits for it, so it must not be
// among the waits for answers. Its own step shows it.
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

// Dist describes the metric over a group of requests. Failed requests are left out; what shows a
// distribution shows their number beside it.
func (d *Def) Dist(c *Cell, g []*event.Request) Dist {
	if d.At(CellLevel) {
		return d.observed(c)
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

// perRepeat describes the metric folded over each repeat of a group: one value a repeat.
func (d *Def) perRepeat(c *Cell, g Group) Dist {
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

// observe folds the readings of a metric that is observed beside the turns of a cell: their mean, sum or maximum.
func (d *Def) observe(c *Cell) Value {
	values, source, dropped := c.observations(d.Name)
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

// observed describes the readings of a cell metric.
func (d *Def) observed(c *Cell) Dist {
	values, _, _ := c.observations(d.Name)
	v := d.observe(c)
	if f, ok := v.Number(); ok && len(values) == 0 {
		values = []float64{f} // worked out from other readings
	}
	out := NewDist(values)
	out.Why = v.Why
	return out
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
