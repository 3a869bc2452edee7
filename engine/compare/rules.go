package compare

import (
	"slices"
	"time"

	"homellm/dsl"
	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/stats"
)

// DefaultBetween is the assumed relative difference between the times of two runs of the same thing: a single run
// cannot measure it.
const DefaultBetween = 0.05

// Rules say what is compared and what must match.
type Rules struct {
	Gates       []Gate
	Expressions []ExpressionGate
	Match       []string      // fingerprint keys
	OnMismatch  string        // MismatchInconclusive | MismatchFails | MismatchWarns
	MaxAge      time.Duration // of a baseline; 0: any
	Tighter     float64       // a change must exceed this multiple of the A/A noise to be worse or better; 0: any
	Between     float64       // assumed relative difference between times of two runs of the same thing
	InTurn      bool          // both sides were played in turn in one run
	// in a run that plays on until its gates are certain; none: in any other run, or when it is over
	Looks stats.Looks
	Usual bool // the gates are the built-in ones: those without a value on either side are left out

	folder   string                                // folder of the gates file
	baseline func(values map[string]string) string // path of a baseline in that folder
}

// The possible consequences of sides that are not comparable.
const (
	MismatchInconclusive = "inconclusive"
	MismatchFails        = "fail"
	MismatchWarns        = "warn"
)

// RulesOf are the rules of a gates file in a folder.
func RulesOf(g *dsl.Gates, folder string) Rules {
	rules := Rules{
		Match: g.MustMatch, OnMismatch: g.OnMismatch, MaxAge: g.MaxAge, Tighter: g.NoiseTimes,
		Between: DefaultBetween, Expressions: expressionGates(g), folder: folder, baseline: g.Baseline,
	}
	if g.BetweenRuns != nil {
		rules.Between = *g.BetweenRuns
	}
	switch {
	case rules.Match == nil:
		rules.Match = DefaultMatch
	case !slices.Contains(rules.Match, "model"): // the model always has to match, whatever else is listed
		rules.Match = append(slices.Clone(rules.Match), "model")
	}
	for _, r := range g.Compare {
		rules.Gates = append(rules.Gates, Gate{
			Name: r.Name, Metric: r.Metric, Stat: r.Stat, Better: r.Better, MaxWorse: r.MaxWorse, MaxWorseAbs: r.MaxWorseAbs,
			MinDelta: r.MinDelta, Test: r.Test, Alpha: r.Alpha, MinSamples: r.MinSamples,
			Severity: event.Severity(r.Severity), OnUnknown: event.OnUnknown(r.OnUnknown),
			File: r.Pos.File, Line: r.Pos.Line, Column: r.Pos.Col,
		})
	}
	return rules
}

// wanted is a path that a baseline keeps.
type wanted struct {
	path    string
	needed  bool // a gate that can fail rests on it
	allowed bool // all gates on it accept that it cannot be known
}

// missed says whether a baseline without a value of the path would be useless for a gate.
func (w wanted) missed(unsupported bool) bool { return w.needed && (!w.allowed || !unsupported) }

// want adds the path of a gate.
func want(paths []wanted, path string, g Gate) []wanted {
	i := slices.IndexFunc(paths, func(w wanted) bool { return w.path == path })
	if i < 0 {
		i = len(paths)
		paths = append(paths, wanted{path: path, allowed: true})
	}
	if g.Severity.Gates() {
		paths[i].needed = true
		paths[i].allowed = paths[i].allowed && g.OnUnknown.Allows()
	}
	return paths
}

// baseFigures are the paths below base. in the expressions.
func (r Rules) baseFigures() []wanted {
	var out []wanted
	for _, g := range r.Expressions {
		for _, path := range g.assertion.Paths() {
			if rest, ok := figure.CutBase(path); ok && rest != baseMatches && rest != baseAge {
				out = want(out, rest, g.Gate)
			}
		}
	}
	return out
}
