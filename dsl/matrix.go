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

// axis is one axis of a matrix with its values, all of one kind.
type axis struct {
	name   string
	values []any
}

// combination is one point of the matrix: one value for every axis.
type combination map[string]any

// matrix is a scenario's matrix after the options of the run have been applied.
type matrix struct {
	axes         []axis // server and model first, then in the order of the file
	combinations []combination
}

// readMatrix expands the matrix of a scenario. Servers and a model in the options replace those axes.
func readMatrix(d *decoder, root *syntax.Node, opt Options) matrix {
	n := d.get(root, "matrix")
	m := matrix{axes: d.axes(n)}
	if len(opt.Servers) > 0 {
		m.replace(serverAxis, opt.Servers)
	}
	if opt.Model != "" {
		m.replace(modelAxis, []string{opt.Model})
	}
	if opt.DefaultServer != "" && !slices.ContainsFunc(m.axes, func(a axis) bool { return a.name == serverAxis }) {
		m.replace(serverAxis, []string{opt.DefaultServer})
	}
	slices.SortStableFunc(m.axes, func(a, b axis) int { return axisRank(a.name) - axisRank(b.name) })

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
		if len(kept) == len(all) && len(opt.Servers) == 0 && opt.Model == "" {
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
		all = append(all, m.product(fixed)...)
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

// axes reads the axes. The values of an axis must have one kind, because expressions are typed; whole numbers and
// fractions together are numbers.
func (d *decoder) axes(n *syntax.Node) []axis {
	if n == nil || n.Kind != syntax.MapKind {
		return nil
	}
	var out []axis
	for _, e := range n.Entries {
		if e.Key == "include" || e.Key == "exclude" || e.Node.Kind != syntax.ListKind {
			continue
		}
		a := axis{name: e.Key}
		kinds := map[expr.Kind]bool{}
		for _, item := range e.Node.Items {
			if k := expr.LiteralKind(item.Scalar); k != "" {
				kinds[k] = true
				a.values = append(a.values, item.Scalar)
			}
		}
		if kinds[expr.Int] && kinds[expr.Float] {
			delete(kinds, expr.Int)
			for i, v := range a.values {
				if whole, ok := v.(int); ok {
					a.values[i] = float64(whole)
				}
			}
		}
		if len(kinds) > 1 {
			d.errorKey(n, e.Key, "plan/matrix", "quote the texts, or use two axes", "axis %q mixes %s", e.Key, kindList(kinds))
		}
		if len(a.values) > 0 {
			out = append(out, a)
		}
	}
	return out
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
	a := axis{name: name}
	for _, v := range with {
		if !slices.Contains(a.values, any(v)) {
			a.values = append(a.values, v)
		}
	}
	for i := range m.axes {
		if m.axes[i].name == name {
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
		values := a.values
		if v, ok := fixed[a.name]; ok {
			values = []any{v}
		}
		var next []combination
		for _, c := range out {
			for _, v := range values {
				n := maps.Clone(c)
				n[a.name] = v
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
func (d *decoder) combination(n *syntax.Node, axes []axis) (combination, bool) {
	if n.Kind != syntax.MapKind {
		return nil, false
	}
	names := make([]string, len(axes))
	for i, a := range axes {
		names[i] = a.name
	}
	out, ok := combination{}, true
	for _, e := range n.Entries {
		i := slices.Index(names, e.Key)
		if i < 0 {
			d.errorf(e.At(), "plan/matrix", syntax.SuggestOr(e.Key, names, "its axes"), "the matrix has no axis %q", e.Key)
			ok = false
			continue
		}
		v := e.Node.Scalar
		if whole, isInt := v.(int); isInt && expr.LiteralKind(axes[i].values[0]) == expr.Float {
			v = float64(whole)
		}
		if expr.LiteralKind(v) != expr.LiteralKind(axes[i].values[0]) {
			d.errorf(e.Node, "plan/matrix", "write a value as the axis has it", "%s is not a value of axis %q, which takes %s",
				e.Node.Describe(), e.Key, expr.LiteralKind(axes[i].values[0]).Words())
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
