// Package engine plays a plan.
//
// The input is a plan, and functions that give a cell its server and store events. The output is every observation as
// an event, and verdicts over the fold of those events. It knows neither how results are shown nor where a scenario
// comes from.
package engine

import (
	"context"
	"errors"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/observe"
	"homellm/engine/prompt"
	"homellm/engine/target"
)

// Options are what a run needs besides its plan.
type Options struct {
	Header    event.RunStarted // identity of the run; Version and Scenario are filled in
	Journal   Journal
	Open      func(context.Context, *dsl.Cell) (*target.Target, error) // gives a cell its server; Run calls its Shut once
	Machine   Machine
	Models    Models
	Progress  func(Progress) // called for every turn; must not block
	FailFast  bool           // stop at the first failed gate
	Budget    Budget         // lets the run play more than planned
	Search    Search         // decides what is played, in a run that finds the best of its cells
	Calibrate Calibrator     // measures the client before the run; nil: it is not measured
	Elsewhere Elsewhere      // plays the cells on other machines; nil: they are played here
	// finds the previous run of each cell when all cells are played; nil: it is not looked for
	Since func(*metrics.Run) map[string]event.SinceLast
	// receives the raw reply of the worst measured turn: a failed one, else the slowest; nil: it is discarded
	KeepRaw func(name string, raw ...[]byte) error // the reply comes in pieces
}

// Interrupted is the cause of a context that a signal cancelled.
type Interrupted struct{ Signal string }

func (i Interrupted) Error() string { return "interrupted by " + i.Signal }

// Run plays the plan. It returns an error only if events could not be stored. Any other failure is an event, and part
// of the fold's outcome.
func Run(ctx context.Context, plan *dsl.Plan, opt Options) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := newRun(plan, opt, stop)
	finished := map[string]bool{} // before a changed plan is opened, which starts without cells
	r.out.read(func(f *metrics.Run) {
		for _, c := range f.Cells {
			finished[c.ID] = c.Finished()
		}
	})
	if opt.Journal.Seq == 0 || opt.Journal.Changed {
		head := opt.Header
		head.Version = event.Version
		head.Scenario = describe(plan)
		head.Digest = plan.Digest
		head.Search = opt.Search.Of
		r.out.emit("", head)
	}
	calibrate(ctx, opt.Calibrate, r.out)
	r.machine = startMachine(ctx, opt.Machine, r.out.emit)
	err := r.play(ctx, finished)
	r.machine.stop()
	if ctx.Err() == nil {
		r.judgeOverall()
	}
	if opt.Since != nil && ctx.Err() == nil {
		r.lookBack(opt.Since)
	}

	end := event.RunDone{}
	var signal Interrupted
	var abort Aborted
	switch {
	case errors.As(err, &abort):
		end.Aborted = abort.Why
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

// judgeOverall judges what is asserted over all cells.
func (r *run) judgeOverall() {
	var found []event.Body
	r.out.read(func(f *metrics.Run) { found = judge.Overall(r.plan, f) })
	for _, b := range found {
		r.out.emit("", b)
	}
}

// lookBack records what moved since the previous run.
func (r *run) lookBack(since func(*metrics.Run) map[string]event.SinceLast) {
	var found map[string]event.SinceLast
	r.out.read(func(f *metrics.Run) { found = since(f) })
	for _, c := range r.plan.Cells {
		if s, ok := found[c.ID]; ok {
			r.out.emit(c.ID, s)
		}
	}
}

func newRun(plan *dsl.Plan, opt Options, stop context.CancelCauseFunc) *run {
	epoch := time.Now().Add(-opt.Journal.Elapsed)
	r := &run{
		plan: plan, budget: opt.Budget, search: opt.Search, failFast: opt.FailFast, changed: opt.Journal.Changed,
		sessions: map[int]*session{}, elsewhere: opt.Elsewhere, failed: map[int]bool{}, took: map[int]spans{},
		instruments: instruments{
			id: opt.Header.ID, epoch: epoch, open: opt.Open, models: opt.Models,
			out: collect(epoch, opt.Journal, stop), progress: newProgress(plan, opt.Progress),
			clocks: observe.NewClocks(opt.Machine.Wall),
		},
	}
	if r.models.Templates == nil {
		r.models.Templates = prompt.NewTemplates(nil, nil)
	}
	if opt.KeepRaw != nil {
		r.raw = &rawKeeper{}
	}
	return r
}

// describe records what reports need of a scenario for names and order.
func describe(p *dsl.Plan) event.Scenario {
	s := p.Cells[0].Scenario
	out := event.Scenario{
		Name: s.Name, File: p.File, SHA256: p.SHA256, Description: s.Description,
		Repeats: s.Run.Repeats, Warmup: s.Run.Warmup, Isolation: string(s.Run.Cache), Scope: string(s.Run.Scope),
		ErrorBudget: s.Run.ErrorBudget, Duration: s.Run.Duration,
	}
	for i, c := range s.Conversations {
		if s.Again(i) {
			continue
		}
		ec := event.Conversation{ID: c.ID, Title: c.Title, Tags: c.Tags, Items: c.Items}
		if g := c.Given; g != nil {
			ec.Given = &event.Given{From: g.From(), Messages: len(g.Messages), Tokens: g.Tokens()}
		}
		for _, st := range c.Steps {
			ec.Steps = append(ec.Steps, event.Step{ID: st.ID, Action: st.Action, Turns: st.Do.Turns()})
		}
		out.Conversations = append(out.Conversations, ec)
	}
	return out
}
