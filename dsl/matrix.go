package dsl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
)

// maxCells limits a matrix: more cells are a mistake, not a plan.
const maxCells = 1000

// combination is one point of the matrix: one value for every axis.
type combination map[string]any

// matrix is a scenario's matrix after the options of the run have been applied.
type matrix struct {
	declared     []expr.Axis // as the file has them, with the values that include adds
	axes         []expr.Axis // server and model first, then in the order of the file
	combinations []combination
}

// readMatrix expands the matrix of a scenario. Servers and a model in the options replace those axes.
func readMatrix(d *decoder, root *syntax.Node, opt Options) matrix {
	n := d.get(root, "matrix")
	m := matrix{axes: d.axes(n, opt.Boxes)}
	m.declared = slices.Clone(m.axes)
	if len(opt.Servers) > 0 {
		m.replace(serverAxis, opt.Servers)
	}
	if opt.Model != "" {
		m.replace(modelAxis, []string{opt.Model})
	}
	if opt.DefaultServer != "" && !slices.ContainsFunc(m.axes, func(a expr.Axis) bool { return a.Name == serverAxis }) {
		m.replace(serverAxis, []string{opt.DefaultServer})
	}
	slices.SortStableFunc(m.axes, func(a, b expr.Axis) int { return axisRank(a.Name) - axisRank(b.Name) })

	all := m.product(nil)
	if all == nil {
		d.errorf(n, "plan/matrix", "run less at a time", "the matrix has more than %d combinations", maxCells)
		return m
	}
	for _, item := range d.list(n, "exclude") {
		want, ok := d.combination(item, m.axes)
		if !ok {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(all), func(c combination) bool { return c.has(want) })
		if len(kept) == len(all) && len(opt.Servers) == 0 && opt.Model == "" && !m.open(want) {
			d.warnf(item, "plan/matrix", "remove it, or correct its values",
				"nothing is excluded: no combination has these values")
		}
		all = kept
	}
	for _, item := range d.list(n, "include") {
		fixed, ok := d.combination(item, m.axes)
		if !ok || !m.selected(fixed, opt) {
			continue
		}
		if m.open(fixed) {
			d.errorf(item, "plan/matrix", "leave box out of it, or list the boxes: box: [attic, cellar]",
				"an included combination names a box, and box: all has each already")
			continue
		}
		all = append(all, m.product(fixed)...)
		m.declare(fixed)
	}
	for _, c := range all {
		if !slices.ContainsFunc(m.combinations, func(o combination) bool { return maps.Equal(o, c) }) {
			m.combinations = append(m.combinations, c)
		}
	}
	switch {
	case len(m.combinations) > maxCells:
		d.errorf(n, "plan/matrix", "run less at a time", "the matrix has more than %d combinations", maxCells)
		m.combinations = nil
	case len(m.combinations) == 0:
		d.errorf(n, "plan/matrix", "remove an entry of exclude", "every combination of the matrix is excluded")
	}
	return m
}

// open says whether a combination names a value of an axis whose values the file does not tell.
func (m *matrix) open(c combination) bool {
	return slices.ContainsFunc(m.axes, func(a expr.Axis) bool {
		_, named := c[a.Name]
		return a.Open && named
	})
}

// declare adds the values of an included combination to those of the axes.
func (m *matrix) declare(included combination) {
	for i, a := range m.declared {
		if v, ok := included[a.Name]; ok && !slices.Contains(a.Values, v) {
			m.declared[i].Values = append(slices.Clip(a.Values), v)
		}
	}
}

// axisRank puts server before model, and both before the other axes.
func axisRank(name string) int {
	switch name {
	case serverAxis:
		return 0
	case modelAxis:
		return 1
	}
	return 2
}

// axes reads the axes. Boxes are those of the fleet that plays; nil: this machine does. The values of an axis must have
// one kind, because expressions are typed; whole numbers and fractions together are numbers.
func (d *decoder) axes(n *syntax.Node, boxes []string) []expr.Axis {
	if n == nil || n.Kind != syntax.MapKind {
		return nil
	}
	var out []expr.Axis
	for _, e := range n.Entries {
		if e.Key == "include" || e.Key == "exclude" {
			continue
		}
		a := expr.Axis{Name: e.Key, Apart: e.Key == BoxAxis}
		switch e.Node.Kind {
		case syntax.StringKind: // box: all
			a.Open, a.Values = true, allBoxes(boxes)
		case syntax.ListKind:
			for _, item := range e.Node.Items {
				a.Values = append(a.Values, item.Scalar)
			}
		case syntax.MapKind:
			for _, named := range e.Node.Entries {
				a.Values, a.Names = append(a.Values, named.Node.Scalar), append(a.Names, named.Key)
			}
		}
		if d.axisKind(n, &a); len(a.Values) > 0 {
			d.distinct(e.Node, a)
			out = append(out, a)
		}
	}
	return out
}

// allBoxes are the values of an axis that stands for all boxes. Where none is there, a cell has to say so.
func allBoxes(boxes []string) (out []any) {
	if boxes == nil {
		return []any{Here}
	}
	for _, name := range boxes {
		out = append(out, name)
	}
	if len(out) == 0 {
		return []any{"none"}
	}
	return out
}

// axisKind checks that the values of an axis have one kind, and makes them fractions if one of them is. Values that the
// schema refused are left out.
func (d *decoder) axisKind(n *syntax.Node, a *expr.Axis) {
	kinds := map[expr.Kind]bool{}
	var kept expr.Axis
	for i, v := range a.Values {
		k := expr.LiteralKind(v)
		if k == "" {
			continue
		}
		kinds[k] = true
		kept.Values = append(kept.Values, v)
		if a.Names != nil {
			kept.Names = append(kept.Names, a.Names[i])
		}
	}
	a.Values, a.Names = kept.Values, kept.Names
	if kinds[expr.Int] && kinds[expr.Float] {
		delete(kinds, expr.Int)
		for i, v := range a.Values {
			if whole, ok := v.(int); ok {
				a.Values[i] = float64(whole)
			}
		}
	}
	if len(kinds) > 1 {
		d.errorKey(n, a.Name, "plan/matrix", "quote the texts, or use two axes", "axis %q mixes %s", a.Name, kindList(kinds))
	}
}

// distinct reports a value that has two names, since both cells would be the same.
func (d *decoder) distinct(n *syntax.Node, a expr.Axis) {
	for i := range a.Names {
		if first := slices.Index(a.Values, a.Values[i]); first < i {
			d.errorKey(n, a.Names[i], "plan/matrix", "remove one of them", "%q is the same value of axis %q as %q", a.Names[i],
				a.Name, a.Names[first])
		}
	}
}

func kindList(kinds map[expr.Kind]bool) string {
	var list []string
	for _, k := range []expr.Kind{expr.Bool, expr.Int, expr.Float, expr.String} {
		if kinds[k] {
			list = append(list, k.Words())
		}
	}
	return strings.Join(list, " and ")
}

// replace gives an axis other values, or adds it.
func (m *matrix) replace(name string, with []string) {
	a := expr.Axis{Name: name}
	for _, v := range with {
		if !slices.Contains(a.Values, any(v)) {
			a.Values = append(a.Values, v)
		}
	}
	for i := range m.axes {
		if m.axes[i].Name == name {
			m.axes[i] = a
			return
		}
	}
	m.axes = append(m.axes, a)
}

// product returns every combination with the fixed values, the last axis changing fastest, or nil if there are too
// many.
func (m *matrix) product(fixed combination) []combination {
	out := []combination{{}}
	for _, a := range m.axes {
		values := a.Values
		if v, ok := fixed[a.Name]; ok {
			values = []any{v}
		}
		var next []combination
		for _, c := range out {
			for _, v := range values {
				n := maps.Clone(c)
				n[a.Name] = v
				next = append(next, n)
			}
		}
		if len(next) > maxCells {
			return nil
		}
		out = next
	}
	return out
}

func (c combination) has(want combination) bool {
	for name, v := range want {
		if c[name] != v {
			return false
		}
	}
	return true
}

// selected reports whether an included combination has one of the servers and the model of the options.
func (m *matrix) selected(c combination, opt Options) bool {
	server, named := c[serverAxis].(string)
	if named && len(opt.Servers) > 0 && !slices.Contains(opt.Servers, server) {
		return false
	}
	model, named := c[modelAxis].(string)
	return !named || opt.Model == "" || model == opt.Model
}

// combination reads an entry of include or exclude.
func (d *decoder) combination(n *syntax.Node, axes []expr.Axis) (combination, bool) {
	if n.Kind != syntax.MapKind {
		return nil, false
	}
	names := make([]string, len(axes))
	for i, a := range axes {
		names[i] = a.Name
	}
	out, ok := combination{}, true
	for _, e := range n.Entries {
		i := slices.Index(names, e.Key)
		if i < 0 {
			d.errorf(e.At(), "plan/matrix", syntax.SuggestOr(e.Key, names, "its axes"), "the matrix has no axis %q", e.Key)
			ok = false
			continue
		}
		v, wrong, help := axes[i].Value(e.Node.Scalar)
		if wrong != "" {
			d.errorf(e.Node, "plan/matrix", help, "%s", wrong)
			ok = false
			continue
		}
		out[e.Key] = v
	}
	return out, ok
}

// readVars reads the vars of a scenario, with the values of the options in their place. A value from the command line
// is read with the type of the literal that it replaces.
func readVars(d *decoder, root *syntax.Node, opt Options) map[string]any {
	vars := map[string]any{}
	if n := d.get(root, "vars"); n != nil && n.Kind == syntax.MapKind {
		for _, e := range n.Entries {
			if expr.LiteralKind(e.Node.Scalar) != "" {
				vars[e.Key] = e.Node.Scalar
			}
		}
	}
	for _, name := range keys(opt.Vars) {
		old, ok := vars[name]
		if !ok {
			help := cmp.Or(syntax.SuggestOr(name, keys(vars), "a run can replace these variables"),
				"the scenario has no variables to replace")
			d.errorf(nil, "plan/var", help, "--var %s: there is no variable %q", name, name)
			continue
		}
		v, err := parseLiteral(opt.Vars[name], expr.LiteralKind(old))
		if err != nil {
			d.errorf(nil, "plan/var", "a variable keeps its type", "--var %s=%s: %s", name, opt.Vars[name], err)
			continue
		}
		vars[name] = v
	}
	return vars
}

// parseLiteral reads a text as a value of a kind.
func parseLiteral(text string, k expr.Kind) (any, error) {
	switch k {
	case expr.Int:
		if v, err := strconv.Atoi(text); err == nil {
			return v, nil
		}
	case expr.Float:
		// ParseFloat accepts nan and inf, which a scenario may not use.
		if v, err := strconv.ParseFloat(text, 64); err == nil && v-v == 0 {
			return v, nil
		}
	case expr.Bool:
		if text == "true" || text == "false" {
			return text == "true", nil
		}
	default:
		return text, nil
	}
	return nil, fmt.Errorf("%q is not %s", text, k.Words())
}
