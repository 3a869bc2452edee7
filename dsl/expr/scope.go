package expr

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/schema"
)

// identifier is the form of the ids that expressions name, as the schema states it.
var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// symbol is a place in the tree of names that one assertion may use: a value, a group of names,
// or a distribution, which is the group of its statistics. Trees are walked, never built as a
// whole: a scenario of fifty steps has tens of thousands of paths.
type symbol struct {
	path     string
	name     *Name // of a value, and of the metric below a distribution
	kind     Kind  // of a value; empty: a group
	measured bool  // a run decides the value; a var or an axis is decided before
	constant any   // the value, where the scenario says it: bool, int, float64 or string
	dist     bool  // a distribution: its parts are statistics
	floor    int   // of a percentile: the samples it needs
	samples  int   // planned samples of a distribution; 0: not known
	counted  string
	parts    []string
	part     func(string) *symbol
	missing  func(string) (message, help string) // for a part that does not exist; nil: the usual words
}

// rootNames says which scopes a first name belongs to, and what to do in another scope.
var rootNames = []struct {
	name   string
	scopes []Scope
	help   string
}{
	{"turn", []Scope{StepScope}, "turn is the last turn of a step: move this to the assert of a step, or name the step: steps.<id>"},
	{"first_turn", []Scope{StepScope}, "first_turn is the first turn of a step: move this to the assert of a step, or name the step: steps.<id>"},
	{"step", []Scope{StepScope}, "step sums up the step that the assert belongs to; here, name the step: steps.<id>"},
	{"steps", []Scope{StepScope, ConversationScope, ScenarioScope, GatesScope}, ""},
	{"conv", []Scope{ConversationScope}, "conv sums up one conversation in one repeat: move this to the assert of the conversation; for the whole scenario use conversations.<id>"},
	{"phases", []Scope{ConversationScope, ScenarioScope, GatesScope}, "a phase spans several steps: move this to the assert of the conversation or of the scenario"},
	{"conversations", []Scope{ScenarioScope, GatesScope}, "conversations.<id> is over all repeats: move this to the assert of the scenario; in a conversation use conv"},
	{"run", []Scope{ScenarioScope, GatesScope}, "run sums up all repeats: move this to the assert of the scenario"},
	{"server", []Scope{StepScope, ConversationScope, ScenarioScope, GatesScope}, ""},
	{"model", []Scope{StepScope, ConversationScope, ScenarioScope}, "a gates file is for any scenario: write the value, or assert it in the scenario"},
	{"matrix", []Scope{StepScope, ConversationScope, ScenarioScope}, "a gates file is for any scenario: write the value, or assert it in the scenario"},
	{"vars", []Scope{StepScope, ConversationScope, ScenarioScope}, "a gates file is for any scenario: write the value, or assert it in the scenario"},
	{"repeat", []Scope{StepScope, ConversationScope}, "the scenario's assert sees all repeats at once: move this to the assert of a step or conversation"},
	{"base", []Scope{GatesScope}, "base is what a run is compared with: move this to the assert of a gates file, for `homellm compare`"},
}

// Env says what one assertion may name beside the vocabulary.
type Env struct {
	Scope         Scope
	Steps         []string       // ids that may be named: the earlier ones of the conversation in step scope, else all
	LaterSteps    []string       // step scope: ids that exist but come later, for the message
	Conversations []string       // scenario scope
	Turns         map[string]int // requests of every step in one repeat
	Repeats       int            // planned
	AllowSmallN   bool           // of the assertion
	Schemas       map[string]*schema.Shape
	Vars          map[string]any           // bool, int, float64 or string
	Matrix        map[string]any           // values of the cell's axes
	Node          *syntax.Node             // the expression in its file
	Declared      func(path string) string // where a var or an axis is declared, such as rag.yaml:24; may be nil
}

// scope is the root of the names that one assertion may use.
type scope struct {
	names *Names
	env   Env
}

// root returns the symbol of a first name, or nil.
func (s *scope) root(name string) *symbol {
	single := !s.wide()
	switch {
	case !s.has(name):
		return nil
	case name == "turn" || name == "first_turn":
		return s.group(name, s.names.turn)
	case name == "step":
		return s.group(name, s.names.step)
	case name == "conv":
		return s.group(name, s.names.conversation)
	case name == "run":
		return s.group(name, s.names.run)
	case name == "server":
		return s.group(name, s.names.server)
	case name == "model":
		return s.unmeasured(s.group(name, s.names.model))
	case name == "base":
		return s.base()
	case name == "steps" && s.env.Scope == GatesScope:
		return s.anyOf(name, "step", s.names.turn)
	case name == "conversations" && s.env.Scope == GatesScope:
		return s.anyOf(name, "conversation", s.names.conversation)
	case name == "steps":
		return s.steps(single)
	case name == "phases":
		return s.phases(single)
	case name == "conversations":
		return s.conversations()
	case name == "vars":
		return s.constants(name, "var", s.env.Vars)
	case name == "matrix":
		return s.constants(name, "axis", s.env.Matrix)
	case name == "repeat":
		return &symbol{path: name, name: &Name{Path: name, Kind: Int}, kind: Int}
	}
	if t := s.names.cell.parts[name]; t != nil {
		return s.observed(name, t)
	}
	return nil
}

// has reports whether a first name belongs to this scope.
func (s *scope) has(name string) bool {
	for _, r := range rootNames {
		if r.name == name {
			return slices.Contains(r.scopes, s.env.Scope)
		}
	}
	return s.wide() && s.names.cell.parts[name] != nil
}

// wide says whether the scope sees all repeats at once.
func (s *scope) wide() bool { return s.env.Scope == ScenarioScope || s.env.Scope == GatesScope }

// rootList lists the first names of this scope.
func (s *scope) rootList() []string {
	var out []string
	for _, r := range rootNames {
		if slices.Contains(r.scopes, s.env.Scope) {
			out = append(out, r.name)
		}
	}
	if s.wide() {
		out = append(out, s.names.cell.order...)
	}
	return out
}

// explainRoot says why a first name cannot be used.
func (s *scope) explainRoot(name string) (message, help string) {
	for _, r := range rootNames {
		if r.name == name {
			return fmt.Sprintf("%s is not known in the assert of a %s", name, s.env.Scope), r.help
		}
	}
	if s.names.cell.parts[name] != nil {
		return fmt.Sprintf("%s is measured for a whole cell, and is not known in the assert of a %s", name, s.env.Scope),
			"move this to the assert of the scenario"
	}
	message = fmt.Sprintf("unknown name %q", name)
	if path := s.below(name); path != "" {
		return message, fmt.Sprintf("did you mean %q?", path)
	}
	return message, cmp.Or(syntax.Suggest(name, s.rootList()), "names here start with one of: "+strings.Join(s.rootList(), ", "))
}

// below returns the path of what has a name somewhere below the first names of this scope: to
// leave out the group is the most common slip.
func (s *scope) below(name string) string {
	for _, group := range []struct {
		name string
		ids  []string
	}{
		{"vars", slices.Sorted(maps.Keys(s.env.Vars))}, {"matrix", slices.Sorted(maps.Keys(s.env.Matrix))}, {"steps", s.env.Steps}, {"conversations", s.env.Conversations},
	} {
		if slices.Contains(group.ids, name) && s.has(group.name) {
			return group.name + "." + name
		}
	}
	for _, group := range []string{"turn", "conv", "run"} {
		if g := s.root(group); g != nil {
			if at := find(g, name); at != "" {
				return at
			}
		}
	}
	if s.wide() {
		if at, ok := strings.CutPrefix(find(s.group("turn", s.names.aggregate), name), "turn."); ok {
			return "steps.<id>." + at + ".p50"
		}
	}
	return ""
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

// group is the symbol of a tree of numbers.
func (s *scope) group(path string, t *nameTree) *symbol {
	if t.name != nil {
		return &symbol{path: path, name: t.name, kind: t.name.Kind, measured: true}
	}
	return &symbol{path: path, parts: t.order, part: func(p string) *symbol {
		if next := t.parts[p]; next != nil {
			return s.group(path+"."+p, next)
		}
		return nil
	}}
}

// unmeasured is the same group of values that a file decides.
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

// distributions is the symbol of a tree whose numbers are distributions. Names without a
// distribution are left out and explained.
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
			if !slices.Contains(parts, p) {
				return nil
			}
			return s.distributions(path+"."+p, t.parts[p], samples, counted)
		},
		missing: func(p string) (string, string) {
			next := t.parts[p]
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
		path: path, name: name, dist: true, samples: samples, counted: counted, parts: Stats(),
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

// observed is the symbol of a tree of cell metrics. Each is one value for the cell, and the
// distribution of what was observed, whose size a plan cannot know.
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

// steps is the symbol of all steps that may be named.
func (s *scope) steps(single bool) *symbol {
	return &symbol{
		path: "steps", parts: s.env.Steps,
		part: func(id string) *symbol {
			if !slices.Contains(s.env.Steps, id) || s.env.Turns[id] == 0 {
				return nil
			}
			if single {
				return s.group("steps."+id, s.names.turn)
			}
			turns := s.env.Turns[id]
			return s.distributions("steps."+id, s.names.turn, s.env.Repeats*turns, times(s.env.Repeats, turns))
		},
		missing: func(id string) (string, string) {
			switch {
			case s.env.Scope == StepScope && len(s.env.LaterSteps) > 0 && s.env.LaterSteps[0] == id:
				return fmt.Sprintf("step %q is the step that this is about", id), "here it is called turn (its last turn), first_turn or step (all its turns)"
			case slices.Contains(s.env.LaterSteps, id):
				return fmt.Sprintf("step %q is not over yet when this is judged", id),
					"an assert of a step sees earlier steps only: move this to the later step, or to the assert of the conversation"
			case slices.Contains(s.env.Steps, id):
				return fmt.Sprintf("step %q sends no request, so nothing is measured in it", id), "name the next step that asks something"
			}
			help := cmp.Or(syntax.Suggest(id, s.env.LaterSteps), syntax.SuggestOr(id, s.env.Steps, "steps known here"))
			return fmt.Sprintf("there is no step %q", id), help
		},
	}
}

// anyOf is the symbol of steps or conversations of which only a run can tell whether it has them.
func (s *scope) anyOf(path, noun string, t *nameTree) *symbol {
	return &symbol{
		path: path, parts: []string{"<id>"},
		part: func(id string) *symbol {
			if !identifier.MatchString(id) {
				return nil
			}
			return s.distributions(path+"."+id, t, 0, "")
		},
		missing: func(id string) (string, string) {
			return fmt.Sprintf("%q is no id of a %s", id, noun), "ids are small letters, digits and _"
		},
	}
}

// base is the symbol of what a run is compared with: all that the run has, and two facts of its own.
func (s *scope) base() *symbol {
	own := map[string]*Name{"age_h": {Path: "age_h", Kind: Float, Unit: "h"}, "matches": {Path: "matches", Kind: Bool}}
	parts := []string{"steps", "phases", "conversations", "run"}
	parts = append(append(parts, s.names.cell.order...), slices.Sorted(maps.Keys(own))...)
	return &symbol{path: "base", parts: parts, part: func(p string) *symbol {
		switch name := own[p]; {
		case name != nil:
			return &symbol{path: "base." + p, name: name, kind: name.Kind, measured: true}
		case slices.Contains(parts, p):
			return below("base.", s.root(p))
		}
		return nil
	}}
}

// below is a symbol whose path, and those of all its parts, begin with a prefix.
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

// phases is the symbol of the three phases.
func (s *scope) phases(single bool) *symbol {
	var ids []string
	for _, p := range phases {
		ids = append(ids, string(p))
	}
	return &symbol{
		path: "phases", parts: ids,
		part: func(p string) *symbol {
			switch {
			case !slices.Contains(ids, p):
				return nil
			case single:
				return s.group("phases."+p, s.names.step)
			}
			return s.distributions("phases."+p, s.names.aggregate, 0, "")
		},
		missing: func(p string) (string, string) {
			return fmt.Sprintf("there is no phase %q", p), syntax.SuggestOr(p, ids, "phases")
		},
	}
}

// conversations is the symbol of all conversations.
func (s *scope) conversations() *symbol {
	return &symbol{
		path: "conversations", parts: s.env.Conversations,
		part: func(id string) *symbol {
			if !slices.Contains(s.env.Conversations, id) {
				return nil
			}
			return s.distributions("conversations."+id, s.names.conversation, 0, "")
		},
		missing: func(id string) (string, string) {
			return fmt.Sprintf("there is no conversation %q", id), syntax.SuggestOr(id, s.env.Conversations, "conversations")
		},
	}
}

// constants is the symbol of values that the scenario says itself.
func (s *scope) constants(path, noun string, of map[string]any) *symbol {
	return &symbol{
		path: path, parts: slices.Sorted(maps.Keys(of)),
		part: func(p string) *symbol {
			v, ok := of[p]
			if !ok {
				return nil
			}
			k := LiteralKind(v)
			return &symbol{path: path + "." + p, name: &Name{Path: p, Kind: k}, kind: k, constant: v}
		},
		missing: func(p string) (string, string) {
			return fmt.Sprintf("there is no %s %q", noun, p), cmp.Or(syntax.Suggest(p, slices.Sorted(maps.Keys(of))), fmt.Sprintf("add it to `%s:`", path))
		},
	}
}

// LiteralKind returns the kind of a literal.
func LiteralKind(v any) Kind {
	switch v.(type) {
	case float64:
		return Float
	case int:
		return Int
	case string:
		return String
	case bool:
		return Bool
	}
	return ""
}

// times words a sample count.
func times(repeats, turns int) string {
	s := syntax.Plural(repeats, "repeat")
	if turns > 1 {
		s += " x " + syntax.Plural(turns, "turn")
	}
	return s
}
