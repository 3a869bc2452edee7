// Package history compares the figures of many runs.
//
// The input is the runs of one cell on one machine, in the order in which they were played. The output is the
// circumstances that changed between them, the runs at which the level of a figure changed, and how far figures moved
// since the last run. It reads no files and shows nothing.
package history

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// History is what one cell of a scenario measured on one machine, the oldest run first.
type History struct {
	Scenario, Cell, Box string
	Runs                []Run
}

// Run is one run of a history.
type Run struct {
	Name          string // of its folder
	ID            string
	Started       time.Time
	Verdict       event.Outcome
	Circumstances compare.Fingerprint
	Figures       map[string]compare.BaselineMetric // by path
}

// Counts reports whether a cell of a run is part of a history: it was played to the end and measured something.
func Counts(c *metrics.Cell) bool { return c.Finished() && len(c.Repeats()) > 0 }

// RunOf returns the entry of a history for a cell of a run; name is that of the run's folder.
func RunOf(name string, c *metrics.Cell) Run {
	r := c.Run()
	verdict, _, _ := r.Outcome()
	return Run{Name: name, ID: r.Started.ID, Started: r.Started.Started.UTC(), Verdict: verdict,
		Circumstances: compare.FingerprintOf(c), Figures: compare.Kept(c)}
}

// Box names the machine that a cell was measured on by its GPU, or else its CPU.
func Box(f compare.Fingerprint) string {
	if f["server.simulated"] == "yes" {
		return "simulator"
	}
	return cmp.Or(f["gpu.name"], f["cpu.name"], "unknown machine")
}

// Value is what a run measured of a figure.
type Value struct {
	metrics.Value
	Low, High float64 // the quartiles of its repeats; equal to the value of a single one
	N         int     // repeats
}

// Value is the median, or for a share the mean, of what a run measured along a path such as steps.q.ttft_ms. It is
// unknown where the run did not measure it.
func (r Run) Value(path string) Value {
	m, ok := r.Figures[path]
	if !ok {
		return Value{Value: metrics.Value{Why: "it was not measured"}}
	}
	s := m.Sample(path)
	out := Value{Value: s.Stat(statistic(path)), N: s.Count()}
	if sorted := slices.Sorted(slices.Values(s.Values)); len(sorted) > 0 {
		out.Low, out.High = stats.Percentile(sorted, 25), stats.Percentile(sorted, 75)
	}
	return out
}

// statistic is the one that the built-in gates hold a metric by: the median of times, the mean of shares.
func statistic(path string) string {
	if d, ok := metrics.OfPath(path); ok && d.Unit == ratio {
		return "mean"
	}
	return "p50"
}

// Paths are the figures that any run of the history has: what a run as a whole measured, its phases in the order in
// which they are played, its steps.
func (h History) Paths() []string {
	all := map[string]bool{}
	for _, r := range h.Runs {
		for p := range r.Figures {
			all[p] = true
		}
	}
	rank := func(path string) int {
		words := strings.SplitN(path, ".", 3)
		switch words[0] {
		case "run":
			return 0
		case "phases":
			return 1 + slices.Index(figure.Phases(), words[1])
		}
		return 1 + len(figure.Phases())
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
	})
}

// Figures returns the paths of all figures in some histories, sorted.
func Figures(all []History) []string {
	var out []string
	for _, h := range all {
		out = append(out, h.Paths()...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Change is a change of level of a figure, with what changed between the run before it and the first of the new level.
type Change struct {
	Path string
	At   int // position of the first run of the new level
	To   int // position of the last run of a steady change; 0: the level changed at once
	// medians of the runs before and after
	Before, After float64
	With          []compare.Mismatch
}

// Changes finds where a figure changed its level. Runs that do not know it are left out.
func (h History) Changes(path string) []Change {
	var values []float64
	var at []int
	for i, r := range h.Runs {
		if v, ok := r.Value(path).Number(); ok {
			values, at = append(values, v), append(at, i)
		}
	}
	if n := len(values) - mostRuns; n > 0 {
		values, at = values[n:], at[n:]
	}
	var out []Change
	for _, c := range stats.Changes(values) {
		one := Change{Path: path, At: at[c.At], Before: c.Before, After: c.After}
		if c.To > 0 {
			one.To = at[c.To]
		}
		if one.At > 0 {
			one.With = h.differences(one.At)
		}
		out = append(out, one)
	}
	return out
}

// mostRuns are the newest runs in which changes are looked for: the search takes a time and a memory that grow with
// the square of their number.
const mostRuns = 1000

// differences returns what changed from the run before the i-th to the i-th.
func (h History) differences(i int) []compare.Mismatch {
	return h.Runs[i-1].Circumstances.Differences(h.Runs[i].Circumstances, nil)
}

// Differences returns what changed from each run to the next, by the position of the later one.
func (h History) Differences() map[int][]compare.Mismatch {
	out := map[int][]compare.Mismatch{}
	for i := 1; i < len(h.Runs); i++ {
		if d := h.differences(i); len(d) > 0 {
			out[i] = d
		}
	}
	return out
}

// ratio is the unit of shares.
const ratio = "ratio"
