package expr

import (
	"fmt"

	"homellm/dsl/syntax"
)

// symbol is a node in the tree of names for one assertion: a value, a group of names, or a distribution, which is the
// group of its statistics. Trees are walked, never built as a whole: a scenario of fifty steps has tens of thousands
// of paths.
type symbol struct {
	path     string
	name     *Name // of a value, and of the metric below a distribution
	kind     Kind  // of a value; empty: a group
	measured bool  // a run determines the value; a var or an axis is known before
	constant any   // the value, if the scenario sets it: bool, int, float64 or string
	dist     bool  // a distribution: its parts are statistics
	floor    int   // of a percentile: the repeats it needs
	samples  int   // planned repeats of a distribution, whose turns share their conditions; 0: unknown
	counted  string
	parts    []string
	part     func(string) *symbol
	missing  func(string) (message, help string) // explains a part that does not exist; nil: the usual text
}

// below is a symbol whose path, and those of all its parts, have a prefix.
func below(prefix string, at *symbol) *symbol {
	if at == nil {
		return nil
	}
	out := *at
	out.path = prefix + at.path
	if inner := at.part; inner != nil {
		out.part = func(p string) *symbol { return below(prefix, inner(p)) }
	}
	return &out
}

// find returns the path of a value below a symbol whose last part is the given one, or "".
func find(at *symbol, part string) string {
	for _, p := range at.parts {
		next := at.part(p)
		switch {
		case next == nil || next.dist:
		case next.kind != "" && p == part:
			return next.path
		case next.kind == "":
			if path := find(next, part); path != "" {
				return path
			}
		}
	}
	return ""
}

// findSimilar returns the path of the value below a symbol whose last part is most similar to a name, or "".
func findSimilar(at *symbol, name string) string {
	if near := syntax.Nearest(name, valuesBelow(at)); near != "" {
		return find(at, near)
	}
	return ""
}

// valuesBelow lists the last parts of the paths of all values below a symbol.
func valuesBelow(at *symbol) (names []string) {
	for _, p := range at.parts {
		next := at.part(p)
		switch {
		case next == nil || next.dist:
		case next.kind != "":
			names = append(names, p)
		default:
			names = append(names, valuesBelow(next)...)
		}
	}
	return names
}

// group is the symbol of a tree of numbers.
func (s *scope) group(path string, t *nameTree) *symbol {
	if t.name != nil {
		return &symbol{path: path, name: t.name, kind: t.name.Kind, measured: true}
	}
	return &symbol{path: path, parts: t.order, part: func(p string) *symbol {
		if next := t.next(p); next != nil {
			return s.group(path+"."+p, next)
		}
		return nil
	}}
}

// unmeasured is the same group for values that a file sets.
func (s *scope) unmeasured(g *symbol) *symbol {
	inner := g.part
	g.part = func(p string) *symbol {
		next := inner(p)
		if next != nil {
			next.measured = false
		}
		return next
	}
	return g
}

// distributions is the symbol of a tree whose numbers are distributions. Names without a distribution are left out,
// with an explanation.
func (s *scope) distributions(path string, t *nameTree, samples int, counted string) *symbol {
	if t.name != nil {
		if samples == 0 && s.names.perRepeat[t.name.Path] {
			samples, counted = s.env.Repeats, times(s.env.Repeats, 1)
		}
		return s.distribution(path, t.name, samples, counted)
	}
	var parts []string
	for _, p := range t.order {
		if next := t.parts[p]; next.name == nil || next.name.Kind.number() {
			parts = append(parts, p)
		}
	}
	return &symbol{
		path:  path,
		parts: parts,
		part: func(p string) *symbol {
			next := t.next(p)
			if next == nil || next.name != nil && !next.name.Kind.number() {
				return nil
			}
			return s.distributions(path+"."+p, next, samples, counted)
		},
		missing: func(p string) (string, string) {
			next := t.next(p)
			if next == nil {
				return "", ""
			}
			return fmt.Sprintf("%s.%s is %s, and has no distribution over repeats", path, p, next.name.Kind.Words()),
				"assert it in the step"
		},
	}
}

// distribution is the symbol of one distribution: the group of its statistics.
func (s *scope) distribution(path string, name *Name, samples int, counted string) *symbol {
	return &symbol{
		path: path, name: name, dist: true, samples: samples, counted: counted, parts: Statistics(),
		part: func(p string) *symbol {
			for _, st := range statistics {
				if st.name == p {
					return &symbol{
						path: path + "." + p, name: name, kind: st.kind, measured: true,
						floor: st.floor, samples: samples, counted: counted,
					}
				}
			}
			return nil
		},
	}
}

// observed is the symbol of a tree of cell metrics. Each is one value for the cell, and the distribution of its
// samples, whose number a plan cannot know.
func (s *scope) observed(path string, t *nameTree) *symbol {
	if t.name != nil {
		at := s.group(path, t)
		if t.name.Kind.number() {
			d := s.distribution(path, t.name, 0, "")
			at.parts, at.part = d.parts, d.part
		}
		return at
	}
	return &symbol{path: path, parts: t.order, part: func(p string) *symbol {
		if next := t.parts[p]; next != nil {
			return s.observed(path+"."+p, next)
		}
		return nil
	}}
}
