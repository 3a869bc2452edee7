package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/server"
)

// run plays the sessions of a plan in the order of its schedule.
type run struct {
	instruments
	plan      *dsl.Plan
	budget    Budget
	search    Search
	failFast  bool
	changed   bool // the plan differs from that of the journal
	elsewhere Elsewhere
	sessions  map[int]*session
	failed    map[int]bool  // cells
	took      map[int]spans // the longest so far, per cell
}

// spans are the durations of the parts of playing a cell.
type spans struct {
	open time.Duration // opening its server
	pass time.Duration // a measured pass, with the cooldown before it
}

// play plays every pass of the schedule. Cells that are finished in the journal of a resumed run are left alone.
func (r *run) play(ctx context.Context, finished map[string]bool) error {
	defer r.closeAll()
	if r.elsewhere != nil {
		r.reopen(finished)
	}
	var playable []int
	for i, c := range r.plan.Cells {
		if !finished[c.ID] || r.changed {
			r.out.emit(c.ID, planned(c))
		}
		if c.Skip == "" && !finished[c.ID] {
			playable = append(playable, i)
		}
	}
	if err := r.judgeAgain(); err != nil { // the run was cut off before this
		return err
	}
	if r.elsewhere != nil {
		return r.playElsewhere(ctx, playable)
	}
	if r.search.Next != nil {
		return r.playRounds(ctx, playable)
	}
	passes := schedule(r.plan.Cells, playable)
	groups := r.groups(playable)
	r.progress.begin(passes)
	err := r.playPlanned(ctx, passes, groups)
	if r.budget.Time == 0 {
		return err
	}
	if err == nil {
		err = r.spend(ctx, groups)
	}
	if err != nil {
		r.finishAll(groups)
	}
	return err
}

// reopen has cells that are compared with each other be played again on one machine, if not all of them are finished: a
// run may end between storing one and the next.
func (r *run) reopen(finished map[string]bool) {
	group := r.plan.Paired()
	open := map[string]bool{}
	for _, c := range r.plan.Cells {
		if !finished[c.ID] && c.Skip == "" {
			open[group[c.ID]] = true
		}
	}
	for id, of := range group {
		finished[id] = finished[id] && !open[of]
	}
}

// playElsewhere has other machines play the cells.
func (r *run) playElsewhere(ctx context.Context, playable []int) error {
	var cells []*dsl.Cell
	for _, i := range playable {
		cells = append(cells, r.plan.Cells[i])
	}
	err := r.elsewhere(ctx, cells, Record{
		Elapsed: func() time.Duration { return time.Since(r.epoch) },
		Keep:    r.out.keep,
		Skip: func(c *dsl.Cell, why string) {
			c.Skip = why
			r.out.emit(c.ID, planned(c))
		},
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if again := r.judgeAgain(); err == nil {
		err = again
	}
	return err
}

// playPlanned plays the passes of the scenario.
func (r *run) playPlanned(ctx context.Context, passes []pass, groups []*group) error {
	last, of := map[int]int{}, map[int]*group{}
	for k, p := range passes {
		last[p.cell] = k
	}
	for _, g := range groups {
		for _, i := range g.cells {
			of[i] = g
		}
	}
	for k, p := range passes {
		if r.failed[p.cell] {
			continue
		}
		if _, err := r.playPass(ctx, p, k > 0); err != nil {
			return err
		}
		if last[p.cell] == k || r.failed[p.cell] {
			if err := r.played(of[p.cell], p.cell); err != nil {
				return err
			}
		}
	}
	return nil
}

// played is called when a cell has played its planned repeats, or has failed. Without a budget the cell is then
// finished.
func (r *run) played(g *group, cell int) error {
	if r.budget.Time == 0 {
		if r.failed[cell] {
			return nil
		}
		return r.finish(cell, event.CellDone{})
	}
	g.waiting--
	g.broken = g.broken || r.failed[cell]
	if g.waiting > 0 {
		return nil
	}
	return r.assess(g)
}

// playPass plays one pass, and judges those cells again whose report of cached tokens it withdrew. An error ends the
// run; failed says that the cell failed.
func (r *run) playPass(ctx context.Context, p pass, rest bool) (failed bool, err error) {
	failed, err = r.playOne(ctx, p, rest)
	if again := r.judgeAgain(); err == nil {
		err = again
	}
	return failed, err
}

func (r *run) playOne(ctx context.Context, p pass, rest bool) (failed bool, err error) {
	began := time.Now()
	wasOpen := r.isOpen(p.cell)
	s, err := r.session(ctx, p.cell)
	opened := time.Now()
	if err == nil {
		if rest && s.cell.Scenario.Run.Cooldown > 0 {
			err = sleep(ctx, s.cell.Scenario.Run.Cooldown)
		}
		if err == nil {
			err = s.pass(ctx, p)
		}
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if _, ok := errors.AsType[Aborted](err); ok {
		s.judgeAll() // what was measured so far is judged all the same
		r.failed[p.cell] = true
		return false, err
	}
	if err != nil {
		r.fail(p.cell, err)
		r.failed[p.cell] = true
		if r.failFast {
			return true, Aborted{"--fail-fast: " + err.Error()}
		}
		return true, nil
	}
	t := r.took[p.cell]
	if !wasOpen {
		t.open = max(t.open, opened.Sub(began))
	}
	if !p.warmup {
		t.pass = max(t.pass, time.Since(opened))
	}
	r.took[p.cell] = t
	return false, nil
}

// session opens the cell's session. A server that homellm starts runs alone: it is opened when its pass comes, after
// every other such server has been closed.
func (r *run) session(ctx context.Context, cell int) (*session, error) {
	c := r.plan.Cells[cell]
	if startsServer(c) {
		for i, s := range r.sessions {
			if i != cell && startsServer(s.cell) {
				s.close()
			}
		}
	}
	s := r.sessions[cell]
	if s == nil {
		s = newSession(&r.instruments, c, r.attempt(c.ID))
		r.goOn(s)
	}
	if !s.isOpen() {
		if err := s.start(ctx); err != nil {
			return nil, err
		}
	}
	r.sessions[cell] = s
	return s, nil
}

// startsServer reports whether homellm starts a server process for the cell, which needs the machine's memory for
// itself.
func startsServer(c *dsl.Cell) bool {
	return c.Server.Launch != nil && c.Server.Attach == "" && engines.Of(c.Server.Engine).Role != engines.Simulator
}

// attempt is the number of the next attempt: one more than in the journal.
func (r *run) attempt(cell string) (n int) {
	r.out.read(func(f *metrics.Run) {
		n = 1
		if c := f.Cell(cell); c != nil && c.Started != nil {
			n = c.Started.Attempt + 1
		}
	})
	return n
}

// finish judges a cell over all its repeats and closes it.
func (r *run) finish(cell int, done event.CellDone) error {
	s := r.sessions[cell]
	failedGate := s.judgeAll()
	r.out.emit(s.cell.ID, done)
	s.close()
	delete(r.sessions, cell)
	if failedGate != "" && r.failFast {
		return Aborted{"--fail-fast: " + failedGate + " failed"}
	}
	return nil
}

// judgeAgain judges the cells again that ended before their server's report of cached tokens was withdrawn. In the
// journal the later verdicts replace the earlier ones.
func (r *run) judgeAgain() error {
	type judgement struct {
		cell     string
		why      string
		verdicts []event.Body
		failed   string
		done     event.CellDone
	}
	var all []judgement
	r.attainedAgain()
	r.out.read(func(f *metrics.Run) {
		for _, c := range r.plan.Cells {
			if cell := f.Cell(c.ID); cell != nil && cell.Stale() {
				verdicts, failed := judge.Again(c, f)
				all = append(all, judgement{c.ID, cell.Disbelieved(), verdicts, failed, *cell.Done})
			}
		}
	})
	var first error
	for _, j := range all {
		r.out.emit(j.cell, event.Note{Code: metrics.JudgedAgain, Text: "the verdicts were decided again when " + j.why})
		for _, v := range j.verdicts {
			r.out.emit(j.cell, v)
		}
		r.out.emit(j.cell, j.done)
		if j.failed != "" && r.failFast && first == nil {
			first = Aborted{"--fail-fast: " + j.failed + " failed"}
		}
	}
	return first
}

// attainedAgain finds again which turns of such cells met the objectives.
func (r *run) attainedAgain() {
	found := map[string][]event.Body{}
	r.out.read(func(f *metrics.Run) {
		for _, c := range r.plan.Cells {
			if cell := f.Cell(c.ID); cell != nil && cell.Stale() {
				found[c.ID] = judge.New(c).Attained(f)
			}
		}
	})
	for _, c := range r.plan.Cells {
		for _, b := range found[c.ID] {
			r.out.emit(c.ID, b)
		}
	}
}

// fail closes a cell that the environment did not allow to run. A cell that was already being measured keeps its
// measurements.
func (r *run) fail(cell int, err error) {
	c := r.plan.Cells[cell]
	s := r.sessions[cell]
	var dead errGone
	if s != nil && errors.As(err, &dead) {
		s.judgeAll()
		r.out.emit(c.ID, event.CellDone{Err: err.Error()})
	} else {
		r.out.emit(c.ID, event.CellFailed{Err: err.Error(), Hint: server.HintOf(err)})
	}
	if s != nil {
		s.close()
		delete(r.sessions, cell)
	}
}

// isOpen reports whether a cell has its server.
func (r *run) isOpen(cell int) bool {
	s := r.sessions[cell]
	return s != nil && s.isOpen()
}

func (r *run) closeAll() {
	for i, s := range r.sessions {
		s.close()
		delete(r.sessions, i)
	}
}

func planned(c *dsl.Cell) event.CellPlanned {
	p := event.CellPlanned{Turns: len(c.Turns), Skip: c.Skip, Users: c.Scenario.Run.Users, Together: c.Scenario.AtOnce(),
		Does: c.Does, SLO: objectives(c)}
	for _, l := range c.Labels {
		p.Labels = append(p.Labels, event.Label{Name: l.Name, Value: l.Value})
	}
	return p
}

func objectives(c *dsl.Cell) (out []event.Objective) {
	for _, a := range c.Scenario.SLO {
		out = append(out, event.Objective{Name: a.Name, That: a.That})
	}
	return out
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting %v: %w", d, context.Cause(ctx))
	case <-t.C:
		return nil
	}
}
