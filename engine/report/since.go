package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/history"
	"homellm/engine/metrics"
	"homellm/engine/report/chart"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// SinceLast returns one line for each cell that was played before, on what moved since then.
func SinceLast(r *metrics.Run) []string {
	var out []string
	for _, c := range r.Cells {
		if c.Since == nil {
			continue
		}
		head := "since the last run"
		if len(r.Cells) > 1 {
			head = c.Name() + ": " + head
		}
		out = append(out, head+", "+sinceText(c))
	}
	return out
}

// sinceText says when the last run was, what moved and what else changed.
func sinceText(c *metrics.Cell) string {
	out := sinceWhen(c)
	sep := ": "
	for _, m := range headlines(c.Since) {
		out, sep = out+sep+moveText(m), ", "
	}
	if why := tooFew(c.Since); why != "" {
		out += "; " + why
	}
	if changed := changedSince(c.Since); len(changed) > 0 {
		out += "; also changed: " + strings.Join(changed, ", ")
	}
	return out
}

func sinceWhen(c *metrics.Cell) string { return before(c.Run().Started.Started.Sub(c.Since.Started)) }

// tooFew says how many more runs are needed before a change can be judged; empty: none.
func tooFew(s *event.SinceLast) string {
	left := history.EnoughRuns - s.Earlier
	if left <= 0 {
		return ""
	}
	return text.Plural(left, "more run") + " needed to judge"
}

func changedSince(s *event.SinceLast) []string {
	var out []string
	for _, c := range s.Changed {
		out = append(out, compare.Mismatch(c).String())
	}
	return out
}

// headlines returns the moves for one line: those of figures that moved unusually far, or else TTFT in the last phase,
// the speed and the hit rate of the cache.
func headlines(s *event.SinceLast) []history.Move {
	var judged, usual []history.Move
	first := ""
	for _, m := range s.Moves {
		if history.Move(m).Judged() {
			judged = append(judged, history.Move(m))
		}
		if strings.HasPrefix(m.Path, "phases.") && strings.HasSuffix(m.Path, ".ttft_ms") {
			first = m.Path
		}
	}
	if len(judged) > 0 {
		return judged[:min(len(judged), 3)]
	}
	for _, path := range []string{first, "run.output_tps", "run.cache.hit_rate"} {
		if i := slices.IndexFunc(s.Moves, func(m event.Move) bool { return m.Path == path }); i >= 0 {
			usual = append(usual, history.Move(s.Moves[i]))
		}
	}
	return usual
}

func moveText(m history.Move) string {
	out := fmt.Sprintf("%s %s -> %s (%s", m.Path, moved(m.Old, m.Unit), moved(m.New, m.Unit), movedBy(m))
	if m.Judged() {
		out += fmt.Sprintf(", %s: usual is %s", m.Verdict, usualMove(m))
	}
	return out + ")"
}

// moved formats a value with enough digits to show its change: a change of 0.6 % is not one from 21 ms to 22 ms.
func moved(v float64, unit string) string { return readable.WithUnit(readable.Significant(v, 4), unit) }

func movedBy(m history.Move) string {
	if m.Unit == "ratio" {
		return readable.Signed(math.Round(1e4*m.Change())/1e4, func(v float64) string { return readable.Significant(v, 2) })
	}
	if m.Old == 0 && m.New != 0 {
		return "from nothing"
	}
	return readable.Percent(m.Change())
}

// usualMove says how far a figure usually moves between two runs.
func usualMove(m history.Move) string {
	if m.Unit == "ratio" {
		return "up to " + readable.Significant(m.Usual, 2)
	}
	return "up to " + strings.TrimPrefix(readable.Percent(m.Usual), "+")
}

// before says how long before this run the other one was.
func before(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute before"
	case d < time.Hour:
		return text.Plural(int(d.Minutes()), "minute") + " before"
	case d < 48*time.Hour:
		return text.Plural(int(d.Hours()), "hour") + " before"
	}
	return text.Plural(int(d.Hours()/24), "day") + " before"
}

// sincePage is the part of a page on what moved since the last run.
type sincePage struct {
	ID, Head string
	Scenario string
	Last     string // the name of the last run's folder
	Lead     string
	Changed  []string
	Moves    chart.Table // those of [headlines]
	All      chart.Table // all moves, if there are more
}

func sinceOf(id string, c *metrics.Cell) *sincePage {
	s := c.Since
	if s == nil {
		return nil
	}
	table := func(caption string) chart.Table {
		return chart.Table{Caption: caption + " since the last run of " + c.Name(), Left: 1,
			Head: []string{"figure", "last run", "this run", "change", "usual", "judgement"}}
	}
	out := &sincePage{ID: id, Scenario: c.Run().Started.Scenario.Name, Head: "Since the last run, " + sinceWhen(c),
		Last: s.Run, Changed: changedSince(s), Moves: table("What moved"), All: table("Every figure")}
	for _, m := range headlines(s) {
		out.Moves.Rows = append(out.Moves.Rows, moveRow(m))
	}
	worse, better := 0, 0
	for _, m := range s.Moves {
		switch m.Verdict {
		case compare.Worse:
			worse++
		case compare.Better:
			better++
		}
		if len(s.Moves) > len(out.Moves.Rows) {
			out.All.Rows = append(out.All.Rows, moveRow(history.Move(m)))
		}
	}
	if out.Lead = tooFew(s); out.Lead == "" {
		out.Lead = fmt.Sprintf("%d worse, %d better by more than the usual difference between two of the %s before", worse,
			better, text.Plural(s.Earlier, "run"))
	}
	return out
}

func moveRow(m history.Move) chart.Row {
	row := chart.Row{Cells: []string{m.Path, moved(m.Old, m.Unit), moved(m.New, m.Unit), movedBy(m), readable.Unknown,
		readable.Unknown}}
	if m.Verdict == compare.Same || m.Judged() {
		row.Cells[4], row.Cells[5] = usualMove(m), string(m.Verdict)
	}
	if m.Judged() {
		row.Class = string(m.Verdict)
	}
	return row
}
