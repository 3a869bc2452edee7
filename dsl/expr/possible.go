package expr

import (
	"fmt"
	"math"
	"slices"
)

// possible is what is known of the value of a part of an expression.
type possible struct {
	v      any    // the value, if known: a number, a text, a boolean or a list
	span   Range  // limits of an unknown number
	begins string // the beginning of an unknown text
	broken bool   // there may be no value, as for a division by a number that may be 0
	open   open   // what leaves it undecided
}

// open is what leaves a value undecided.
type open struct {
	leaves  []int
	trouble error
}

func (o open) and(other open) open {
	out := open{slices.Clone(o.leaves), o.trouble}
	for _, l := range other.leaves {
		if !slices.Contains(out.leaves, l) {
			out.leaves = append(out.leaves, l)
		}
	}
	if out.trouble == nil {
		out.trouble = other.trouble
	}
	return out
}

// exactly is a value that is known.
func exactly(v any) possible {
	p := possible{v: v}
	if n, err := number(v); err == nil {
		p.span = point(n)
	}
	if text, ok := v.(string); ok {
		p.begins = text
	}
	return p
}

// undecided is an unknown boolean or text.
func undecided(o open) possible { return possible{open: o} }

// broken is a part that may have no value.
func broken(o open) possible { return possible{span: anything, broken: true, open: o} }

// between is a number within an interval.
func between(r Range, o open) possible { return possible{span: r, open: o} }

// inexact says whether a value is unknown.
func (p possible) inexact() bool { return p.v == nil || p.broken }

// because adds a reason that is not that of an unknown value; such a value's reason has precedence.
func (o open) because(err error) open {
	if len(o.leaves) == 0 && o.trouble == nil {
		o.trouble = err
	}
	return o
}

// because adds a reason why there may be no value, if there is one.
func (p possible) because(err error) possible {
	if err != nil {
		p.broken, p.open = true, p.open.because(err)
	}
	return p
}

// truth returns the value of a boolean; known is false if it is unknown.
func (p possible) truth() (v, known bool) {
	v, known = p.v.(bool)
	return v, known && !p.broken
}

// beginning is a text, as far as it is known.
func (p possible) beginning() beginning { return beginning{p.begins, !p.inexact()} }

// possible returns what is known about a value that an expression reads; its kind is that of the leaf.
func (l leaf) possible(i int, v Value) possible {
	if v.Why == "" {
		return exactly(v.V)
	}
	p := possible{span: l.limits(), open: open{leaves: []int{i}}}
	if v.Range != nil {
		p.span = v.Range.within(p.span)
		if l.kind == Int {
			p.span = Range{math.Ceil(p.span.Low), math.Floor(p.span.High)}
		}
	}
	p.begins, _ = v.SoFar.(string)
	return p
}

// limits are the limits of a number, whatever is measured.
func (l leaf) limits() Range {
	switch {
	case l.rate:
		return Range{0, 1}
	case l.signed:
		return anything
	}
	return Range{0, math.Inf(1)}
}

// given says whether anything is known of a value.
func (v Value) given() bool { return v.Why == "" || v.Range != nil || v.SoFar != nil }

// missing says what is not known of a value.
func (v Value) missing(path string) string {
	switch {
	case v.Unsupported:
		return path + " is unsupported: " + v.Why
	case v.SoFar != nil:
		return path + " is only known as far as it came: " + v.Why
	case v.Range != nil:
		return fmt.Sprintf("%s is only known to be %s: %s", path, v.Range, v.Why)
	}
	return path + " is unknown: " + v.Why
}

// String shows an interval as tables do.
func (r Range) String() string {
	switch {
	case math.IsInf(r.Low, 0) && math.IsInf(r.High, 0):
		return "any number"
	case math.IsInf(r.High, 0):
		return fmt.Sprintf("at least %.4g", r.Low)
	case math.IsInf(r.Low, 0):
		return fmt.Sprintf("at most %.4g", r.High)
	}
	return fmt.Sprintf("from %.4g to %.4g", r.Low, r.High)
}
