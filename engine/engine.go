// Package engine plays a plan: it opens a server for each cell, plays the conversations as
// often as the scenario says, emits every observation as an event and judges the assertions over
// the fold of those events.
//
// It refuses to know how results are shown and where a scenario came from.
package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/prompt"
	"homellm/engine/server"
	"homellm/engine/target"
)

// Options says what a run needs beside its plan.
type Options struct {
	Header    event.RunStarted                                         // identity of the run; Version and Scenario are filled in
	Keep      func(event.Event) error                                  // the journal: called in order from one goroutine; an error stops the run
	Fold      *metrics.Run                                             // receives every kept event; a resumed run passes the fold of its journal
	Seq       uint64                                                   // last event of a resumed journal
	Elapsed   time.Duration                                            // instant of that event: what follows comes after it
	Changed   bool                                                     // the resumed journal is of another plan: finished cells that both have are kept
	Wall      func() time.Time                                         // the machine's clock, to notice that it jumped; nil: time.Now
	Open      func(context.Context, *dsl.Cell) (*target.Target, error) // gives a cell its server; its Shut is called once
	Machine   *host.Telemetry                                          // watches the machine beside the run; nil: nobody does
	PIDs      func() []int                                             // processes of the server in use, to tell others' on the GPU apart; nil: not known
	Templates *prompt.Templates                                        // of the models; nil: those that homellm ships
	Tokenizer prompt.Counters                                          // a model's own, for servers that do not tokenise; nil, or nil for a model: an estimate
	Progress  func(Progress)                                           // told of every turn; must not block
	FailFast  bool                                                     // stop at the first failed gate
	Budget    Budget                                                   // lets the run play more than planned
	Calibrate Calibrator                                               // measures the client before the run; nil: nobody does
	KeepRaw   func(name string, raw []byte) error                      // receives the raw reply of the worst measured turn: a failed one, else the slowest; nil: not kept
}

// Interrupted is the cause of a context that a signal ended.
type Interrupted struct{ Signal string }

func (i Interrupted) Error() string { return "interrupted by " + i.Signal }

// errAbort ends a run early by the scenario's own wish.
type errAbort struct{ why string }

func (e errAbort) Error() string { return e.why }

// Run plays the plan. It returns an error only if observations could not be kept; everything
// else that goes wrong is an event, and the fold's outcome tells of it.
func Run(ctx context.Context, plan *dsl.Plan, opt Options) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	epoch := time.Now().Add(-opt.Elapsed)
	if opt.Progress == nil {
		opt.Progress = func(Progress) {}
	}
	if opt.Templates == nil {
		opt.Templates = prompt.NewTemplates(nil)
	}
	r := &run{templates: opt.Templates, plan: plan, opt: opt, epoch: epoch, clocks: newClocks(opt.Wall)}
	r.out = collect(epoch, opt.Seq, opt.Fold, opt.Keep, stop)
	r.progress = newProgress(plan, opt.Progress)
	finished := map[string]bool{} // before a changed plan is opened, which begins with no cells
	r.out.read(func(f *metrics.Run) {
		for _, c := range f.Cells {
			finished[c.ID] = c.Finished()
		}
	})
	if opt.Seq == 0 || opt.Changed {
		head := opt.Header
		head.Version = event.Version
		head.Scenario = describe(plan)
		head.Digest = plan.Digest
		r.out.emit("", head)
	}
	r.calibrate(ctx)
	r.machine = r.watchMachine(ctx)
	err := r.play(ctx, finished)
	r.machine.stop()

	end := event.RunDone{}
	var signal Interrupted
	var abort errAbort
	switch {
	case errors.As(err, &abort):
		end.Aborted = abort.why
	case errors.As(context.Cause(ctx), &signal):
		end.Interrupted = signal.Signal
	case ctx.Err() != nil:
		end.Interrupted = "SIGINT"
	}
	r.out.emit("", end)
	err = r.out.close()
	if err == nil && opt.KeepRaw != nil {
		err = r.raw.write(opt.KeepRaw)
	}
	return err
}

type run struct {
	plan     *dsl.Plan
	opt      Options
	epoch    time.Time
	out      *collector
	progress *progress
	clocks   *clocks
	sessions map[int]*session
	failed   map[int]bool  // cells
	took     map[int]spans // the longest so far, by cell
	raw      rawKeeper
	machine  *machine

	templates *prompt.Templates
}

// spans are how long the parts of playing a cell take.
type spans struct {
	open time.Duration // its server
	pass time.Duration // a measured one, with the cooldown before it
}

// play plays every pass of the schedule. Cells that the journal of a resumed run already holds
// are left alone.
func (r *run) play(ctx context.Context, finished map[string]bool) error {
	r.sessions, r.failed, r.took = map[int]*session{}, map[int]bool{}, map[int]spans{}
	defer r.closeAll()
	var playable []int
	for i, c := range r.plan.Cells {
		if !finished[c.ID] || r.opt.Changed {
			r.out.emit(c.ID, planned(c))
		}
		if c.Skip == "" && !finished[c.ID] {
			playable = append(playable, i)
		}
	}
	passes := schedule(r.plan.Cells, playable)
	last, of := map[int]int{}, map[int]*group{}
	for k, p := range passes {
		last[p.cell] = k
	}
	groups := r.groups(playable)
	for _, g := range groups {
		for _, i := range g.cells {
			of[i] = g
		}
	}
	r.progress.begin(passes)
	err := func() error {
		for k, p := range passes {
			if r.failed[p.cell] {
				continue
			}
			if _, err := r.one(ctx, p, k > 0); err != nil {
				return err
			}
			if last[p.cell] == k || r.failed[p.cell] {
				if err := r.played(of[p.cell], p.cell); err != nil {
					return err
				}
			}
		}
		if r.opt.Budget.Time == 0 {
			return nil
		}
		return r.spend(ctx, groups)
	}()
	if err != nil && r.opt.Budget.Time > 0 {
		r.settleAll(groups)
	}
	return err
}

// played is called when a cell has played its planned repeats, or has failed. Without a budget
// that is its end.
func (r *run) played(g *group, cell int) error {
	if r.opt.Budget.Time == 0 {
		if r.failed[cell] {
			return nil
		}
		return r.finish(r.sessions[cell], event.CellDone{})
	}
	g.waiting--
	g.broken = g.broken || r.failed[cell]
	if g.waiting > 0 {
		return nil
	}
	return r.look(g)
}

// one plays one pass. An error ends the run; failed says that the cell has.
func (r *run) one(ctx context.Context, p pass, rest bool) (failed bool, err error) {
	began := time.Now()
	wasOpen := r.sessions[p.cell] != nil && r.sessions[p.cell].target != nil
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
	if _, ok := errors.AsType[errAbort](err); ok {
		s.judgeAll() // what was measured until here is judged all the same
		r.failed[p.cell] = true
		return false, err
	}
	if err != nil {
		r.fail(p.cell, err)
		r.failed[p.cell] = true
		if r.opt.FailFast {
			return true, errAbort{"--fail-fast: " + err.Error()}
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

// session gives the cell its open session. A server that homellm starts itself runs alone: it is
// opened when its pass comes, and every other such server is closed first.
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
		s = &session{run: r, index: cell, cell: c, judge: judge.New(c), attempt: r.attempt(c.ID)}
	}
	if s.target == nil {
		if err := s.open(ctx); err != nil {
			return nil, err
		}
	}
	r.sessions[cell] = s
	return s, nil
}

// startsServer reports whether playing the cell takes a server process of its own, which has the
// machine's memory for itself.
func startsServer(c *dsl.Cell) bool {
	return c.Server.Launch != nil && c.Server.Attach == "" && engines.Of(c.Server.Engine).Role != engines.Simulator
}

// attempt is the number of the attempt that begins: one more than the journal holds.
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
func (r *run) finish(s *session, done event.CellDone) error {
	failedGate := s.judgeAll()
	r.out.emit(s.cell.ID, done)
	s.close()
	delete(r.sessions, s.index)
	if failedGate != "" && r.opt.FailFast {
		return errAbort{"--fail-fast: " + failedGate + " failed"}
	}
	return nil
}

// fail closes a cell that the environment did not let run. A cell that was already being
// measured keeps what it has.
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

func (r *run) closeAll() {
	for i, s := range r.sessions {
		s.close()
		delete(r.sessions, i)
	}
}

func planned(c *dsl.Cell) event.CellPlanned {
	p := event.CellPlanned{Turns: len(c.Turns), Skip: c.Skip}
	for _, l := range c.Labels {
		p.Labels = append(p.Labels, event.Label{Name: l.Name, Value: l.Value})
	}
	return p
}

// describe keeps of a scenario what reports need to name and order things.
func describe(p *dsl.Plan) event.Scenario {
	s := p.Cells[0].Scenario
	out := event.Scenario{
		Name: s.Name, File: p.File, SHA256: p.SHA256, Description: s.Description,
		Repeats: s.Run.Repeats, Warmup: s.Run.Warmup, Isolation: s.Run.Cache, Scope: s.Run.Scope,
		ErrorBudget: s.Run.ErrorBudget,
	}
	for _, c := range s.Conversations {
		ec := event.Conversation{ID: c.ID, Title: c.Title, Tags: c.Tags}
		for _, st := range c.Steps {
			ec.Steps = append(ec.Steps, event.Step{ID: st.ID, Action: st.Action, Turns: st.Do.Turns()})
		}
		out.Conversations = append(out.Conversations, ec)
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
