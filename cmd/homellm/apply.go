package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine"
	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/host"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/report"
	"homellm/engine/secret"
	"homellm/engine/stats"
	"homellm/engine/target"
)

type applyFlags struct {
	selection
	libraryFlags
	url      string
	out      string
	format   string
	failFast bool
	quiet    bool
	keepRaw  bool
	noSim    bool
	outputs  outputFlags
	collect  *outputs // what the outputs are made of; nil: none are

	resume        string
	resumeChanged bool
	begun         *results // of the run that is resumed; nil: none is

	budget time.Duration
	judge  func(f *metrics.Run, cells []string, looks stats.Looks) []judge.Doubt // of ab: what is not certain yet
}

func newApply(p process) *cobra.Command {
	var f applyFlags
	c := &cobra.Command{
		Use:   "apply FILE|DIR|NAME...",
		Short: "Play scenarios against a server, measure, judge",
		Long: `apply plays scenarios and exits with the verdict. Arguments are scenario files,
folders of them, or names of shipped scenarios.

Which server runs: --url, else --server, else the scenario's own choice, else a
server found on this machine's usual ports, else the embedded simulator, which
says so everywhere its numbers are shown. With --no-sim nothing is played on a
simulator, even if the scenario names one.`,
		Example: `  homellm apply scenarios/rag-long.yaml
  homellm apply rag-long --url http://127.0.0.1:8000/v1 --model qwen2.5-3b
  homellm apply scenarios/ --include-tags rag --repeats 10
  homellm apply rag-long --resume results/20261123T155055Z-rag-long-8119`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			out, err := f.outputs.open(p)
			if err != nil {
				return err
			}
			f.collect = out
			return out.finish(apply(c.Context(), p, args, f), args)
		},
	}
	f.selection.add(c)
	f.libraryFlags.add(c)
	f.outputs.add(c)
	fl := c.Flags()
	fl.StringVar(&f.url, "url", "", "base URL of a running OpenAI-compatible server, such as http://127.0.0.1:8000/v1")
	fl.StringVar(&f.out, "out", "", "folder for the results (default results/<time>-<scenario>-<id>)")
	fl.StringVar(&f.format, "format", "table", "what to print: "+strings.Join(formatNames(), ", "))
	fl.BoolVar(&f.failFast, "fail-fast", false, "stop at the first failed gate")
	fl.BoolVar(&f.quiet, "quiet", false, "print nothing but the report")
	fl.BoolVar(
		&f.keepRaw,
		"keep-raw",
		false,
		"keep the raw bytes of the worst turn beside the results: a failed one, else the slowest",
	)
	fl.BoolVar(
		&f.noSim,
		"no-sim",
		false,
		"play on no simulator: where no real server is found or chosen, end with exit code 5",
	)
	fl.StringVar(&f.resume, "resume", "", "results folder of an interrupted run to continue: finished cells are kept")
	fl.BoolVar(
		&f.resumeChanged,
		"resume-changed",
		false,
		"with --resume: allow a changed plan, and keep the finished cells that did not change",
	)
	f.addBudget(fl)
	c.MarkFlagsMutuallyExclusive("url", "server")
	c.MarkFlagsMutuallyExclusive("resume", "out")
	return c
}

func (f *applyFlags) addBudget(fl *pflag.FlagSet) {
	fl.Var(
		(*budget)(&f.budget),
		"budget",
		"time for the run, such as 10m: what the planned repeats leave of it is spent on further ones,\n"+
			"on the gates that are least certain, until all are",
	)
}

// budget is a duration of more than 0.
type budget time.Duration

func (b *budget) String() string {
	if *b == 0 {
		return ""
	}
	return time.Duration(*b).String()
}

func (b *budget) Type() string { return "duration" }

func (b *budget) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return errors.New("write a time such as 10m or 1h30m")
	}
	*b = budget(d)
	return nil
}

// apply plans every file before it starts the first server, then plays them one after another.
// The exit code is the gravest of their outcomes.
func apply(ctx context.Context, p process, args []string, f applyFlags) error {
	format, err := formatNamed(f.format)
	if err != nil {
		return err
	}
	files, err := findScenarios(args)
	if err != nil {
		return err
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	if f.resume != "" && len(files) != 1 {
		return exit.Errorf(
			exit.Usage,
			"name the one scenario that the folder belongs to",
			"--resume continues one scenario, and %d are named",
			len(files),
		)
	}
	if f.resumeChanged && f.resume == "" {
		return exit.Errorf(exit.Usage, "add --resume DIR", "--resume-changed needs --resume")
	}
	if f.resume != "" {
		if f.begun, err = reopen(f.resume); err != nil {
			return err
		}
		defer f.begun.journal.Close()
	}
	plans, servers, err := planAll(ctx, p, lib, files, f)
	if err != nil {
		return err
	}
	if len(plans) == 1 {
		code, err := play(ctx, p, plans[0], servers, f, format, false)
		if err == nil && code != exit.Pass {
			err = exit.With(code)
		}
		return err
	}
	return applySeveral(ctx, p, plans, servers, f, format)
}

// applySeveral plays several plans, and ends with the gravest of their outcomes.
func applySeveral(ctx context.Context, p process, plans []*dsl.Plan, servers *servers, f applyFlags,
	format report.Format) error {
	each := format
	if format.Several != nil { // one document at the end
		each.Write = func(io.Writer, *metrics.Run, report.Options) error { return nil }
	}
	worst := exit.Pass
	var broken error
	for _, plan := range plans {
		var code int
		if code, broken = play(ctx, p, plan, servers, f, each, true); broken != nil {
			break
		}
		worst = exit.Worst(worst, code)
		if ctx.Err() != nil || (f.failFast && code != exit.Pass) {
			break
		}
	}
	if broken == nil && worst != exit.Pass {
		broken = exit.With(worst)
	}
	all := report.Several{Planned: len(plans), Code: exit.Pass}
	if broken != nil {
		all.Code = exit.Environment
		if known, ok := errors.AsType[*exit.Failure](broken); ok {
			all.Code = known.Code
		}
	}
	for _, r := range f.collect.runs {
		all.Runs = append(all.Runs, r.fold)
	}
	var err error
	switch {
	case format.Several != nil:
		err = format.Several(p.stdout, all, p.reportOptions(""))
	case format.Lines:
		err = all.Overall(p.stdout, p.reportOptions(""))
	}
	if err != nil && broken == nil && !errors.Is(err, syscall.EPIPE) {
		return exit.Errorf(exit.Environment, "each run has its results in a folder of its own", "printing the report: %w",
			err)
	}
	return broken
}

// check reads the files before a server is looked for, so that nothing is sent for the sake of an
// invalid one. Where a file names no server, the simulator is assumed.
func check(files []dsl.File, lib *dsl.Library, opt dsl.Options) (all syntax.Diagnostics) {
	opt.DefaultServer = simulator
	for _, file := range files {
		all = append(all, dsl.Check(file, lib, judge.Vocabulary(), opt)...)
	}
	return all
}

// planAll checks all files, decides which server runs, and plans them; every problem of every file
// is told at once.
func planAll(
	ctx context.Context,
	p process,
	lib *dsl.Library,
	files []dsl.File,
	f applyFlags,
) ([]*dsl.Plan, *servers, error) {
	opt, err := f.options(p, lib)
	if err != nil {
		return nil, nil, err
	}
	if bad := check(files, lib, opt); bad.Errors() {
		return nil, nil, bad
	}
	servers := &servers{process: p, lib: lib, quiet: f.quiet, noSim: f.noSim}
	if err := servers.choose(ctx, f.url, &opt); err != nil {
		return nil, nil, err
	}
	var plans []*dsl.Plan
	var all syntax.Diagnostics
	for _, file := range files {
		plan, ds := dsl.Load(file, lib, judge.Vocabulary(), opt)
		all = append(all, ds...)
		plans = append(plans, plan)
	}
	if all.Errors() {
		return nil, nil, all
	}
	for _, plan := range plans {
		for _, cell := range plan.Cells {
			if err := servers.refuseSimulator(cell); err != nil {
				return nil, nil, err
			}
		}
	}
	if len(all) > 0 && !f.quiet {
		if err := all.WriteText(p.stderr); err != nil {
			return nil, nil, err
		}
	}
	return plans, servers, nil
}

// play runs one plan into its own results folder and prints its report.
func play(
	ctx context.Context,
	p process,
	plan *dsl.Plan,
	servers *servers,
	f applyFlags,
	format report.Format,
	several bool,
) (int, error) {
	res, err := f.openResults(plan, several)
	if err != nil {
		return 0, err
	}
	defer res.journal.Close()
	dir, fold := res.dir, res.fold
	f.collect.played(fold, dir)
	again := resumeHint(argument(plan.File), slices.Concat(f.changed(), f.where()), dir)

	machine := openTelemetry(ctx, servers)
	defer machine.Close()
	facts := machine.Inspect(ctx)

	if res.complete(plan) {
		servers.note("nothing is left to play in %s", dir)
		return conclude(p, res, format)
	}
	if err := res.elsewhere(version(), facts); err != nil {
		return 0, exit.Errorf(exit.Environment, "", "%w", err)
	}
	res.header.Homellm, res.header.Host, res.header.Options = version(), facts, f.changed()
	servers.logs, servers.opener.Launcher.Memory = dir, machine
	bar := startProgress(p, plan, f.quiet)
	opt := engine.Options{
		Header: res.header,
		Journal: engine.Journal{
			Keep:    res.journal.Append,
			Fold:    fold,
			Seq:     res.journal.Seq(),
			Elapsed: res.elapsed,
			Changed: res.changed,
		},
		Open: servers.open, FailFast: f.failFast, Progress: bar.show, Calibrate: client.Calibrate,
		Budget:  engine.Budget{Time: f.budget, Judge: f.judge},
		Machine: engine.Machine{Telemetry: machine, PIDs: servers.opener.PIDs},
		Models:  engine.Models{Templates: p.templates(servers.lib), Tokenizer: p.tokenizer},
	}
	if f.keepRaw {
		opt.KeepRaw = func(name string, raw []byte) error {
			return report.WriteFile(filepath.Join(dir, name), func(w io.Writer) error {
				_, err := w.Write(secret.Stars(raw))
				return err
			})
		}
	}
	if p.getenv("GOGC") == "" {
		debug.SetGCPercent(gcMeasured)
	}
	err = engine.Run(ctx, plan, opt)
	bar.stop()
	if stopErr := servers.opener.Close(); stopErr != nil {
		servers.note("%v", stopErr)
	}
	servers.keepLogs()
	if err != nil {
		return 0, exit.Errorf(exit.Environment, "what was kept is in "+dir+"; once that is fixed, continue with: "+again,
			"%w", err)
	}
	code, err := conclude(p, res, format)
	if fold.Done != nil && fold.Done.Interrupted != "" {
		if err != nil {
			p.say("%v", err)
		}
		fmt.Fprintf(
			p.stderr,
			"homellm: interrupted by %s; finished cells are kept in %s\nhomellm: hint: continue with: %s\n",
			fold.Done.Interrupted,
			dir,
			again,
		)
		return code, nil // a terminal that is gone cannot take the report; the results are on disk
	}
	return code, err
}

// openTelemetry opens the machine's sensors. A GPU is read ten times a second, so that its energy is known
// from its power where the driver counts none.
func openTelemetry(ctx context.Context, s *servers) *host.Telemetry {
	t := host.OpenTelemetry(ctx, host.Options{Processes: s.opener.PIDs})
	if t.Source() == "" {
		return t
	}
	t.Close()
	return host.OpenTelemetry(ctx, host.Options{Processes: s.opener.PIDs, Every: 100 * time.Millisecond})
}

// conclude writes the reports of a run and prints the one that was asked for. A reader that has
// seen enough, such as head, ends the printing and nothing else. Where the results folder takes no
// more, the reports are kept elsewhere: the run has been played, and its verdict stands.
func conclude(p process, res *results, format report.Format) (int, error) {
	verdict, code, _ := res.fold.Outcome()
	unwritten := report.WriteDir(res.dir, res.fold)
	if unwritten != nil {
		hint := "the verdict stands: " + strings.ToUpper(string(verdict))
		if dir, err := os.MkdirTemp("", "homellm-results-"); err == nil && report.WriteDir(dir, res.fold) == nil {
			hint += "; the reports are in " + dir
		}
		unwritten = exit.Errorf(
			exit.Environment,
			hint+"\nhomellm: hint: the journal is complete: homellm report "+quote(res.dir),
			"writing the reports: %w",
			unwritten,
		)
	}
	if err := format.Write(p.stdout, res.fold, p.reportOptions(res.dir)); err != nil && !errors.Is(err, syscall.EPIPE) {
		return code, exit.Errorf(exit.Environment, "the results are in "+res.dir, "printing the report: %w", err)
	}
	return code, unwritten
}

// changed lists the flags that changed the plan, for the record.
func (f applyFlags) changed() []string {
	values := map[string][]string{
		"server": {strings.Join(f.servers, ",")}, "url": {target.WithoutUser(f.url)}, "model": {f.model},
		"repeats": {
			fmt.Sprint(f.repeats),
		}, "context-size": {fmt.Sprint(f.contextSize)}, "max-conversations": {fmt.Sprint(f.maxConversations)},
		"budget":       {f.budget.String()},
		"include-tags": {strings.Join(f.include, ",")}, "exclude-tags": {strings.Join(f.exclude, ",")}, "var": f.vars,
	}
	var out []string
	for _, name := range recorded {
		for _, value := range values[name] {
			if value != "" && value != "0" && value != "0s" {
				out = append(out, "--"+name+"="+value)
			}
		}
	}
	return out
}

// where lists the flags that say on what to play and change no plan. They are for the user's eyes: a path may
// hold a name that has no place in results.
func (f applyFlags) where() []string {
	var out []string
	for _, path := range f.serverFiles {
		out = append(out, "--servers="+path)
	}
	for _, path := range f.modelFiles {
		out = append(out, "--models="+path)
	}
	if f.noSim {
		out = append(out, "--no-sim")
	}
	return out
}

// openResults starts a results folder or, with --resume, continues in the named one.
func (f applyFlags) openResults(plan *dsl.Plan, several bool) (*results, error) {
	if f.begun != nil {
		return f.begun, f.begun.goOn(plan, f.resumeChanged)
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	started := time.Now()
	dir := f.out
	switch {
	case dir == "":
		dir = filepath.Join("results", started.UTC().Format("20060102T150405Z")+"-"+plan.Name+"-"+id[:4])
	case several:
		dir = filepath.Join(dir, plan.Name)
	}
	journal, err := createResults(dir)
	if err != nil {
		return nil, err
	}
	return &results{
		dir:     dir,
		journal: journal,
		fold:    &metrics.Run{},
		header:  event.RunStarted{ID: id, Started: started.UTC()},
	}, nil
}
