package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/baseline"
	"homellm/engine/compare"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/report"
	"homellm/engine/results"
	"homellm/engine/stats"
)

type abFlags struct {
	applyFlags
	compareFlags
	a, b string
}

func newAB(p process) *cobra.Command {
	var f abFlags
	c := &cobra.Command{
		Use:   "ab --a PROFILE --b PROFILE FILE",
		Short: "Play two servers in turn in one run, and judge the difference",
		Long: `ab plays a scenario on two server profiles in one run, in the order A B B A, so that
drift (heat, clocks, other programs) affects both equally, and compares B with A.
Each side is played ` +
			fmt.Sprint(compare.DefaultRepeats) + ` times unless --repeats says otherwise; docs/gate-quality.md
shows which differences that finds.

Two servers that run at once must both fit the machine. Where homellm starts them
itself, only one runs at a time and every change of sides starts a server.

The exit code is that of the comparison, or of the run if that is worse.`,
		Example: `  homellm ab --a vllm-base --b vllm-fp8 scenarios/rag-long.yaml
  homellm ab --a old --b new --servers lab.yaml --gates gates.yaml rag-long`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			p, end := f.events.open(p)
			defer end()
			return ab(c.Context(), p, args, f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.a, "a", "", "profile to compare with (required)")
	fl.StringVar(&f.b, "b", "", "profile that is judged (required)")
	f.libraryFlags.add(c)
	f.compareFlags.add(c) //nolint:staticcheck // the qualified name shows which of the embedded flags is meant
	f.events.add(c)
	f.addBudget(fl)
	f.fleet.add(c, "budget")
	f.fleet.addLogs(c)
	f.repeats = compare.DefaultRepeats
	fl.Var(&f.repeats, "repeats", "measured passes of each side")
	fl.StringVar(&f.model, "model", "", "model to play with, instead of the scenario's own choice")
	fl.StringArrayVar(&f.vars, "var", nil, "k=v: value of a variable of the scenario")
	fl.StringVar(&f.out, "out", "", "folder for the results (default results/<time>-ab-<id>)")
	fl.BoolVar(&f.quiet, "quiet", false, "print nothing but the comparison")
	for _, name := range []string{"a", "b"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // the flag was added a few lines above
		}
	}
	return c
}

func ab(ctx context.Context, p process, args []string, f abFlags) error {
	if f.a == f.b {
		return exit.Errorf(exit.Usage, "name two profiles", "--a and --b are the same profile %q", f.a)
	}
	out, err := f.shown.open(p)
	if err != nil {
		return err
	}
	rules, err := baseline.Rules(f.gates)
	if err != nil {
		return err
	}
	named, err := files.Scenarios(args, p.stdin)
	if err != nil {
		return err
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	if len(named) != 1 {
		return exit.Errorf(exit.Usage, "name one scenario", "ab plays one scenario, and %d are named", len(named))
	}
	f.servers, f.alternate = []string{f.a, f.b}, true
	leave, err := f.enter(ctx, p, &f.fleet, named)
	if err != nil {
		return err
	}
	defer leave()
	plans, choice, err := planAll(ctx, p, lib, named, f.applyFlags)
	if err != nil {
		return err
	}
	plan := plans[0]
	if f.out == "" {
		id, err := results.NewID()
		if err != nil {
			return err
		}
		f.out = results.NewDir(plan.Name+"-ab", id, time.Now())
	}
	rules = rules.BetweenServers()
	f.judge = func(run *metrics.Run, ids []string, looks stats.Looks) []judge.Doubt {
		rules.Looks = looks
		open := slices.DeleteFunc(slices.Clone(run.Cells), func(c *metrics.Cell) bool { return !slices.Contains(ids, c.ID) })
		var out []judge.Doubt
		for _, d := range rules.Servers(f.a, f.b, open).Uncertain() {
			out = append(out, judge.Doubt{Gate: d.Gate.Name, More: d.More})
		}
		return out
	}
	silent := report.Format{Write: func(io.Writer, *metrics.Run, report.Options) error { return nil }}
	code, err := play(ctx, p, plan, choice, f.applyFlags, silent, false)
	if err != nil {
		return err
	}
	rules.Looks = nil
	dir, run, err := results.Read(f.out)
	if err != nil {
		return err
	}
	err = out.Conclude(rules.Servers(f.a, f.b, run.Cells))
	if !f.quiet {
		p.say("the run is in %s", dir)
	}
	if code == exit.Pass || code == exit.Inconclusive {
		return err // a scenario without assertions can be compared
	}
	_, _, reason := run.Outcome()
	p.say("the run itself: %s", reason)
	return exit.With(exit.Worst(code, codeOf(err)))
}

// codeOf is the exit code that an error of conclude asks for.
func codeOf(err error) int {
	if f, ok := err.(*exit.Failure); ok { //nolint:errorlint // conclude wraps nothing
		return f.Code
	}
	return exit.Pass
}
