package dsl

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// Overall is an assertion over all cells, which is judged for each combination of the axes that it leaves out.
type Overall struct {
	Assertion *expr.Assertion
	Cases     []Case // never empty
}

// Case is one of the combinations for which an assertion over all cells is judged.
type Case struct {
	Labels  []Label          // the values of the axes that it leaves out, as far as cells differ in them
	Cells   map[string]*Cell // by the prefix of their figures; see [expr.CellRef]
	Missing string           // why there is nothing to judge: no cell has these values; empty if there is
}

// overall finds the cells of the assertions over all cells.
func (p *planner) overall(axes []expr.Axis) {
	if len(p.plan.Cells) == 0 {
		return
	}
	if n := len(p.opt.Variants); n > 1 && len(p.scenarios[0].Overall) > 0 {
		p.warn("plan/variant", "", "what the scenario asserts over all cells is not judged: there are %d variants of each", n)
		return
	}
	for _, a := range p.scenarios[0].Overall {
		if id := p.unplayed(a); id != "" {
			p.warn("plan/selection", "", "%s is not judged: %s is not played", a.Name, id)
			continue
		}
		o := Overall{Assertion: a}
		var missing string
		if o.Cases, missing = p.cases(a, axes); len(o.Cases) == 0 {
			if len(p.opt.Servers) == 0 && p.opt.Model == "" && !p.comes(a) {
				d := a.DiagnoseAt(0, len([]rune(a.That)))
				d.Severity, d.Code, d.Message = syntax.Error, "plan/matrix", missing
				d.Help = "compare cells that the matrix has, or remove it from exclude"
				p.once(d)
			}
			o.Cases = []Case{{Missing: missing}}
		}
		p.plan.Overall = append(p.plan.Overall, o)
	}
}

// comes says whether an assertion names a cell that another fleet may have, such as that of a box.
func (p *planner) comes(a *expr.Assertion) bool {
	return slices.ContainsFunc(p.axes, func(axis expr.Axis) bool {
		return axis.Open && slices.ContainsFunc(a.Cells(), func(ref expr.CellRef) bool {
			return ref.Values[axis.Name] != nil
		})
	})
}

// unplayed names a step or a conversation that an assertion reads and no cell plays; empty: there is none.
func (p *planner) unplayed(a *expr.Assertion) string {
	played := map[figure.Part]map[string]bool{figure.StepPart: {}, figure.ConversationPart: {}}
	for _, c := range p.plan.Cells {
		for _, conversation := range c.Scenario.Conversations {
			played[figure.ConversationPart][conversation.ID] = true
			for _, step := range conversation.Steps {
				played[figure.StepPart][step.ID] = true
			}
		}
	}
	for _, path := range a.Paths() {
		_, rest, ofCell := a.CutCell(path)
		name, ok := figure.Parse(figure.ScenarioScope, rest)
		if !ok || !ofCell {
			continue
		}
		if ids := played[name.Part]; ids != nil && !ids[name.ID] {
			return fmt.Sprintf("%s %q", name.Part, name.ID)
		}
	}
	return ""
}

// cases lists the combinations for which all cells of an assertion are in the plan. A combination in which they are
// all one cell says nothing and is left out. If there is no case, missing says which cell is not there.
func (p *planner) cases(a *expr.Assertion, axes []expr.Axis) (out []Case, missing string) {
	free := slices.DeleteFunc(slices.Clone(axes), func(axis expr.Axis) bool {
		return !slices.ContainsFunc(a.Cells(), func(ref expr.CellRef) bool {
			_, fixed := ref.Values[axis.Name]
			return !fixed
		})
	})
	var seen []combination
	for _, c := range p.plan.Cells {
		at := combination{}
		for _, axis := range free {
			at[axis.Name] = c.Values[axis.Name]
		}
		if slices.ContainsFunc(seen, func(o combination) bool { return maps.Equal(o, at) }) {
			continue
		}
		seen = append(seen, at)
		one, why := p.caseOf(a, axes, at)
		switch {
		case why != "":
			missing = why
		case len(a.Cells()) > 1 && oneCell(one.Cells):
			missing = "all that it compares are one cell"
		default:
			one.Labels = p.labels(free, at)
			out = append(out, one)
		}
	}
	return out, missing
}

// caseOf finds the cells of an assertion for one combination, or says which one is not there.
func (p *planner) caseOf(a *expr.Assertion, axes []expr.Axis, at combination) (out Case, missing string) {
	out.Cells = map[string]*Cell{}
	for _, ref := range a.Cells() {
		if p.withValues(ref.Values) == nil {
			return Case{}, noCell(axes, ref.Values)
		}
		want := maps.Clone(at)
		maps.Copy(want, ref.Values)
		if out.Cells[ref.Prefix] = p.withValues(want); out.Cells[ref.Prefix] == nil {
			return Case{}, noCell(axes, want)
		}
	}
	return out, ""
}

// withValues is the first cell with some values of axes, or nil.
func (p *planner) withValues(want combination) *Cell {
	for _, c := range p.plan.Cells {
		if combination(c.Values).has(want) {
			return c
		}
	}
	return nil
}

// noCell says that no cell has some values of axes.
func noCell(axes []expr.Axis, want combination) string {
	var named []string
	for _, axis := range axes {
		if v, ok := want[axis.Name]; ok {
			named = append(named, axis.Name+"="+axis.Title(v))
		}
	}
	return "no cell has " + strings.Join(named, ", ")
}

// Paired names the group of each cell, by their ids. Cells that an assertion over all cells compares with a confidence
// share one: their repeats are played in turn. So do those that alternate. Every other cell is a group of its own.
func (p *Plan) Paired() map[string]string {
	out := map[string]string{}
	for _, c := range p.Cells {
		out[c.ID] = c.ID
	}
	join := func(cells iter.Seq[*Cell]) {
		into := ""
		for c := range cells {
			if into == "" || out[c.ID] < into {
				into = out[c.ID]
			}
		}
		for c := range cells {
			from := out[c.ID]
			for other, name := range out {
				if name == from {
					out[other] = into
				}
			}
		}
	}
	for _, o := range p.Overall {
		if o.Assertion.Confidence == 0 {
			continue
		}
		for _, of := range o.Cases {
			join(maps.Values(of.Cells))
		}
	}
	if p.Alternating {
		alike := map[string][]*Cell{}
		for _, c := range p.Cells {
			of := c.apartFromServer()
			alike[of] = append(alike[of], c)
		}
		for _, cells := range alike {
			join(slices.Values(cells))
		}
	}
	return out
}

// apartFromServer is what a cell has in common with those that differ from it only in their server.
func (c *Cell) apartFromServer() string {
	var out []string
	for _, l := range c.Labels {
		if l.Name != serverAxis {
			out = append(out, strconv.Quote(l.Name)+strconv.Quote(l.Value))
		}
	}
	return strings.Join(out, " ")
}

func oneCell(cells map[string]*Cell) bool {
	all := map[*Cell]bool{}
	for _, c := range cells {
		all[c] = true
	}
	return len(all) == 1
}

// labels are the coordinates of a combination in the axes whose values differ between cells.
func (p *planner) labels(axes []expr.Axis, at combination) []Label {
	var out []Label
	for _, axis := range axes {
		v := at[axis.Name]
		if slices.ContainsFunc(p.plan.Cells, func(c *Cell) bool { return c.Values[axis.Name] != v }) {
			out = append(out, Label{axis.Name, axis.Title(v)})
		}
	}
	return out
}
