package history

import (
	"math"
	"slices"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/stats"
)

// EnoughRuns are the earlier runs from which on a run is judged by how much they differ among themselves.
const EnoughRuns = 5

// Since is what the newest run of a history measured, beside the run before it.
type Since struct {
	History
	Last, Now Run
	Earlier   int // runs before the newest
	With      []compare.Mismatch
	Moves     []Move // of the figures that both know, in the order of [History.Paths]
}

// Move is how far a figure moved from one run to the next.
type Move struct {
	Path, Unit string
	Old, New   float64
	// Change is relative to the old value, for a share absolute.
	Change float64
	// Usual is the largest change that is not unusual between neighbouring runs of the history: the third quartile of
	// their absolute changes and three times their interquartile range beyond it, as rustc-perf does. It is 0 with
	// fewer than EnoughRuns earlier runs.
	Usual float64
	// compare.Worse, compare.Better, compare.Same, or event.Unknown with fewer than EnoughRuns earlier runs
	Verdict event.Outcome
}

// SinceLast compares the newest run of a history with the one before it; false: there is none.
func (h History) SinceLast() (Since, bool) {
	n := len(h.Runs) - 1
	if n < 1 {
		return Since{}, false
	}
	out := Since{History: h, Last: h.Runs[n-1], Now: h.Runs[n], Earlier: n, With: h.differences(n)}
	for _, path := range h.Paths() {
		if m, ok := h.move(path); ok {
			out.Moves = append(out.Moves, m)
		}
	}
	return out, true
}

// move is that of a figure from the last run but one to the last.
func (h History) move(path string) (Move, bool) {
	n := len(h.Runs) - 1
	before, now := h.Runs[n-1].Value(path), h.Runs[n].Value(path)
	m := Move{Path: path, Unit: now.Unit, Verdict: event.Unknown}
	var knownBefore, knownNow bool
	m.Old, knownBefore = before.Number()
	m.New, knownNow = now.Number()
	if !knownBefore || !knownNow {
		return m, false
	}
	m.Change = change(m.Old, m.New, m.Unit)
	var changes []float64
	last := math.NaN()
	for _, r := range h.Runs[:n] {
		v, ok := r.Value(path).Number()
		if !ok {
			continue
		}
		if !math.IsNaN(last) {
			changes = append(changes, math.Abs(change(last, v, m.Unit)))
		}
		last = v
	}
	if len(changes) < EnoughRuns-1 {
		return m, true
	}
	slices.Sort(changes)
	q1, q3 := stats.Percentile(changes, 25), stats.Percentile(changes, 75)
	m.Usual = q3 + 3*(q3-q1)
	better := h.Runs[n].Figures[path].Better
	switch up := m.Change > 0; {
	case math.Abs(m.Change) <= m.Usual || better == 0:
		m.Verdict = compare.Same
	case up == (better > 0):
		m.Verdict = compare.Better
	default:
		m.Verdict = compare.Worse
	}
	return m, true
}

// change is how far b is from a: relative to a, and for a share absolute. From 0 to anything else it is infinite.
func change(a, b float64, unit string) float64 {
	switch {
	case unit == ratio:
		return b - a
	case a == b:
		return 0
	}
	return (b - a) / math.Abs(a)
}
