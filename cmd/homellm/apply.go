package main

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/exit"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/publish"
	"homellm/engine/report"
	"homellm/engine/results"
	"homellm/engine/stats"
	"homellm/engine/target"
	"homellm/engine/watch"
)

type applyFlags struct {
	selection
	libraryFlags
	addressFlags
	fleet    fleetFlags
	out      string
	format   string
	failFast bool
	quiet    bool
	keepRaw  bool
	noSim    bool
	outputs  outputFlags
	collect  *publish.Runs // the inputs of the outputs; nil: there are none

	resume        string
	resumeChanged bool
	begun         *results.Folder // journal of the resumed run; nil: none is resumed

	watch    bool
	watching *watch.Files // the files that --watch watches; nil: without --watch
	otlp     string       // address of a collector; empty: none
	events   eventsFlag

	budget time.Duration
	// the servers are played in turn and compared: of ab
	alternate bool
	search    engine.Search                                                         // of tune
	judge     func(f *metrics.Run, cells []string, looks stats.Looks) []judge.Doubt // of ab: the uncertain gates
}

func newApply(p process) *cobra.Command {
	var f applyFlags
	c := &cobra.Command{
		Use:   "apply FILE|DIR|NAME...",
		Short: "Play scenarios against a server, measure, judge",
		Long: `apply plays scenarios and exits with the verdict. Arguments are scenario files,
folders of them, names of shipped scenarios, or - for standard input.

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
			p, end := f.events.open(p)
			defer end()
			play := func(seen *watch.Files) error {
				out, err := publish.Asked(f.outputs).Runs(p.place())
				if err != nil {
					return err
				}
				f.collect, f.watching = out, seen
				return out.Finish(apply(c.Context(), p, args, f), args)
			}
			if f.watch {
				return watched(c.Context(), p, args, f, play)
			}
			return play(nil)
		},
	}
	f.selection.add(c)
	f.libraryFlags.add(c)
	f.outputs.add(c)
	fl := c.Flags()
	f.addressFlags.add(c, "base URL of a running OpenAI-compatible server, such as http://127.0.0.1:8000/v1")
	fl.StringVar(&f.out, "out", "", "folder for the results (default results/<time>-<scenario>-<id>)")
	fl.StringVar(&f.format, "format", "table", "what to print: "+strings.Join(publish.Names(), ", "))
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
	fl.StringVar(&f.resume, "resume", "", "interrupted run to continue, by its folder or name: finished cells are kept")
	fl.BoolVar(
		&f.resumeChanged,
		"resume-changed",
		false,
		"with --resume: allow a changed plan, and keep the finished cells that did not change",
	)
	fl.BoolVar(&f.watch, "watch", false,
		"play again when a scenario, a document of it or a file of --servers or --models changes;\n"+
			"Ctrl-C ends with the exit code of the last run")
	fl.StringVar(&f.otlp, "otlp", "",
		"address of an OpenTelemetry collector (OTLP over HTTP) that each run is sent to when it has\n"+
			"ended, such as http://127.0.0.1:4318; keys come from OTEL_EXPORTER_OTLP_HEADERS")
	f.events.add(c)
	f.addBudget(fl)
	f.fleet.add(c, "url", "budget", "keep-raw", "watch")
	f.fleet.addLogs(c)
	dir := results.Default
	if err := c.RegisterFlagCompletionFunc("resume", p.completeRuns(&dir, math.MaxInt)); err != nil {
		panic(err) // the flag was added above
	}
	c.MarkFlagsMutuallyExclusive("url", "server")
	c.MarkFlagsMutuallyExclusive("resume", "out")
	c.MarkFlagsMutuallyExclusive("watch", "out")
	c.MarkFlagsMutuallyExclusive("watch", "resume")
	return c
}

// apply plans every file before it starts the first server, then plays them one after another. The exit code is that
// of the most serious outcome.
func apply(ctx context.Context, p process, args []string, f applyFlags) error {
	format, err := publish.Named(f.format)
	if err != nil {
		return err
	}
	if _, err := f.collector(p); err != nil {
		return err
	}
	named, err := f.scenarios(p, args)
	if err != nil {
		return err
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	if format.Alone && len(named) > 1 {
		return exit.Errorf(exit.Usage, "leave it out: each run's folder has its page, and --report "+format.Name+
			"=FILE writes one for each scenario beside it", "--format %s is one page of one scenario, and %d are named",
			format.Name, len(named))
	}
	if f.resume != "" && len(named) != 1 {
		return exit.Errorf(
			exit.Usage,
			"name the one scenario that the folder belongs to",
			"--resume continues one scenario, and %d are named",
			len(named),
		)
	}
	if f.resumeChanged && f.resume == "" {
		return exit.Errorf(exit.Usage, "add --resume DIR", "--resume-changed needs --resume")
	}
	done, err := f.reopen(p)
	if err != nil {
		return err
	}
	defer done()
	leave, err := f.enter(ctx, p, &f.fleet, named)
	if err != nil {
		return err
	}
	defer leave()
	plans, choice, err := planAll(ctx, p, lib, named, f)
	if err != nil {
		return err
	}
	if len(plans) == 1 {
		code, err := play(ctx, p, plans[0], choice, f, format, false)
		if err == nil && code != exit.Pass {
			err = exit.With(code)
		}
		return err
	}
	return applySeveral(ctx, p, plans, choice, f, format)
}

// applySeveral plays several plans, and returns the most serious outcome.
func applySeveral(ctx context.Context, p process, plans []*dsl.Plan, choice *target.Choice, f applyFlags,
	format report.Format) error {
	each := format
	if format.Several != nil { // one document at the end
		each.Write = func(io.Writer, *metrics.Run, report.Options) error { return nil }
	}
	worst := exit.Pass
	var broken error
	for _, plan := range plans {
		var code int
		if code, broken = play(ctx, p, plan, choice, f, each, true); broken != nil {
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
	for _, r := range f.collect.Played {
		all.Runs = append(all.Runs, r.Fold)
	}
	var err error
	switch {
	case format.Several != nil:
		err = format.Several(p.stdout, all, p.reportOptions(""))
	case format.Lines:
		err = all.Overall(p.stdout, p.reportOptions(""))
	}
	if unread(err) != nil && broken == nil {
		return exit.Errorf(exit.Environment, "each run has its results in a folder of its own", "printing the report: %w",
			err)
	}
	return broken
}
