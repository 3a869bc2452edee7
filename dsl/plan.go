package dsl

import (
	"fmt"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// Options are what a run says beside the files.
type Options struct {
	Vars             map[string]string // replace the scenario's variables
	Servers          []string          // replace the matrix's servers
	DefaultServer    string            // plays a scenario that names no server; empty: its cells have none
	Model            string            // replaces the matrix's models
	Repeats          int               // 0: the scenario's own
	ContextSize      int               // context that is served, whatever a profile says; 0: not given
	MaxConversations int               // 0: all
	IncludeTags      []string          // conversations with any of these; none given: all
	ExcludeTags      []string          // wins over IncludeTags

	// Count returns the tokens of a text, and whether the model's own tokeniser has counted
	// them. The model is nil where a scenario leaves it to the server. A nil function estimates
	// from the characters.
	Count func(model *Model, text string) (n int, exact bool)

	// Render returns the prompt that a server makes of messages for a model, and whether it is
	// the model's own template that does. An error says that the template refuses them. An empty
	// prompt means that the template is not known, as a nil function does: a few tokens are
	// assumed around every message.
	Render func(server *Server, model *Model, messages []Message) (prompt string, exact bool, err error)

	// Examine looks at a whole conversation as the model's template renders it; nil: nobody does.
	Examine func(server *Server, model *Model, messages []Message) Examination

	// Served returns what is known of a server beyond its profile; nil: nothing.
	Served func(server string) (Served, bool)

	// Unavailable says why a path will be unknown on a server, or "". Nil: nothing is known.
	Unavailable func(server *Server, path string) string
}

// Examination is what the template of a model does to a conversation.
type Examination struct {
	Rendered bool      // the template is known, and takes the conversation
	Rewrites string    // where a turn does not extend the one before, and why; empty: every one does
	Daily    bool      // prompts hold today's date: they change at midnight
	Suspects []Suspect // text that the model reads as a special token
}

// Suspect is text of a message that a model reads as a special token.
type Suspect struct {
	Message int // index of the message
	Token   string
}

// Served is what a server that answers has shown.
type Served struct {
	ContextTokens int             // 0: not known
	Capabilities  map[string]bool // what was looked for: found or not; what is absent is left to the profile
}

// Plan is what a run will do: every cell with every request, before one is sent.
type Plan struct {
	Name        string
	Description string
	File        string
	SHA256      string // of the scenario and of every document file it reads
	Digest      string // of everything that decides what is done
	Order       string
	Repeats     int
	Warmup      int
	Cells       []*Cell
	Warnings    syntax.Diagnostics
}

// Cell is one combination of the matrix.
type Cell struct {
	ID       string // digest of everything that decides what the cell does
	Labels   []Label
	Values   map[string]any // of the axes
	Server   *Server        // nil: whichever server the run finds
	Model    *Model         // nil: whichever model the server has
	Scenario *Scenario
	Skip     string // why the cell cannot be played; empty if it can
	Turns    []PlannedTurn

	forecasts []forecast
	rewrites  string // where the template rewrites what it has rendered, if it was asked
	examined  bool   // it was, and takes every conversation
	daily     bool   // its prompts hold today's date
}

// Label is one coordinate of a cell.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// PlannedTurn is one request of one measured repeat.
type PlannedTurn struct {
	Conversation string
	Step         string
	Turn         int // within the step, from 1
	Phase        figure.Phase
	PromptTokens int
	ReplyTokens  int     // at most
	KeptTokens   int     // what the history keeps of the reply: the recorded one, or at most ReplyTokens
	Exact        bool    // counted by the model's own tokeniser and template
	Reusable     int     // prompt tokens that a prefix cache can have seen before, in whole blocks
	Ceiling      float64 // Reusable / PromptTokens: no prefix cache can hit more
	Known        bool    // the ceiling is one: the template does not rewrite what it has rendered before

	removed bool // a document was removed since the turn before
}

// Label returns the value of one of the cell's labels, or "".
func (c *Cell) Label(name string) string {
	for _, l := range c.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// String names a cell in messages: server x model x axis=value.
func (c *Cell) String() string {
	var parts []string
	for _, l := range c.Labels {
		if l.Name == serverAxis || l.Name == modelAxis {
			parts = append(parts, strings.Join(strings.Fields(l.Value), " "))
		} else {
			parts = append(parts, l.Name+"="+strings.Join(strings.Fields(l.Value), " "))
		}
	}
	return strings.Join(parts, " x ")
}

// ContextNeed is the longest prompt of the cell together with the reply it may get, in tokens.
func (c *Cell) ContextNeed() int {
	need := 0
	for _, t := range c.Turns {
		need = max(need, t.PromptTokens+t.ReplyTokens)
	}
	return need
}

// Size is how many tokens a conversation has at its largest: every prompt token and the reply
// that the history keeps.
func (c *Cell) Size(conversation string) int {
	size := 0
	for _, t := range c.Turns {
		if t.Conversation == conversation {
			size = max(size, t.PromptTokens+t.KeptTokens)
		}
	}
	return size
}

// ModelFact returns what the models file says of the cell's model by the names that expressions
// have for it below model., or false if it does not say it.
func (c *Cell) ModelFact(name string) (v any, ok bool) {
	if c.Model == nil {
		return nil, false
	}
	v = map[string]any{
		"name": c.Model.Name, "template": unlessZero(c.Model.Template), "quant": unlessZero(c.quant()),
		"context_tokens": unlessZero(c.Model.Context.Trained),
	}[name]
	return v, v != nil
}

// quant is the quantisation of the source that the server's engine takes.
func (c *Cell) quant() string {
	source := ""
	if c.Server != nil {
		source = c.Model.Engines[c.Server.Engine].Source
	}
	for _, s := range c.Model.Sources {
		if s.Name == source || source == "" && len(c.Model.Sources) == 1 {
			return s.Quant
		}
	}
	return ""
}

func unlessZero[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// Load reads a scenario and plans it: it validates and links the file, compiles every assertion,
// expands the matrix, and plays every conversation with replies of the greatest length. The
// plan is nil if a finding is an error. The same input gives the same plan.
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

// Check finds what is wrong with a scenario whichever server plays it: of what Load finds, the part
// that needs no server to be asked.
func Check(f File, lib *Library, v expr.Vocabulary, opt Options) syntax.Diagnostics {
	p := newPlanner(f, lib, v, opt)
	p.read(f)
	return p.diags.Sorted()
}

// Validate reads a file of any kind as far as it goes without a server: a scenario is held
// against the library and its assertions are compiled; servers and models files are resolved.
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

// planner is the work on one scenario.
type planner struct {
	file  string
	lib   *Library
	names *expr.Names
	opt   Options
	diags syntax.Diagnostics
	plan  *Plan

	counts map[countKey]count
	texts  map[syntheticKey]string
}

// decoded is a cell before it is looked at as a whole.
type decoded struct {
	values   combination
	scenario *Scenario
}

func newPlanner(f File, lib *Library, v expr.Vocabulary, opt Options) *planner {
	return &planner{file: f.Name, lib: lib, names: expr.NewNames(v), opt: opt, counts: map[countKey]count{}, texts: map[syntheticKey]string{}}
}

func (p *planner) load(f File) {
	axes, cells, ok := p.read(f)
	if !ok {
		return
	}
	for _, c := range cells {
		cell := p.cell(axes, c)
		if p.diags.Errors() {
			return
		}
		p.plan.Cells = append(p.plan.Cells, cell)
	}
	p.thresholds()
	var all []any
	for _, c := range p.plan.Cells {
		all = append(all, c.ID)
	}
	p.plan.Digest = digest(p.plan.Name, p.plan.Order, all)
}

// read reads a scenario as far as that needs no server. It returns false where there is an error.
func (p *planner) read(f File) (axes []axis, cells []decoded, ok bool) {
	t, diags := readFile(f)
	switch {
	case t == nil:
		p.diags = diags
		return nil, nil, false
	case t.kind != "scenario":
		d := decoder{src: t.src, diags: diags}
		d.errorf(t.root.Get("schema"), "plan/kind", "name a file with schema: homellm.scenario/v1", "a %s file cannot be run", t.kind)
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
		Order: first.Run.Order, Repeats: first.Run.Repeats, Warmup: first.Run.Warmup,
	}
	p.isolation(first)
	for _, c := range cells {
		p.selectConversations(c.scenario)
	}
	if p.diags.Errors() {
		return nil, nil, false
	}
	return axes, cells, p.bounded(cells)
}

// decode reads the scenario once for every combination of its matrix.
func (p *planner) decode(t *tree, diags syntax.Diagnostics) ([]axis, []decoded) {
	d := &decoder{src: t.src, diags: append(diags, linkLibrary(t, p.lib)...)}
	vars := readVars(d, t.root, p.opt)
	m := readMatrix(d, t.root, p.opt)
	p.named(d)
	p.diags = append(p.diags, d.diags...)
	combinations := m.combinations
	if !p.expandable(t, len(combinations)) || p.diags.Errors() {
		// The rest of the file is still looked at, for the values that one cell would have.
		combinations = []combination{p.anyOf(m)}
	}
	var out []decoded
	for _, c := range combinations {
		s, found := decodeScenario(t, values{vars, c}, p.compiler(t))
		p.diags = append(p.diags, found...)
		if p.opt.Repeats > 0 {
			s.Run.Repeats = p.opt.Repeats
		}
		out = append(out, decoded{c, s})
	}
	p.diags = p.diags.Sorted()
	return m.axes, out
}

// anyOf returns a combination for a matrix that is not sound.
func (p *planner) anyOf(m matrix) combination {
	out := combination{}
	for _, a := range m.axes {
		out[a.name] = a.values[0]
	}
	return out
}

// named checks the servers and the model that the options name.
func (p *planner) named(d *decoder) {
	for _, name := range p.opt.Servers {
		switch s := p.lib.Server(name); {
		case p.lib == nil:
		case s == nil:
			d.errorf(nil, "plan/server", syntax.SuggestOr(name, p.lib.serverNames(), "servers"), "--server %s: there is no such server", name)
		case s.Abstract:
			d.errorf(nil, "plan/server", "name a profile that extends it", "--server %s: the profile is abstract", name)
		}
	}
	if name := p.opt.Model; name != "" && p.lib != nil && p.lib.Model(name) == nil {
		d.warnf(nil, "plan/model", syntax.Suggest(name, p.lib.modelNames()),
			"--model %s is in no models file: its context and template are not known, and the server is asked for it by this name", name)
	}
}

// compiler returns the function that compiles the assertions of a file.
func (p *planner) compiler(t *tree) func(*expr.Assertion, expr.Env) syntax.Diagnostics {
	return func(a *expr.Assertion, env expr.Env) syntax.Diagnostics {
		if p.opt.Repeats > 0 {
			env.Repeats = p.opt.Repeats
		}
		env.Declared = func(path string) string { return p.declaredAt(t, path) }
		return a.Compile(p.names, env)
	}
}

// declaredAt says where the value of a var or an axis comes from: the place in the file, or the
// option that took its place.
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
		return "choice of the run" // a server for a scenario that names none
	}
	return fmt.Sprintf("%s:%d", t.src.Name, e.Line)
}
