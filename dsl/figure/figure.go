// Package figure is the grammar of the names of figures, such as steps.q1.ttft_ms.p50: which first words there are,
// in which scope each is known, over which turns its figures are and which metrics follow it. The input is a path,
// the output its parts. It knows no metric and no value, so that the language and the fold can both use it.
package figure

import (
	"regexp"
	"slices"
	"strings"
)

// Scope says what an assertion can see.
type Scope string

// The scopes of assertions, from the narrowest, and that of samples.
const (
	StepScope         Scope = "step"
	ConversationScope Scope = "conversation"
	ScenarioScope     Scope = "scenario"
	OverallScope      Scope = "overall" // every cell of a scenario, each in scenario scope below cell({…})
	// scenario scope of any run, with the other side below base.
	GatesScope  Scope = "gates file"
	SampleScope Scope = "sample" // figures with one value per repeat, which gates compare
	TurnScope   Scope = "slo"    // one turn, which meets an objective or misses it
	// a machine that is to play, before anything is measured
	BoxScope Scope = "requires.box"
)

// Wide reports whether the scope sees all repeats of a cell at once.
func (s Scope) Wide() bool { return s == ScenarioScope || s == GatesScope }

// Phase says which documents are in context in a turn.
type Phase string

// The phases. A conversation that never sees a document stays in Before.
const (
	Before Phase = "before" // no document has been injected yet
	// at least one document is in context and none has been removed since the last injection
	WithRAG      Phase = "with_rag"
	AfterEdit    Phase = "after_edit"    // the last change of the history was the edit of a question
	AfterCompact Phase = "after_compact" // the last change of the history replaced a part by a summary
	AfterRemoval Phase = "after_removal" // a document has been removed since the last injection
)

// Phases lists the phases in the order of a conversation's life.
func Phases() []string {
	return []string{string(Before), string(WithRAG), string(AfterRemoval), string(AfterEdit), string(AfterCompact)}
}

// Part is what the second word of a name selects.
type Part string

// The parts. With NoPart, the metric follows the first word.
const (
	NoPart           Part = ""
	StepPart         Part = "step"
	PhasePart        Part = "phase"
	ConversationPart Part = "conversation"
)

// Turns says over which of the selected turns a figure is.
type Turns string

// The turns. NoTurns: a fact, not a measurement of turns.
const (
	NoTurns   Turns = ""
	FirstTurn Turns = "first"
	LastTurn  Turns = "last"
	AllTurns  Turns = "all"  // folded into one value
	EachTurn  Turns = "each" // a distribution, of which a statistic is named
)

// Level says which metrics or facts follow a name.
type Level string

// The levels.
const (
	TurnLevel         Level = "turn"         // metrics of one turn
	AggregateLevel    Level = "aggregate"    // metrics of one turn that several turns have too
	StepLevel         Level = "step"         // the same, and the number of turns
	ConversationLevel Level = "conversation" // the same, and the metrics of a conversation
	RunLevel          Level = "run"
	ServerFacts       Level = "server"
	ModelFacts        Level = "model"
	Vars              Level = "vars"
	Axes              Level = "matrix"
	RepeatNumber      Level = "repeat"
	UserNumber        Level = "user"
	Baseline          Level = "base" // scenario scope of the other run
	BoxFacts          Level = "box"  // facts of a machine
)

// View is what a first word means in one scope.
type View struct {
	Turns Turns
	Level Level
}

// Root is a first word.
type Root struct {
	Name      string
	Part      Part
	Views     map[Scope]View
	Elsewhere string // advice for a scope that does not know it
}

const otherScenario = "a gates file is for any scenario: write the value, or assert it in the scenario"

// roots lists the first words in the order of messages. The metrics of a whole cell, such as gpu.power_w, are also
// known in a wide scope by their own names.
var roots = []Root{
	{"turn", NoPart, map[Scope]View{StepScope: {LastTurn, TurnLevel}, TurnScope: {LastTurn, TurnLevel}},
		"turn is the last turn of a step: move this to the assert of a step, or name the step: steps.<id>"},
	{"first_turn", NoPart, map[Scope]View{StepScope: {FirstTurn, TurnLevel}},
		"first_turn is the first turn of a step: move this to the assert of a step, or name the step: steps.<id>"},
	{"step", NoPart, map[Scope]View{StepScope: {AllTurns, StepLevel}},
		"step sums up the step that the assert belongs to; here, name the step: steps.<id>"},
	{"steps", StepPart, map[Scope]View{
		StepScope: {FirstTurn, TurnLevel}, ConversationScope: {FirstTurn, TurnLevel},
		ScenarioScope: {EachTurn, TurnLevel}, GatesScope: {EachTurn, TurnLevel}, SampleScope: {AllTurns, AggregateLevel},
	}, ""},
	{"conv", NoPart, map[Scope]View{ConversationScope: {AllTurns, ConversationLevel}},
		"conv sums up one conversation in one repeat: move this to the assert of the conversation; " +
			"for the whole scenario use conversations.<id>"},
	{"phases", PhasePart, map[Scope]View{
		ConversationScope: {AllTurns, StepLevel},
		ScenarioScope:     {EachTurn, AggregateLevel}, GatesScope: {EachTurn, AggregateLevel},
		SampleScope: {AllTurns, AggregateLevel},
	}, "a phase spans several steps: move this to the assert of the conversation or of the scenario"},
	{"conversations", ConversationPart, map[Scope]View{
		ScenarioScope: {EachTurn, ConversationLevel}, GatesScope: {EachTurn, ConversationLevel},
		SampleScope: {AllTurns, ConversationLevel},
	}, "conversations.<id> is over all repeats: move this to the assert of the scenario; in a conversation use conv"},
	{"run", NoPart, map[Scope]View{
		ScenarioScope: {AllTurns, RunLevel}, GatesScope: {AllTurns, RunLevel}, SampleScope: {AllTurns, RunLevel},
	}, "run sums up all repeats: move this to the assert of the scenario"},
	{"server", NoPart, facts(ServerFacts, TurnScope, StepScope, ConversationScope, ScenarioScope, GatesScope), ""},
	{"model", NoPart, facts(ModelFacts, TurnScope, StepScope, ConversationScope, ScenarioScope), otherScenario},
	{"matrix", NoPart, facts(Axes, TurnScope, StepScope, ConversationScope, ScenarioScope, BoxScope), otherScenario},
	{"vars", NoPart, facts(Vars, TurnScope, StepScope, ConversationScope, ScenarioScope, OverallScope, BoxScope),
		otherScenario},
	{"repeat", NoPart, facts(RepeatNumber, TurnScope, StepScope, ConversationScope),
		"the scenario's assert sees all repeats at once: move this to the assert of a step or conversation"},
	{"user", NoPart, facts(UserNumber, TurnScope, StepScope, ConversationScope),
		"the scenario's assert sees all users at once: move this to the assert of a step or conversation"},
	{"base", NoPart, facts(Baseline, GatesScope),
		"base is what a run is compared with: move this to the assert of a gates file, for `homellm compare`"},
	{"box", NoPart, facts(BoxFacts, BoxScope),
		"box is the machine that is to play, before anything is measured: move this to requires: {box: …}"},
}

func facts(level Level, in ...Scope) map[Scope]View {
	views := map[Scope]View{}
	for _, s := range in {
		views[s] = View{NoTurns, level}
	}
	return views
}

// Find returns the root with a name, or nil.
func Find(name string) *Root {
	if i := slices.IndexFunc(roots, func(r Root) bool { return r.Name == name }); i >= 0 {
		return &roots[i]
	}
	return nil
}

// In returns what the root means in a scope; ok is false if the scope does not know it.
func (r *Root) In(s Scope) (v View, ok bool) {
	if r == nil {
		return View{}, false
	}
	v, ok = r.Views[s]
	return v, ok
}

// Judges reports whether assertions know the root: the machines that are to play are no part of what they judge.
func (r *Root) Judges() bool {
	_, chooses := r.In(BoxScope)
	return r != nil && (!chooses || len(r.Views) > 1)
}

// Form is the form of names that begin with the root, up to the metric: steps.<id>.
func (r *Root) Form() string {
	switch r.Part {
	case NoPart:
		return r.Name
	case PhasePart:
		return r.Name + ".<phase>"
	default:
		return r.Name + ".<id>"
	}
}

// Known lists the roots of a scope.
func Known(s Scope) []*Root {
	var out []*Root
	for i := range roots {
		if _, ok := roots[i].In(s); ok {
			out = append(out, &roots[i])
		}
	}
	return out
}

// RootNames lists the first words of a scope.
func RootNames(s Scope) []string {
	var out []string
	for _, r := range Known(s) {
		out = append(out, r.Name)
	}
	return out
}

// Name is a parsed path.
type Name struct {
	*Root
	View
	ID   string // of the step, phase or conversation
	Rest string // the metric, with a statistic where the turns are EachTurn
}

// Parse parses a path in a scope. It is false if the scope does not know the first word.
func Parse(s Scope, path string) (n Name, ok bool) {
	first, rest, _ := strings.Cut(path, ".")
	n.Root = Find(first)
	if n.View, ok = n.In(s); !ok {
		return Name{}, false
	}
	if n.Rest = rest; n.Part != NoPart {
		n.ID, n.Rest, _ = strings.Cut(rest, ".")
	}
	return n, true
}

// Prefix is the path without the metric: steps.q1.
func (n Name) Prefix() string {
	if n.Part == NoPart {
		return n.Name
	}
	return n.Name + "." + n.ID
}

// CutBase returns what a path names on the other side of a comparison; ok is false if it names nothing there.
func CutBase(path string) (rest string, ok bool) {
	return strings.CutPrefix(path, string(Baseline)+".")
}

// Score is the path of the pass rate of an assertion: run.pass_rate["answers"].
func Score(assertion string) string { return scorePrefix + `["` + assertion + `"]` }

// PassRate is the last part of the path of every score.
const PassRate = "pass_rate"

const scorePrefix = "run." + PassRate

// CutScore is the name of the assertion whose pass rate a path names; ok is false if it names something else.
func CutScore(path string) (assertion string, ok bool) {
	assertion, ok = strings.CutPrefix(path, scorePrefix+`["`)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(assertion, `"]`)
}

// Label is the path of a label of a box: box.label.gpu.
func Label(name string) string {
	if IsID(name) {
		return labels + "." + name
	}
	return labels + `["` + name + `"]`
}

const labels = string(BoxFacts) + ".label"

// CutLabel is the name of the label that a path names; ok is false if it names something else.
func CutLabel(path string) (name string, ok bool) {
	if name, ok = strings.CutPrefix(path, labels+`["`); ok {
		return strings.CutSuffix(name, `"]`)
	}
	return strings.CutPrefix(path, labels+".")
}

// label is the form of the names of labels, boxes and keys.
var label = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// IsLabel reports whether a box, a key or a label may have a name.
func IsLabel(name string) bool { return label.MatchString(name) }

// Objective stands for the name of an objective in the names of metrics, such as slo.<name>.
const Objective = "<name>"

// OfObjective is the metric of one objective, such as slo.snappy; ok is false for the name of any other metric.
func OfObjective(metric, objective string) (name string, ok bool) {
	family, ok := strings.CutSuffix(metric, Objective)
	return family + objective, ok
}

// CutObjective is the objective whose metric a name is, given the name of that metric for all objectives.
func CutObjective(metric, name string) (objective string, ok bool) {
	family, ok := strings.CutSuffix(metric, Objective)
	if !ok {
		return "", false
	}
	objective, ok = strings.CutPrefix(name, family)
	return objective, ok && IsID(objective)
}

// id is the form of the names that are parts of a path, as the schemas state it.
var id = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// IsID reports whether a step, a conversation or an objective may have a name.
func IsID(name string) bool { return id.MatchString(name) }
