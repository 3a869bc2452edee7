package compare

import (
	"strings"
	"time"

	"homellm/dsl"
	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/stats"
)

// Rules says what is compared and what must be alike.
type Rules struct {
	Gates       []Gate
	Expressions []ExpressionGate
	Match       []string      // fingerprint keys
	OnMismatch  string        // MismatchInconclusive | MismatchFails | MismatchWarns
	MaxAge      time.Duration // of a baseline; 0: any
	Tighter     float64       // a margin below this many times the A/A noise is not judged; 0: no check
	InTurn      bool          // both sides were played in turn in one run
	// at a run in turn that goes on until its gates are certain; none: at one that does not, or is over
	Looks stats.Looks
	Usual bool // the gates are the built-in ones: those without a value on either side are left out

	folder   string                                // of the gates file
	baseline func(values map[string]string) string // path of a baseline from there
}

// What sides that are not comparable mean.
const (
	MismatchInconclusive = "inconclusive"
	MismatchFails        = "fail"
	MismatchWarns        = "warn"
)

// DefaultRules gates what a user feels first where there is no gates file: the time to the first
// token in each phase, the decode speed, the prefix cache and the errors.
func DefaultRules() Rules {
	rules := Rules{
		Match: DefaultMatch, OnMismatch: MismatchInconclusive, Usual: true,
		baseline: (&dsl.Gates{File: dsl.DefaultBaseline}).Baseline,
	}
	add := func(name, metric, stat string, worse, abs *float64, least float64, unknown event.OnUnknown) {
		rules.Gates = append(rules.Gates, Gate{
			Name: name, Metric: metric, Stat: stat, MaxWorse: worse, MaxWorseAbs: abs, MinDelta: least,
			Alpha: DefaultAlpha, MinSamples: DefaultMinSamples, Severity: event.SeverityFail, OnUnknown: unknown,
		})
	}
	for _, phase := range figure.Phases() {
		add("ttft-"+strings.ReplaceAll(phase, "_", "-"), "phases."+phase+".ttft_ms", "p50", new(0.05), nil, 1,
			event.UnknownInconclusive)
	}
	add("decode-speed", "run.output_tps", "p50", new(0.025), nil, 0, event.UnknownInconclusive)
	add("cache-hit-rate", "run.cache.hit_rate", "mean", nil, new(0.02), 0, event.UnknownWarns)
	add("error-rate", "run.error_rate", "mean", nil, new(0.005), 0, event.UnknownInconclusive)
	return rules
}

// RulesOf are the rules of a gates file that lies in a folder.
func RulesOf(g *dsl.Gates, folder string) Rules {
	rules := Rules{
		Match: g.MustMatch, OnMismatch: g.OnMismatch, MaxAge: g.MaxAge, Tighter: g.NoiseTimes,
		Expressions: expressionGates(g), folder: folder, baseline: g.Baseline,
	}
	if rules.Match == nil {
		rules.Match = DefaultMatch
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
