package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"homellm/engine/stats"
)

// historyRuns are the runs of a simulated history.
const historyRuns = 200

// history is a kind of history: the noise of a run has a standard deviation of 1, and add is added to it.
type history struct {
	Name     string
	at       []int // the first run of each new level
	from, to int   // the runs between which the level moves steadily; 0: it does not
	add      func(run int, r *rand.Rand) float64
}

func histories() []history {
	level := func(by float64, from ...int) func(int, *rand.Rand) float64 {
		return func(run int, _ *rand.Rand) (sum float64) {
			for i, at := range from {
				if run >= at {
					sum += by * float64(1-2*(i%2)) // up, and down again
				}
			}
			return sum
		}
	}
	return []history{
		{Name: "nothing changed", add: level(0)},
		{Name: "3 % of the runs went wrong, by 10 standard deviations", add: func(_ int, r *rand.Rand) float64 {
			if r.Float64() < 0.03 {
				return 10
			}
			return 0
		}},
		{Name: "a shift of 3 with 5 runs after it", at: []int{195}, add: level(3, 195)},
		{Name: "a shift of 3 halfway", at: []int{100}, add: level(3, 100)},
		{Name: "a shift of 2 halfway", at: []int{100}, add: level(2, 100)},
		{Name: "a shift of 3 that is undone 10 runs later", at: []int{120, 130}, add: level(3, 120, 130)},
		{Name: "a shift of 3 halfway, and 3 % went wrong by 10", at: []int{100}, add: func(run int, r *rand.Rand) float64 {
			wrong := 0.0
			if r.Float64() < 0.03 {
				wrong = 10
			}
			return level(3, 100)(run, r) + wrong
		}},
		{Name: "a steady rise by 4 over 100 runs", from: 50, to: 150, add: func(run int, _ *rand.Rand) float64 {
			return 4 * min(1, max(0, float64(run-50)/100))
		}},
	}
}

// series is the i-th history of a kind.
func (h history) series(i int) []float64 {
	r := rand.New(rand.NewPCG(17, uint64(i)))
	v := make([]float64, historyRuns)
	for run := range v {
		v[run] = 100 + r.NormFloat64() + h.add(run, r)
	}
	return v
}

// recorded is what apache-otava found in the same histories: recorded_otava.py wrote it.
//
//go:embed otava.json
var recorded []byte

type otava struct {
	Version string             `json:"version"`
	Points  map[string][][]int `json:"points"` // by kind, of each history
}

// counted are the changes that were there, those of them that were found, and the points where nothing changed.
type counted struct{ there, found, wrong, all int }

// count holds what was found in one history against what was planted: one run off is found.
func (c *counted) count(h history, points []int) {
	c.all++
	if h.to > 0 {
		c.there++
		if slices.ContainsFunc(points, func(p int) bool { return h.from <= p && p <= h.to }) {
			c.found++
		}
	}
	near := func(a, b int) bool { return a-b >= -1 && a-b <= 1 }
	for _, at := range h.at {
		c.there++
		if slices.ContainsFunc(points, func(p int) bool { return near(p, at) }) {
			c.found++
		}
	}
	for _, p := range points {
		rising := h.to > 0 && h.from-leastRuns <= p && p <= h.to+leastRuns
		if !rising && !slices.ContainsFunc(h.at, func(at int) bool { return near(p, at) }) {
			c.wrong++
		}
	}
}

// leastRuns is how far from a steady change a step may be found and still count as that change.
const leastRuns = 5

func (c counted) cells() string {
	found := "–"
	if c.there > 0 {
		found = share(c.found, c.there)
	}
	return fmt.Sprintf("%s | %.2f", found, float64(c.wrong)/float64(c.all))
}

// changes writes how well changes of level are found in histories. It checks that nine of ten shifts of three standard
// deviations are found, and that there is at most one wrong point in twenty histories.
func changes(w io.Writer, trials int) (missed []error) {
	var theirs otava
	if err := json.Unmarshal(recorded, &theirs); err != nil {
		return []error{fmt.Errorf("otava.json: %w", err)}
	}
	n := max(trials/20, 4)
	fmt.Fprintf(w, "\n## Changes in a history\n\nHistories of %d runs with independent noise of standard deviation 1; "+
		"in each table cell %d of them. A change is found if\nit is placed within one run. Beside it apache-otava %s with "+
		"its defaults (`bench/gatequality/recorded_otava.py`), on the same histories.\n\n", historyRuns, n, theirs.Version)
	fmt.Fprint(w, "| history | found | wrong points in a history | Otava found | wrong |\n|---|---:|---:|---:|---:|\n")
	for _, h := range histories() {
		var ours, other counted
		for i := range n {
			var points []int
			for _, c := range stats.Changes(h.series(i)) {
				points = append(points, (c.At+max(c.To, c.At))/2) // the middle of a steady change
			}
			ours.count(h, points)
		}
		for _, points := range theirs.Points[h.Name] {
			other.count(h, points)
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", h.Name, ours.cells(), other.cells())
		if ours.there > 0 && h.Name != "a shift of 2 halfway" && 10*ours.found < 9*ours.there {
			missed = append(missed, fmt.Errorf("%s: %d of %d found", h.Name, ours.found, ours.there))
		}
		if 20*ours.wrong > ours.all && ours.there == 0 {
			missed = append(missed, fmt.Errorf("%s: %d wrong points in %d histories", h.Name, ours.wrong, ours.all))
		}
	}
	fmt.Fprint(w, "\nOf a steady rise any point while it lasts counts as found, and up to five runs beside it none as "+
		"wrong.\n")
	return missed
}

// writeHistories writes each history as a line of JSON, for recorded_otava.py.
func writeHistories(w io.Writer, trials int) error {
	enc := json.NewEncoder(w)
	for _, h := range histories() {
		for i := range max(trials/20, 4) {
			if err := enc.Encode(map[string]any{"kind": h.Name, "values": h.series(i)}); err != nil {
				return err
			}
		}
	}
	return nil
}
