package expr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"homellm/dsl/figure"
	"homellm/dsl/syntax"
	"homellm/engine/text"
	"homellm/schema"
)

// Env says which names one assertion may use besides the vocabulary.
type Env struct {
	Scope         figure.Scope
	Steps         []string        // ids that may be used: the earlier steps of the conversation in step scope, else all
	LaterSteps    []string        // step scope: ids of later steps, for the message
	Conversations []string        // scenario scope
	Turns         map[string]int  // requests of every step in one repeat
	Scores        map[string]int  // scenario scope: the assertions that have a pass rate, with the size of its sample
	OfItems       map[string]bool // those of Scores whose sample is the items of a data set
	Repeats       int             // planned
	AllowSmallN   bool            // of the assertion
	Schemas       map[string]*schema.AnswerSchema
	Vars          map[string]any           // bool, int, float64 or string
	Matrix        map[string]any           // values of the cell's axes
	Axes          []Axis                   // overall scope: of the matrix, with every value that a cell has
	InTurn        bool                     // overall scope: the cells are played in turn
	Confidence    float64                  // overall scope: with which the differences must clear their bounds; 0: none
	Item          string                   // name of the item's variable; empty: there is none
	Columns       map[string]Kind          // of the items, whose values are known when one is judged
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
	if name == s.env.Item && name != "" {
		return s.item(name)
	}
	r := figure.Find(name)
	v, ok := r.In(s.env.Scope)
	if !ok {
		if t := s.names.cell.parts[name]; r == nil && t != nil && s.env.Scope.Wide() {
			return s.observed(name, t)
		}
		return nil
	}
	switch r.Part {
	case figure.StepPart:
		return s.steps(name, v)
	case figure.PhasePart:
		return s.phases(name, v)
	case figure.ConversationPart:
		return s.conversations(name, v)
	}
	switch v.Level {
	case figure.ModelFacts:
		return s.unmeasured(s.group(name, s.names.levels[v.Level]))
	case figure.Baseline:
		return s.base(name)
	case figure.BoxFacts:
		return s.box(name)
	case figure.Vars:
		return s.constants(name, "var", s.env.Vars)
	case figure.Axes:
		return s.constants(name, "axis", s.env.Matrix)
	case figure.RunLevel:
		return s.run(s.group(name, s.names.levels[v.Level]))
	case figure.RepeatNumber, figure.UserNumber:
		return &symbol{path: name, name: &Name{Path: name, Kind: Int}, kind: Int}
	}
	return s.group(name, s.names.levels[v.Level])
}

// run is the symbol of the figures of a whole run, and of the pass rates of assertions.
func (s *scope) run(figures *symbol) *symbol {
	inner := figures.part
	figures.parts = append(slices.Clip(figures.parts), figure.PassRate)
	figures.part = func(p string) *symbol {
		if p == figure.PassRate {
			return s.scores(figures.path + "." + p)
		}
		return inner(p)
	}
	return figures
}

// scores is the symbol of the pass rates of assertions, by their names.
func (s *scope) scores(path string) *symbol {
	names := slices.Sorted(maps.Keys(s.env.Scores))
	return &symbol{
		path: path, parts: names,
		part: func(name string) *symbol {
			if _, known := s.env.Scores[name]; !known && s.env.Scope != figure.GatesScope {
				return nil
			}
			return &symbol{path: figure.Score(name), name: &Name{Path: figure.PassRate, Kind: Float, Unit: "ratio", Rate: true,
				Better: +1}, kind: Float, measured: true}
		},
		missing: func(name string) (string, string) {
			return fmt.Sprintf("no assertion of a step or a conversation has the name %q", name), cmp.Or(syntax.Suggest(name,
				names), "give one a name: {name: "+name+", that: …}")
		},
	}
}

// figures is the symbol of the names below one step, phase or conversation.
func (s *scope) figures(path string, v figure.View, samples int, counted string) *symbol {
	if v.Turns == figure.EachTurn {
		return s.distributions(path, s.names.levels[v.Level], samples, counted)
	}
	return s.group(path, s.names.levels[v.Level])
}

// rootList lists the first names of this scope.
func (s *scope) rootList() []string {
	if !s.env.Scope.Wide() {
		names := figure.RootNames(s.env.Scope)
		if s.env.Item != "" {
			names = append(names, s.env.Item)
		}
		return names
	}
	return slices.Concat(figure.RootNames(s.env.Scope), s.names.cell.order)
}

// explainRoot says why a first name cannot be used.
func (s *scope) explainRoot(name string) (message, help string) {
	if s.env.Scope == figure.OverallScope {
		return s.explainOverall(name)
	}
	where, help := "the assert of a "+string(s.env.Scope), ""
	if s.env.Scope == figure.TurnScope {
		where, help = "slo", "an objective is about one turn: write turn.METRIC, and assert other figures in the scenario"
	}
	if s.env.Scope == figure.BoxScope {
		where, help = string(figure.BoxScope), "a machine is chosen before anything is measured: name a fact of it, such as "+
			boxExample
	}
	if r := figure.Find(name); r != nil {
		return fmt.Sprintf("%s is not known in %s", name, where), cmp.Or(help, r.Elsewhere)
	}
	if s.names.cell.parts[name] != nil {
		return fmt.Sprintf("%s is measured for a whole cell, and is not known in %s", name, where),
			cmp.Or(help, "move this to the assert of the scenario")
	}
	message = fmt.Sprintf("unknown name %q", name)
	if path := s.below(name, find); path != "" {
		return message, fmt.Sprintf("did you mean %q?", path)
	}
	if help = syntax.Suggest(name, s.rootList()); help != "" {
		return message, help
	}
	if path := s.below(name, findSimilar); path != "" {
		return message, fmt.Sprintf("did you mean %q?", path)
	}
	return message, "names here start with one of: " + strings.Join(s.rootList(), ", ")
}

// below returns a path to a name that find finds below the first names of this scope: leaving out the group is the most
// common mistake.
func (s *scope) below(name string, find func(at *symbol, part string) string) string {
	known := figure.Known(s.env.Scope)
	for _, r := range known {
		if slices.Contains(s.ids(r), name) {
			return r.Name + "." + name
		}
	}
	for _, r := range known {
		v, _ := r.In(s.env.Scope)
		if r.Part == figure.NoPart && v.Turns != figure.NoTurns || v.Level == figure.BoxFacts {
			if at := find(s.root(r.Name), name); at != "" {
				return at
			}
		}
	}
	if s.env.Scope.Wide() {
		steps := figure.Find("steps")
		if at := find(s.group(steps.Form(), s.names.levels[figure.AggregateLevel]), name); at != "" {
			return at + ".p50"
		}
	}
	return ""
}

// ids lists the ids that the files declare below a first name.
func (s *scope) ids(r *figure.Root) []string {
	v, _ := r.In(s.env.Scope)
	switch {
	case r.Part == figure.StepPart:
		return s.env.Steps
	case r.Part == figure.ConversationPart:
		return s.env.Conversations
	case v.Level == figure.Vars:
		return slices.Sorted(maps.Keys(s.env.Vars))
	case v.Level == figure.Axes:
		return slices.Sorted(maps.Keys(s.env.Matrix))
	}
	return nil
}

// steps is the symbol of all steps that may be named.
func (s *scope) steps(path string, v figure.View) *symbol {
	if s.env.Scope == figure.GatesScope {
		return s.anyOf(path, "step", v)
	}
	return &symbol{
		path: path, parts: s.env.Steps,
		part: func(id string) *symbol {
			if !slices.Contains(s.env.Steps, id) || s.env.Turns[id] == 0 {
				return nil
			}
			turns := s.env.Turns[id]
			return s.figures(path+"."+id, v, s.env.Repeats, times(s.env.Repeats, turns))
		},
		missing: func(id string) (string, string) {
			switch {
			case s.env.Scope == figure.StepScope && len(s.env.LaterSteps) > 0 && s.env.LaterSteps[0] == id:
				return fmt.Sprintf("step %q is the step that this is about", id),
					"here it is called turn (its last turn), first_turn or step (all its turns)"
			case slices.Contains(s.env.LaterSteps, id):
				return fmt.Sprintf("step %q is not over yet when this is judged", id),
					"an assert of a step sees earlier steps only: move this to the later step, or to the assert of the conversation"
			case slices.Contains(s.env.Steps, id):
				return fmt.Sprintf("step %q sends no request, so nothing is measured in it", id),
					"name the next step that asks something"
			}
			help := cmp.Or(syntax.Suggest(id, s.env.LaterSteps), syntax.SuggestOr(id, s.env.Steps, "steps known here"))
			return fmt.Sprintf("there is no step %q", id), help
		},
	}
}

// phases is the symbol of the three phases.
func (s *scope) phases(path string, v figure.View) *symbol {
	ids := figure.Phases()
	return &symbol{
		path: path, parts: ids,
		part: func(p string) *symbol {
			if !slices.Contains(ids, p) {
				return nil
			}
			return s.figures(path+"."+p, v, 0, "")
		},
		missing: func(p string) (string, string) {
			return fmt.Sprintf("there is no phase %q", p), syntax.SuggestOr(p, ids, "phases")
		},
	}
}

// conversations is the symbol of all conversations.
func (s *scope) conversations(path string, v figure.View) *symbol {
	if s.env.Scope == figure.GatesScope {
		return s.anyOf(path, "conversation", v)
	}
	return &symbol{
		path: path, parts: s.env.Conversations,
		part: func(id string) *symbol {
			if !slices.Contains(s.env.Conversations, id) {
				return nil
			}
			return s.figures(path+"."+id, v, 0, "")
		},
		missing: func(id string) (string, string) {
			return fmt.Sprintf("there is no conversation %q", id), syntax.SuggestOr(id, s.env.Conversations, "conversations")
		},
	}
}

// anyOf is the symbol of steps or conversations if only a run can tell which there are.
func (s *scope) anyOf(path, noun string, v figure.View) *symbol {
	return &symbol{
		path: path, parts: []string{"<id>"},
		part: func(id string) *symbol {
			if !figure.IsID(id) {
				return nil
			}
			return s.figures(path+"."+id, v, 0, "")
		},
		missing: func(id string) (string, string) {
			return fmt.Sprintf("%q is no id of a %s", id, noun), "ids are lower-case letters, digits and _"
		},
	}
}

// base is the symbol of the other side of a comparison: all that a run has, and two facts about the comparison.
func (s *scope) base(path string) *symbol {
	own := map[string]*Name{"age_h": {Path: "age_h", Kind: Float, Unit: "h"}, "matches": {Path: "matches", Kind: Bool}}
	parts := slices.Concat(figure.RootNames(figure.SampleScope), s.names.cell.order, slices.Sorted(maps.Keys(own)))
	return &symbol{path: path, parts: parts, part: func(p string) *symbol {
		switch name := own[p]; {
		case name != nil:
			return &symbol{path: path + "." + p, name: name, kind: name.Kind, measured: true}
		case slices.Contains(parts, p):
			return below(path+".", s.root(p))
		}
		return nil
	}}
}

// boxExample is a fact of a box, for advice.
const boxExample = "box.gpus"

// box is the symbol of the facts of a machine, and of its labels.
func (s *scope) box(path string) *symbol {
	facts := s.group(path, s.names.levels[figure.BoxFacts])
	inner := facts.part
	facts.parts = append(slices.Clip(facts.parts), "label")
	facts.part = func(p string) *symbol {
		if p == "label" {
			return s.labels(path + "." + p)
		}
		return inner(p)
	}
	facts.missing = func(p string) (string, string) {
		help := cmp.Or(syntax.Suggest(p, facts.parts), "its facts: "+strings.Join(facts.parts, ", "))
		if figure.IsLabel(p) && syntax.Suggest(p, facts.parts) == "" {
			help += "; a label of that name is " + figure.Label(p)
		}
		return fmt.Sprintf("a box has no fact %q", p), help
	}
	return facts
}

// labels is the symbol of the labels of a box. Which ones a box has is known when it is there.
func (s *scope) labels(path string) *symbol {
	return &symbol{
		path: path, parts: []string{"<key>"},
		part: func(name string) *symbol {
			if !figure.IsLabel(name) {
				return nil
			}
			return &symbol{path: figure.Label(name), name: &Name{Path: name, Kind: String}, kind: String, measured: true}
		},
		missing: func(name string) (string, string) {
			return fmt.Sprintf("%q is no name of a label", name), "labels have up to 64 letters, digits, - and _"
		},
	}
}

// item is the symbol of the columns of an item.
func (s *scope) item(path string) *symbol {
	columns := slices.Sorted(maps.Keys(s.env.Columns))
	return &symbol{
		path: path, parts: columns,
		part: func(p string) *symbol {
			k, ok := s.env.Columns[p]
			if !ok {
				return nil
			}
			return &symbol{path: path + "." + p, name: &Name{Path: p, Kind: k, Signed: true}, kind: k}
		},
		missing: func(p string) (string, string) {
			return fmt.Sprintf("the items have no column %q with a text, a number or a truth", p),
				syntax.SuggestOr(p, columns, "columns")
		},
	}
}

// constants is the symbol of values that the scenario sets.
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
			return fmt.Sprintf("there is no %s %q", noun, p), cmp.Or(syntax.Suggest(p, slices.Sorted(maps.Keys(of))),
				fmt.Sprintf("add it to `%s:`", path))
		},
	}
}

// times describes a sample size.
func times(repeats, turns int) string {
	s := text.Plural(repeats, "repeat")
	if turns > 1 {
		s += " x " + text.Plural(turns, "turn")
	}
	return s
}

// cellExample is a figure of a cell of this matrix, for advice.
func (s *scope) cellExample() string {
	selected := "{axis: value}"
	if len(s.env.Axes) > 0 {
		a := s.env.Axes[0]
		selected = "{" + a.Name + ": " + a.form(a.Values[0]) + "}"
	}
	return cellFunction + "(" + selected + ").steps.<id>.ttft_ms.p50"
}

// explainOverall says why a first name cannot be used in overall scope.
func (s *scope) explainOverall(name string) (message, help string) {
	switch {
	case name == string(figure.Axes):
		return "matrix differs from cell to cell", "select a cell by its values: " + s.cellExample()
	case name == cellFunction:
		return "cell is a function", "call it: " + s.cellExample()
	case figure.Find(name) != nil || s.names.cell.parts[name] != nil:
		return name + " is of one cell, and overall: sees all of them", "say of which one: " + s.cellExample()
	}
	return fmt.Sprintf("unknown name %q", name), "a figure here is one of a cell: " + s.cellExample()
}
