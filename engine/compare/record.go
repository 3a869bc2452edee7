package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// paths lists the samples that a cell's baseline keeps: those of the gates file, or the usual ones.
func (r Rules) paths(c *metrics.Cell) []wanted {
	var out []wanted
	if r.Usual {
		for _, path := range baselinePaths(c) {
			out = append(out, wanted{path: path})
		}
		return out
	}
	for _, g := range r.Gates {
		out = want(out, g.Metric, g)
	}
	return out
}

// Record makes a baseline from a cell of a passing run. It refuses a cell that was not measured, and one without a
// value for a gate that can fail; a gate that only warns may lack its value. More cells are further runs of the same
// thing without a change: the differences between their medians are the noise that a single run cannot show.
func (r Rules) Record(c *metrics.Cell, splits int, more ...*metrics.Cell) (*Baseline, error) {
	return record(c, r.paths(c), r.baseFigures(), splits, more...)
}

// FewRepeats says what a baseline with so few repeats cannot do, and the remedy; empty: nothing.
func FewRepeats(c *metrics.Cell) string {
	n := len(c.Repeats())
	again := fmt.Sprintf("for a better one play it again with --repeats %d", DefaultRepeats)
	switch {
	case n < DefaultMinSamples:
		return fmt.Sprintf("%s has %d repeats, and gates need %d to judge anything: %s", c.Name(), n, DefaultMinSamples,
			again)
	case n < DefaultRepeats:
		return fmt.Sprintf("%s has %d repeats: enough to judge, and fewer than the %d that find what docs/gate-quality.md "+
			"promises; %s",
			c.Name(), n, DefaultRepeats, again)
	}
	return ""
}

// baselinePaths lists what the cell's baseline keeps without a gates file.
func baselinePaths(c *metrics.Cell) []string {
	var out []string
	add := func(prefix string, g metrics.Group) {
		if len(c.Measured(g)) == 0 {
			return
		}
		for i := range metrics.Defs {
			if d := &metrics.Defs[i]; d.Baseline {
				out = append(out, prefix+"."+d.Name)
			}
		}
	}
	for _, conv := range c.Run().Started.Scenario.Conversations {
		for _, s := range conv.Steps {
			add("steps."+s.ID, metrics.Group{Step: s.ID})
		}
	}
	for _, p := range figure.Phases() {
		add("phases."+p, metrics.Group{Phase: p})
	}
	out = append(out, "run.output_tps", "run.cache.hit_rate", "run.error_rate")
	for _, o := range c.Planned.SLO {
		out = append(out, "run.slo."+o.Name, "run.goodput_rps."+o.Name)
	}
	return append(out, c.Scores()...)
}

// Kept returns the samples, by path, that the built-in gates and related figures of a cell need, whatever its verdict.
func Kept(c *metrics.Cell) map[string]BaselineMetric {
	out := map[string]BaselineMetric{}
	for _, path := range baselinePaths(c) {
		if m, ok := recordSample(c, path, 0, nil); ok {
			out[path] = m
		}
	}
	return out
}

// record makes a baseline from the samples of these paths. Figures are the paths below base. in the gates file's
// expressions.
func record(c *metrics.Cell, paths, figures []wanted, splits int, more ...*metrics.Cell) (*Baseline, error) {
	r := c.Run()
	if verdict, _, reason := r.Outcome(); verdict != event.Pass {
		return nil, fmt.Errorf("only a passing run can be a baseline, and this one is %s: %s", verdict, reason)
	}
	if c.Planned.Skip != "" || len(c.Repeats()) == 0 {
		return nil, fmt.Errorf("%s was not measured", c.Name())
	}
	b := &Baseline{
		Schema: BaselineSchema, Scenario: r.Started.Scenario.Name, Cell: c.ID, Name: c.Name(), Labels: c.Planned.Labels,
		Recorded: r.Started.Started, Run: r.Started.ID, Homellm: r.Started.Homellm,
		Fingerprint: FingerprintOf(c), AASplits: splits, AARuns: 1 + len(more), Metrics: map[string]BaselineMetric{},
	}
	// the same scenario, whatever its file looked like and whichever version of homellm played it
	alike := slices.DeleteFunc(MatchKeys(), func(k string) bool { return k == scenarioSum || k == homellmVersion })
	b.ClientError = clientError(c)
	for _, m := range more {
		b.Further = append(b.Further, m.Run().Started.ID)
		b.ClientError = max(b.ClientError, clientError(m))
		again := FingerprintOf(m)
		if diff := b.Fingerprint.Mismatches(again, alike); len(diff) > 0 {
			return nil, fmt.Errorf("run %s is no repetition of run %s: %v", m.Run().Started.ID, b.Run, diff[0])
		}
		if again.throttled() {
			b.Fingerprint.put(throttledShare, again[throttledShare])
		}
	}
	for _, w := range paths {
		kept, ok := recordSample(c, w.path, splits, more)
		switch {
		case ok:
			b.Metrics[w.path] = kept
		case w.missed(Measured(c, "").cannotTell(Gate{Metric: w.path, Stat: "p50"}) != ""):
			return nil, fmt.Errorf("%s: the run has no value of %s: %s", c.Name(), w.path, c.Sample(w.path).Why)
		}
	}
	var err error
	if b.Figures, err = figuresOf(c, figures); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name(), err)
	}
	if len(b.Metrics)+len(b.Figures) == 0 {
		return nil, fmt.Errorf("%s has no value of any metric that is gated", c.Name())
	}
	return b, nil
}

// recordSample returns what a baseline keeps of a path; ok is false if nothing is known of it.
func recordSample(c *metrics.Cell, path string, splits int, more []*metrics.Cell) (kept BaselineMetric, ok bool) {
	s := c.Sample(path)
	if !s.Told() {
		return kept, false
	}
	kept = BaselineMetric{Unit: s.Unit, Better: s.Better, Unknown: s.Unknown, Values: append([]float64{}, s.Values...),
		Between: between(s, more)}
	kept.hide(s)
	if _, items := figure.CutScore(path); items {
		kept.Items, more = s.Repeats, nil // the answers of one run: of further ones, each item would count again
	}
	if len(more) == 0 { // a baseline of several runs has only their values
		kept.Shown, kept.Within = s.Shown, s.Within
	}
	if sd, ok := stats.HalvingNoise(s.Values, splits); ok {
		kept.Noise = &sd
	}
	if sd, ok := kept.Between["p50"]; ok && (kept.Noise == nil || sd > *kept.Noise) {
		kept.Noise = &sd
	}
	for _, m := range more {
		again := m.Sample(path)
		kept.Values, kept.Unknown = append(kept.Values, again.Values...), kept.Unknown+again.Unknown
		kept.hide(again)
	}
	return kept, true
}

// hide stores the values of a sample that are not exact.
func (m *BaselineMetric) hide(s metrics.Sample) {
	for _, h := range s.Hidden {
		m.Hidden = append(m.Hidden, h.Range)
	}
	m.Why = cmp.Or(m.Why, s.Why)
}

// between is the standard deviation of the relative difference between two runs, for each statistic.
func between(s metrics.Sample, more []*metrics.Cell) map[string]float64 {
	runs := [][]float64{s.Values}
	for _, c := range more {
		if v := c.Sample(s.Path).Values; len(v) > 0 {
			runs = append(runs, v)
		}
	}
	if len(runs) < 2 {
		return nil
	}
	out := map[string]float64{}
	for stat, of := range centers {
		var each []float64
		for _, v := range runs {
			each = append(each, of(v, s.Better))
		}
		if mean := stats.Mean(each); mean != 0 {
			// the variance of a difference is twice that of one run
			out[stat] = stats.Deviation(each) * math.Sqrt2 / math.Abs(mean)
		}
	}
	return out
}
