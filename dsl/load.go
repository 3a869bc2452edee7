package dsl

import (
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
)

// Load reads a scenario and plans it: it validates the file and its references, compiles every assertion, expands the
// matrix, and plays every conversation with replies of the greatest length. The plan is nil if a finding is an error.
// The same input gives the same plan.
func Load(f File, lib *Library, v expr.Vocabulary, opt Options) (*Plan, syntax.Diagnostics) {
	p := newPlanner(f, lib, v, opt)
	p.load(f)
	diags := p.diags.Sorted()
	if diags.Errors() {
		return nil, diags
	}
	p.plan.Warnings = diags
	return p.plan, diags
}

// Validate checks a file of any kind as far as possible without a server: a scenario is checked against the library
// and its assertions are compiled; servers and models files are resolved.
func Validate(f File, lib *Library, v expr.Vocabulary) syntax.Diagnostics {
	t, diags := readFile(f)
	if t == nil {
		return diags.Sorted()
	}
	switch t.kind {
	case "scenario":
		p := &planner{file: f.Name, lib: lib, names: expr.NewNames(v)}
		p.decode(t, diags)
		return p.diags.Sorted()
	case "servers", "models":
		diags = append(diags, lib.check(t)...)
	case "gates":
		_, found := decodeGates(t, expr.NewNames(v))
		diags = append(diags, found...)
	}
	return diags.Sorted()
}

func (p *planner) load(f File) {
	axes, cells, ok := p.read(f)
	if !ok {
		return
	}
	for _, c := range cells {
		p.scenarios = append(p.scenarios, c.scenario)
	}
	var made []*Cell
	for _, c := range cells {
		made = append(made, p.cell(axes, c))
		if p.diags.Errors() {
			return
		}
	}
	if p.selection != nil {
		p.selectFitting(made)
	}
	for _, c := range made {
		if len(c.Scenario.Conversations) == 0 {
			continue
		}
		if p.finish(c); p.diags.Errors() {
			return
		}
		p.plan.Cells = append(p.plan.Cells, c)
	}
	p.thresholds()
	var all []any
	for _, c := range p.plan.Cells {
		all = append(all, c.ID)
	}
	decides := []any{p.plan.Name, p.plan.Order, all}
	if p.overall(axes); len(p.plan.Overall) > 0 {
		for _, o := range p.plan.Overall {
			decides = append(decides, o.Assertion)
		}
	}
	if p.opt.Search != nil {
		decides = append(decides, *p.opt.Search)
	}
	p.plan.Digest = digest(decides...)
}

// decode reads the scenario once for every combination of its matrix.
func (p *planner) decode(t *tree, diags syntax.Diagnostics) ([]expr.Axis, []decoded) {
	d := &decoder{src: t.src, diags: append(diags, linkLibrary(t, p.lib)...)}
	vars := readVars(d, t.root, p.opt)
	m := readMatrix(d, t.root, p.opt)
	p.axes = m.declared
	p.named(d)
	p.variants(d, m)
	d.itemWords(t.root, p.names)
	p.names = p.names.OfObjectives(objectiveNames(t.root))
	p.diags = append(p.diags, d.diags...)
	combinations := m.combinations
	if !p.expandable(t, len(combinations)) || p.diags.Errors() {
		// The rest of the file is checked too, with the values of one cell.
		combinations = []combination{p.anyOf(m)}
	}
	var out []decoded
	choices := p.opt.Variants
	if len(choices) == 0 {
		choices = [][]Label{nil}
	}
	for _, c := range combinations {
		for _, chosen := range choices {
			s, found := decodeScenario(t, values{vars, c}, p.opt.Search, p.compiler(t))
			p.diags = append(p.diags, found...)
			if p.opt.Repeats > 0 {
				p.repeated(s)
			}
			out = append(out, decoded{c, chosen, s})
		}
	}
	p.diags = p.diags.Sorted()
	return m.axes, out
}

// anyOf returns a combination of an invalid matrix.
func (p *planner) anyOf(m matrix) combination {
	out := combination{}
	for _, a := range m.axes {
		out[a.Name] = a.Values[0]
	}
	return out
}

// named checks the servers and the model that the options name.
func (p *planner) named(d *decoder) {
	for _, name := range p.opt.Servers {
		switch s := p.lib.Server(name); {
		case p.lib == nil:
		case s == nil:
			d.errorf(nil, "plan/server", syntax.SuggestOr(name, p.lib.serverNames(), "servers"),
				"--server %s: there is no such server", name)
		case s.Abstract:
			d.errorf(nil, "plan/server", "name a profile that extends it", "--server %s: the profile is abstract", name)
		}
	}
	if name := p.opt.Model; name != "" && p.lib != nil && p.lib.Model(name) == nil {
		d.warnf(nil, "plan/model", p.lib.SuggestModel(name),
			"--model %s is in no models file: its context and template are not known, and the server is asked for it by this "+
				"name", name)
	}
}

// variants checks the variants that the options choose, for every server of the matrix.
func (p *planner) variants(d *decoder, m matrix) {
	for _, chosen := range p.opt.Variants {
		var given []string
		for _, l := range chosen {
			given = append(given, "--variant "+l.Name+"="+l.Value)
			if slices.ContainsFunc(m.axes, func(a expr.Axis) bool { return a.Name == l.Name }) {
				d.errorf(nil, "plan/variant", "call the axis or the variants otherwise",
					"--variant %s: the matrix of the scenario has an axis of this name", l.Name)
			}
		}
		for _, c := range m.combinations {
			name, _ := c[serverAxis].(string)
			s := p.lib.Server(name)
			if s == nil {
				continue // it has been reported, or the run finds a server
			}
			if _, wrong, help := s.With(chosen); wrong != "" {
				d.errorf(nil, "plan/variant", help, "%s: %s", strings.Join(given, " "), wrong)
				return
			}
		}
	}
}

// compiler returns the function that compiles the assertions of a file.
func (p *planner) compiler(t *tree) func(*expr.Assertion, expr.Env) syntax.Diagnostics {
	return func(a *expr.Assertion, env expr.Env) syntax.Diagnostics {
		if p.opt.Repeats > 0 {
			env.Repeats = p.opt.Repeats
		}
		env.Axes = p.axes
		env.Declared = func(path string) string { return p.declaredAt(t, path) }
		return a.Compile(p.names, env)
	}
}

// declaredAt says where the value of a var or an axis comes from: a place in the file, or the option that overrides
// it.
func (p *planner) declaredAt(t *tree, path string) string {
	group, name, _ := strings.Cut(path, ".")
	_, replaced := p.opt.Vars[name]
	e := t.root.Get(group).Find(name)
	switch {
	case group == "vars" && replaced:
		return "--var"
	case path == "matrix.server" && len(p.opt.Servers) > 0:
		return "--server"
	case path == "matrix.model" && p.opt.Model != "":
		return "--model"
	case e == nil:
		return "choice of the run" // the server of a scenario that names none
	}
	return fmt.Sprintf("%s:%d", t.src.Name, e.Line)
}

func newPlanner(f File, lib *Library, v expr.Vocabulary, opt Options) *planner {
	return &planner{file: f.Name, lib: lib, names: expr.NewNames(v), opt: opt,
		texts: map[syntheticKey]string{}, cuts: map[cutKey][]span{}}
}

// read reads a scenario as far as possible without a server. It returns false if there is an error.
func (p *planner) read(f File) (axes []expr.Axis, cells []decoded, ok bool) {
	t, diags := readFile(f)
	switch {
	case t == nil:
		p.diags = diags
		return nil, nil, false
	case t.kind != "scenario":
		d := decoder{src: t.src, diags: diags}
		d.errorf(t.root.Get("schema"), "plan/kind", "name a file with schema: homellm.scenario/v1", "a %s file cannot be run",
			t.kind)
		p.diags = d.diags
		return nil, nil, false
	}
	axes, cells = p.decode(t, diags)
	if p.diags.Errors() {
		return nil, nil, false
	}
	first := cells[0].scenario
	p.plan = &Plan{
		Name: first.Name, Description: first.Description, File: p.file, SHA256: first.SHA256,
		Order: first.Run.Order, Repeats: first.Run.Repeats, Warmup: first.Run.Warmup, Duration: first.Run.Duration,
	}
	p.isolation(first)
	if p.selection != nil {
		p.selectTags(cells)
		return axes, cells, p.bounded(cells)
	}
	for _, c := range cells {
		p.selectConversations(c.scenario)
	}
	if p.diags.Errors() {
		return nil, nil, false
	}
	return axes, cells, p.bounded(cells)
}
