package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/history"
	"homellm/engine/history/index"
	"homellm/engine/host"
	"homellm/engine/metrics"
	"homellm/engine/replace"
	"homellm/engine/report"
	"homellm/engine/results"
	"homellm/engine/secret"
	"homellm/engine/target"
	"homellm/engine/text"
)

// play runs one plan into its own results folder and prints its report.
func play(
	ctx context.Context,
	p process,
	plan *dsl.Plan,
	choice *target.Choice,
	f applyFlags,
	format report.Format,
	several bool,
) (int, error) {
	if f.budget > 0 && plan.Duration > 0 {
		return 0, exit.Errorf(exit.Usage, "leave --budget out", "--budget has no repeats to add: %s is played for %v",
			plan.Name, plan.Duration)
	}
	res, err := f.openResults(plan, several)
	if err != nil {
		return 0, err
	}
	defer res.Journal.Close()
	if err := f.events.follow(res.Journal); err != nil {
		return 0, err
	}
	dir, fold := res.Dir, res.Fold
	f.collect.Add(fold, dir)
	again := results.Command(f.search.Of, files.Argument(plan.File), slices.Concat(f.changed(), f.where()), dir)

	machine := openTelemetry(ctx, choice.Opener.PIDs)
	defer machine.Close()
	facts := machine.Inspect(ctx)

	if res.Complete(plan) {
		choice.Means.Note("nothing is left to play in %s", dir)
		return conclude(p, res, format)
	}
	if err := res.Elsewhere(version(), facts); err != nil {
		return 0, exit.Errorf(exit.Environment, "", "%w", err)
	}
	res.Header.Homellm, res.Header.Host, res.Header.Options = version(), facts, f.changed()
	choice.Logs.Results, choice.Opener.Launcher.Memory = dir, machine
	choice.Logs.Latest = f.search.Of != nil // a search starts its servers many times
	bar := startProgress(p, plan, f.quiet)
	opt := engine.Options{
		Header: res.Header,
		Journal: engine.Journal{
			Keep:    res.Journal.Append,
			Fold:    fold,
			Seq:     res.Journal.Seq(),
			Elapsed: res.Elapsed,
			Changed: res.Changed,
		},
		Open: choice.Open, FailFast: f.failFast, Progress: f.fleet.show(bar.show), Calibrate: client.Calibrate,
		Budget:  engine.Budget{Time: f.budget, Judge: f.judge},
		Search:  f.search,
		Machine: engine.Machine{Telemetry: machine, PIDs: choice.Opener.PIDs},
		Models:  engine.Models{Templates: p.templates(choice.Library), Tokenizer: p.tokenizer},
	}
	if f.fleet.asked() { // nothing is measured on this machine
		opt.Elsewhere = f.fleet.elsewhere(p, plan, res, f.order(plan), bar.show)
		opt.Calibrate, opt.Machine, opt.Header.Host = nil, engine.Machine{}, nil
	}
	if filepath.Dir(dir) == results.Default {
		opt.Since = p.lookBack(ctx, dir)
	}
	if f.keepRaw {
		opt.KeepRaw = func(name string, raw ...[]byte) error {
			return replace.File(filepath.Join(dir, name), func(w io.Writer) error {
				masked := secret.NewStarWriter(w)
				for _, piece := range raw {
					if _, err := masked.Write(piece); err != nil {
						return err
					}
				}
				return masked.Close()
			})
		}
	}
	pace(p.getenv, paceOf(plan), math.MaxInt64)
	err = engine.Run(ctx, plan, opt)
	bar.stop()
	if stopErr := choice.Opener.Close(); stopErr != nil {
		choice.Means.Note("%v", stopErr)
	}
	choice.Logs.Keep(choice.Means.Note)
	if err != nil {
		return 0, exit.Errorf(exit.Environment, "what was kept is in "+dir+"; once that is fixed, continue with: "+again,
			"%w", err)
	}
	code, err := conclude(p, res, format)
	for _, line := range report.SinceLast(fold) {
		p.say("%s", line)
	}
	f.export(ctx, p, fold)
	if fold.Done != nil && fold.Done.Interrupted != "" {
		if err != nil {
			p.say("%v", err)
		}
		fmt.Fprintf(
			p.stderr,
			"homellm: interrupted by %s; %s are kept in %s\nhomellm: hint: continue with: %s\n",
			fold.Done.Interrupted,
			f.kept(),
			dir,
			again,
		)
		return code, nil // a closed terminal cannot take the report; the results are on disk
	}
	return code, err
}

// kept is what a resumed run does not play again.
func (f applyFlags) kept() string {
	if f.search.Of != nil {
		return "whole rounds"
	}
	return "finished cells"
}

// openTelemetry opens the machine's sensors. It reads a GPU ten times a second, so that its energy can be computed
// from its power if the driver does not count energy.
func openTelemetry(ctx context.Context, pids func() []int) *host.Telemetry {
	t := host.OpenTelemetry(ctx, host.Options{Processes: pids})
	if t.Source() == "" {
		return t
	}
	t.Close()
	return host.OpenTelemetry(ctx, host.Options{Processes: pids, Every: 100 * time.Millisecond})
}

// conclude writes the reports of a run and prints the requested one. A reader that closes its input, such as head,
// ends only the printing. If the results folder cannot be written, the reports go elsewhere, because the run has been
// played and its verdict is valid.
func conclude(p process, res *results.Folder, format report.Format) (int, error) {
	verdict, code, _ := res.Fold.Outcome()
	unwritten := report.WriteDir(res.Dir, res.Fold)
	if unwritten != nil {
		hint := "the verdict stands: " + strings.ToUpper(string(verdict))
		if dir, err := os.MkdirTemp("", "homellm-results-"); err == nil && report.WriteDir(dir, res.Fold) == nil {
			hint += "; the reports are in " + dir
		}
		unwritten = exit.Errorf(
			exit.Environment,
			hint+"\nhomellm: hint: the journal is complete: homellm report "+text.Quote(res.Dir),
			"writing the reports: %w",
			unwritten,
		)
	}
	if err := unread(format.Write(p.stdout, res.Fold, p.reportOptions(res.Dir))); err != nil {
		return code, exit.Errorf(exit.Environment, "the results are in "+res.Dir, "printing the report: %w", err)
	}
	return code, unwritten
}

// lookBack finds, for each cell, the previous run of the same scenario, server, model and machine. It does not affect
// the verdict, so errors are only reported.
func (p process) lookBack(ctx context.Context, dir string) func(*metrics.Run) map[string]event.SinceLast {
	return func(fold *metrics.Run) map[string]event.SinceLast {
		earlier := p.runs(filepath.Dir(dir))
		earlier.Except = filepath.Base(dir)
		out := map[string]event.SinceLast{}
		x, err := index.Open(ctx, earlier)
		if err != nil {
			p.say("what moved since the last run is not known: %v", err)
			return out
		}
		defer x.Close()
		all, err := x.Of(ctx, fold.Started.Scenario.Name)
		if err != nil {
			p.say("what moved since the last run is not known: %v", err)
		}
		for _, c := range fold.Cells {
			if s, ok := history.Continued(all, c); ok {
				out[c.ID] = s.Event()
			}
		}
		return out
	}
}

// reopen opens the run that --resume names, if it names one, until done is called.
func (f *applyFlags) reopen(p process) (done func(), err error) {
	if f.resume == "" {
		return func() {}, nil
	}
	if found, err := (runFlags{results.Default}).paths(p, []string{f.resume}); err == nil {
		f.resume = found[0] // what is no name of a run is refused as a folder
	}
	if f.begun, err = results.Reopen(f.resume); err != nil {
		return nil, err
	}
	return func() { f.begun.Journal.Close() }, nil
}

// openResults starts a results folder or, with --resume, continues in the named one.
func (f applyFlags) openResults(plan *dsl.Plan, several bool) (*results.Folder, error) {
	if f.begun != nil {
		return f.begun, f.begun.GoOn(plan, f.resumeChanged)
	}
	dir := f.out
	if dir != "" && several {
		dir = filepath.Join(dir, plan.Name)
	}
	return results.Start(dir, plan)
}
