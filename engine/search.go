package engine

import (
	"context"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
)

// Search lets something else decide what a run plays: round by round, until it has found the best of the cells. A cell
// plays the same number of repeats in every round, and its warm-ups before them, because its server may have been
// started anew. A resumed run keeps every whole round.
type Search struct {
	Of *event.Search // what is looked for

	// Next says what follows a round. Spent is the time since the start of the run, and cost the longest that a cell took
	// in a round so far, or 0.
	Next func(f *metrics.Run, spent time.Duration, cost func(cell string) time.Duration) Step // nil: nothing is looked for
}

// Step is what follows a round.
type Step struct {
	Cells      []string          // the cells of the next round, in their order; none: the run is over
	Conditions map[string]string // see [event.RoundDone]
	Over       map[string]string // cells that are not played any more, and why: see [event.CellDone]
}

// playRounds plays the rounds of a search.
func (r *run) playRounds(ctx context.Context, playable []int) error {
	at := map[string]int{}
	for _, i := range playable {
		at[r.plan.Cells[i].ID] = i
	}
	costs := map[string]time.Duration{}
	n := 0
	r.out.read(func(f *metrics.Run) { n = len(f.Rounds) })
	for {
		var step Step
		spent := time.Since(r.epoch)
		r.out.read(func(f *metrics.Run) {
			step = r.search.Next(f, spent, func(cell string) time.Duration { return costs[cell] })
		})
		for _, i := range playable {
			id := r.plan.Cells[i].ID
			if why, over := step.Over[id]; over && !r.failed[i] {
				delete(at, id)
				if err := r.leave(i, why); err != nil {
					return err
				}
			}
		}
		if len(step.Cells) == 0 {
			return nil
		}
		n++
		if err := r.playRound(ctx, n, step, at, costs); err != nil {
			return err
		}
	}
}

// playRound plays some cells once each. It ends early where the time is used up.
func (r *run) playRound(ctx context.Context, n int, step Step, at map[string]int,
	costs map[string]time.Duration) error {
	var passes []pass
	var cells []string // that can be played
	for _, id := range step.Cells {
		if _, can := at[id]; can {
			cells = append(cells, id)
		}
	}
	for _, id := range cells {
		passes = append(passes, r.visit(at[id], n)...)
	}
	r.progress.extend(passes, r.epoch.Add(r.search.Of.Budget), n*r.search.Of.Visit)
	for k, id := range cells {
		if time.Since(r.epoch)+costs[id] > r.search.Of.Budget {
			break
		}
		began := time.Now()
		for _, p := range r.visit(at[id], n) {
			failed, err := r.playPass(ctx, p, k > 0 || n > 1)
			if err != nil {
				return err
			}
			if failed {
				break
			}
		}
		costs[id] = max(costs[id], time.Since(began))
	}
	r.out.emit("", event.RoundDone{N: n, Cells: cells, Conditions: step.Conditions})
	return nil
}

// visit are the passes of a cell in a round.
func (r *run) visit(cell, n int) (out []pass) {
	run, each := r.plan.Cells[cell].Scenario.Run, r.search.Of.Visit
	for i := range run.Warmup {
		out = append(out, pass{cell: cell, repeat: (n-1)*run.Warmup + i + 1, warmup: true})
	}
	for i := range each {
		out = append(out, pass{cell: cell, repeat: (n-1)*each + i + 1})
	}
	return out
}

// leave finishes a cell that is not played any more.
func (r *run) leave(cell int, why string) error {
	done := event.CellDone{Stopped: why}
	var verdicts []event.Body
	started := false
	r.out.read(func(f *metrics.Run) {
		c := f.Cell(r.plan.Cells[cell].ID)
		if started = c.Started != nil && c.Failed == nil; started {
			done.Repeats = len(c.Repeats())
			verdicts, _ = judge.Again(r.plan.Cells[cell], f)
		}
	})
	switch {
	case !started:
		return nil // there was no time for it, or it has failed
	case r.sessions[cell] != nil:
		return r.finish(cell, done)
	} // it was played before the run was resumed
	for _, v := range verdicts {
		r.out.emit(r.plan.Cells[cell].ID, v)
	}
	r.out.emit(r.plan.Cells[cell].ID, done)
	return nil
}

// goOn lets a session continue the cell of a resumed search: it keeps the repeats of whole rounds.
func (r *run) goOn(s *session) {
	if r.search.Next == nil {
		return
	}
	r.out.read(func(f *metrics.Run) {
		cell := f.Cell(s.cell.ID)
		if cell == nil || cell.Started == nil {
			return
		}
		for _, n := range cell.Repeats() {
			if n <= len(f.Rounds)*r.search.Of.Visit {
				s.judge.Repeat(f, n)
				s.keeps = n
			}
		}
	})
	if s.keeps > 0 && s.cell.Scenario.Run.Cache == dsl.BySalt {
		s.salt = s.newSalt(pass{repeat: s.keeps}, "resumed")
	}
}
