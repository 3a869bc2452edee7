package compare

import (
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/dsl/figure"
	"homellm/engine/event"
)

// The margins of the built-in gates.
const (
	worseFirst = 0.05  // of a time to the first token
	worseToken = 0.025 // of a time per token
	worseHits  = 0.02  // of a hit rate, absolute
	worseFails = 0.005 // of a share of failed requests, absolute
	// of a pass rate, absolute: what 300 questions can show, and 60 cannot
	worseAnswers = 0.05
	leastFirst   = 1.0 // ms by which a time to the first token must change
)

// DefaultRules are the rules without a gates file. They gate what a user notices first: the time to the first token
// in each phase, the decode speed, the prefix cache and the errors, and the same for each step that both sides have.
func DefaultRules() Rules {
	rules := Rules{
		Match: DefaultMatch, OnMismatch: MismatchInconclusive, Usual: true, Between: DefaultBetween,
		baseline: (&dsl.Gates{File: dsl.DefaultBaseline}).Baseline,
	}
	for _, phase := range figure.Phases() {
		name := "ttft-" + strings.ReplaceAll(phase, "_", "-")
		rules.Gates = append(rules.Gates, waits(name, "phases."+phase+".ttft_ms", worseFirst, leastFirst)...)
	}
	rules.Gates = append(rules.Gates, waits("decode-speed", "run.output_tps", worseToken, 0)...)
	rules.Gates = append(rules.Gates, shares("", "run.")...)
	return rules
}

// usual is a built-in gate.
func usual(name, metric, stat string, unknown event.OnUnknown) Gate {
	return Gate{
		Name: name, Metric: metric, Stat: stat, Alpha: DefaultAlpha, MinSamples: DefaultMinSamples,
		Severity: event.SeverityFail, OnUnknown: unknown,
	}
}

// waits are the gates of a time. The median shows a change of most repeats, the mean a large change of some, the tail
// a change of a few.
func waits(name, metric string, worse, least float64) []Gate {
	var out []Gate
	for _, stat := range []string{"p50", "mean", "p95"} {
		g := usual(name, metric, stat, event.UnknownInconclusive)
		if stat != "p50" {
			g.Name += "-" + map[string]string{"mean": "mean", "p95": "tail"}[stat]
		}
		g.MaxWorse, g.MinDelta = &worse, least
		out = append(out, g)
	}
	return out
}

// shares are the gates of the cache and of the errors.
func shares(name, prefix string) []Gate {
	hits := usual(name+"cache-hit-rate", prefix+"cache.hit_rate", "mean", event.UnknownWarns)
	hits.MaxWorseAbs = new(worseHits)
	fails := usual(name+"error-rate", prefix+"error_rate", "mean", event.UnknownInconclusive)
	fails.MaxWorseAbs = new(worseFails)
	return []Gate{hits, fails}
}

// answers are the gates of pass rates over the items of a data set, which are compared item by item.
func answers(old, now Source) (out []Gate) {
	if now.Cell == nil {
		return nil
	}
	for _, path := range now.Cell.Scores() {
		if len(old.Sample(path).Repeats) == 0 {
			continue
		}
		name, _ := figure.CutScore(path)
		g := usual("pass-rate-"+name, path, "mean", event.UnknownInconclusive)
		g.Better, g.MaxWorseAbs, g.Test = +1, new(worseAnswers), "paired"
		out = append(out, g)
	}
	return out
}

// gates are the gates of the rules; the built-in rules add those of each step that both sides have, because one step
// of many may become much worse before its phase does.
func (r Rules) gates(old, new Source) []Gate {
	if !r.Usual {
		return r.Gates
	}
	out := append(slices.Clone(r.Gates), answers(old, new)...)
	before := old.steps()
	for _, step := range new.steps() {
		if !slices.Contains(before, step) {
			continue
		}
		name, prefix := "step-"+step+"-", "steps."+step+"."
		of := waits(name+"ttft", prefix+"ttft_ms", worseFirst, leastFirst)
		of = append(of, waits(name+"token", prefix+"tpot_ms", worseToken, 0)...)
		for _, g := range append(of, shares(name, prefix)...) {
			g.step = true
			out = append(out, g)
		}
	}
	return out
}

// steps are the steps that a side has measured, in the order of the scenario.
func (s Source) steps() []string {
	if s.Cell == nil {
		return s.kept
	}
	var out []string
	for _, conv := range s.Cell.Run().Started.Scenario.Conversations {
		for _, step := range conv.Steps {
			if !slices.Contains(out, step.ID) {
				out = append(out, step.ID)
			}
		}
	}
	return out
}
