package compare

import (
	"fmt"
	"math"
	"slices"

	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// leastRuns is how many runs a baseline needs to measure the difference between runs.
const leastRuns = 3

// steadyAlpha is the probability, at most, that a test over all times finds a drift in a steady side.
const steadyAlpha = 0.01

// isTime says whether a sample is of times or speeds, which the machine alone can change.
func isTime(path string) bool {
	def, ok := metrics.OfPath(path)
	return ok && (def.Unit == "ms" || def.Unit == "s" || def.Unit == "tokens/s")
}

// isTimeFigure says the same of a path in scenario scope, such as steps.q1.ttft_ms.p95.
func isTimeFigure(path string) bool {
	if name, _, ok := metrics.CutStat(path); ok {
		path = name
	}
	return isTime(path)
}

// betweenRuns is what a change between two separate runs must exceed besides the gate's margin, as shares of the old
// value: the usual difference between two runs, or the noise that a baseline of several runs has measured.
func (r Rules) betweenRuns(g Gate, old Source) (between, noise float64) {
	if old.Noise != nil && r.Tighter > 0 {
		if sd := old.Noise(g.Metric); sd != nil {
			noise = r.Tighter * *sd
		}
	}
	if !isTime(g.Metric) {
		return 0, noise
	}
	if old.Runs >= leastRuns {
		if sd, ok := old.BetweenRuns(g.Metric, g.Stat); ok {
			n := float64(old.Runs)
			return 0, stats.Student(0.995, n-1) * math.Sqrt((1+1/n)/2) * sd
		}
	}
	return r.Between, noise
}

// between notes the difference between runs, and makes gates on times unknown if the times of a side drifted while it
// was played.
func (r Rules) between(p *Pair) {
	if r.InTurn {
		return
	}
	why := throttled(p.Sides)
	if slices.ContainsFunc(r.gates(p.Sides[0], p.Sides[1]), func(g Gate) bool { return isTime(g.Metric) }) {
		if p.Sides[0].Runs < leastRuns && r.Between > 0 {
			p.Warnings = append(p.Warnings, fmt.Sprintf("each side is one run, and times differ between two runs "+
				"without a change: a time is worse or better only if it changes by %.3g %% more than the margin (between_runs); "+
				"a baseline of %d runs measures that difference, and ab avoids it", 100*r.Between, leastRuns))
		}
		if why == "" {
			why = r.unsteady(p.Sides)
		}
	}
	if why != "" {
		p.moving = why + ": its times cannot be told from the machine's; play it again when the machine is steady, or both " +
			"sides with ab"
	}
}

// throttled says which side's machine throttled; "": neither.
func throttled(sides [2]Source) string {
	for k, side := range sides {
		if side.Fingerprint.throttled() {
			return fmt.Sprintf("the %s side was not steady (a GPU slowed itself down for heat or power, share of samples: %s)",
				sideNames[k], side.Fingerprint[throttledShare])
		}
	}
	return ""
}

// unsteady says how the times of the sides drifted while they were played; "" if they did not.
func (r Rules) unsteady(sides [2]Source) string {
	drift := 0.0 // of both sides, in standard deviations
	for k, side := range sides {
		z, why := r.moves(side, sides)
		if why != "" {
			return fmt.Sprintf("the %s side was not steady (%s)", sideNames[k], why)
		}
		drift += z / math.Sqrt2
	}
	if odds := math.Erfc(math.Abs(drift) / math.Sqrt2); odds < steadyAlpha {
		return fmt.Sprintf("neither side was steady (both drifted the same way, p = %.2g)", odds)
	}
	return ""
}

// moves says how the times of a side drifted while it was played: neighbouring repeats are more alike than by chance,
// or there is a trend. "" if neither is seen. z is the trend of all times together, in standard deviations.
func (r Rules) moves(side Source, sides [2]Source) (z float64, why string) {
	if side.Runs > 1 {
		return 0, "" // its values are from several runs, whose differences are measured
	}
	seen := map[string]metrics.Sample{}
	var paths []string
	for _, g := range r.gates(sides[0], sides[1]) {
		if _, done := seen[g.Metric]; done || !isTime(g.Metric) {
			continue
		}
		if s := side.Sample(g.Metric); len(s.Values) >= g.MinSamples {
			seen[g.Metric] = s
			paths = append(paths, g.Metric)
		}
	}
	if len(paths) == 0 {
		return 0, ""
	}
	for _, path := range paths {
		if why := moving(path, seen[path], steadyAlpha/2/float64(len(paths))); why != "" {
			return 0, why
		}
	}
	// A change of the machine moves all times, and their ranks together show it before a single one does.
	all := metrics.Sample{Repeats: seen[paths[0]].Repeats, Values: make([]float64, len(seen[paths[0]].Values))}
	for _, path := range paths {
		s := seen[path]
		if !slices.Equal(s.Repeats, all.Repeats) {
			continue // some repeats are unknown
		}
		for i, r := range stats.Ranks(s.Values) {
			if s.Better > 0 {
				r = -r
			}
			all.Values[i] += r
		}
	}
	if t, ok := stats.TrendOf(all.Values, all.Repeats); ok {
		z = math.Copysign(math.Sqrt2*math.Erfinv(1-t.P), t.Total())
	}
	return z, moving("all times together", all, steadyAlpha)
}

// moving says how a sample drifted over its repeats; "" if it did not.
func moving(what string, s metrics.Sample, alpha float64) string {
	if t, ok := stats.TrendOf(s.Values, s.Repeats); ok && t.P < alpha {
		return fmt.Sprintf("%s drifted over its repeats, p = %.2g", what, t.P)
	}
	if p := stats.Serial(s.Values); p < alpha {
		return fmt.Sprintf("repeats of %s resemble their neighbours, p = %.2g", what, p)
	}
	return ""
}
