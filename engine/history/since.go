package history

import (
	"math"
	"slices"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// EnoughRuns are the earlier runs from which on a run is judged by how much they differ among themselves.
const EnoughRuns = 5

// Since compares the newest run of a history with the run before it.
type Since struct {
	Last    Run
	Earlier int // runs before the newest
	With    []compare.Mismatch
	Moves   []Move // of the figures that both runs have, in the order of [History.Paths]
}

// Move is how far a figure moved from one run to the next. Changes between neighbouring earlier runs are usual up to
// their third quartile plus three times their interquartile range, as in rustc-perf.
type Move event.Move

// Change is relative to the old value, or absolute if the figure is a share. A relative change from 0 is infinite.
func (m Move) Change() float64 { return change(m.Old, m.New, m.Unit) }

// Judged reports whether the figure moved unusually far.
func (m Move) Judged() bool { return m.Verdict == compare.Worse || m.Verdict == compare.Better }

// SinceLast compares the newest run of a history with the one before it; false: there is none.
func (h History) SinceLast() (Since, bool) {
	n := len(h.Runs) - 1
	if n < 1 {
		return Since{}, false
	}
	out := Since{Last: h.Runs[n-1], Earlier: n, With: h.differences(n)}
	for _, path := range h.Paths() {
		if m, ok := h.move(path); ok {
			out.Moves = append(out.Moves, m)
		}
	}
	return out, true
}

// Continued compares a cell of a run that has just been played with the previous run; false if none of these histories
// is of that cell on this machine.
func Continued(all []History, c *metrics.Cell) (Since, bool) {
	if !Counts(c) {
		return Since{}, false
	}
	now := RunOf("", c)
	i := slices.IndexFunc(all, func(h History) bool { return h.Cell == c.Name() && h.Box == Box(now.Circumstances) })
	if i < 0 {
		return Since{}, false
	}
	h := all[i]
	h.Runs = append(slices.DeleteFunc(slices.Clone(h.Runs), func(r Run) bool { return r.ID == now.ID }), now)
	return h.SinceLast()
}

// mostKept limits the moves that a journal keeps for figures of steps.
const mostKept = 100

// Event returns what a journal keeps: every figure of the run and its phases, and those of steps that moved unusually
// far.
func (s Since) Event() event.SinceLast {
	out := event.SinceLast{Run: s.Last.Name, Started: s.Last.Started, Earlier: s.Earlier}
	for _, m := range s.With {
		out.Changed = append(out.Changed, event.Changed(m))
	}
	steps := 0
	for _, m := range s.Moves {
		if strings.HasPrefix(m.Path, "steps.") {
			if !m.Judged() || steps == mostKept {
				continue
			}
			steps++
		}
		out.Moves = append(out.Moves, event.Move(m))
	}
	return out
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
	usual := q3 + 3*(q3-q1)
	if math.IsInf(usual, 0) || math.IsNaN(usual) {
		return m, true // the figure was 0, so its relative changes cannot be compared
	}
	m.Usual = usual
	better := h.Runs[n].Figures[path].Better
	switch up := m.Change() > 0; {
	case math.Abs(m.Change()) <= m.Usual || better == 0:
		m.Verdict = compare.Same
	case up == (better > 0):
		m.Verdict = compare.Better
	default:
		m.Verdict = compare.Worse
	}
	return m, true
}

func change(a, b float64, unit string) float64 {
	switch {
	case unit == ratio:
		return b - a
	case a == b:
		return 0
	}
	return (b - a) / math.Abs(a)
}
