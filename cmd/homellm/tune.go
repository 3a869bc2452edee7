package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/engine"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/listing"
	"homellm/engine/metrics"
	"homellm/engine/report"
	"homellm/engine/results"
	"homellm/engine/stats"
	"homellm/engine/target"
	"homellm/engine/tune"
)

type tuneFlags struct {
	applyFlags
	server     string
	objective  string
	where      string
	eachRound  count
	timeBudget time.Duration
	shown      lookFlags
}

// mostVariants limits a search: more combinations would take longer than anyone waits.
const mostVariants = 100

func newTune(p process) *cobra.Command {
	f := tuneFlags{eachRound: 1, timeBudget: 30 * time.Minute}
	c := &cobra.Command{
		Use:   "tune FILE --for FIGURE",
		Short: "Find the best variant of a server",
		Long: `tune plays a scenario on every combination of the variants that a server profile
lists, in rounds, each variant once a round and in a new order each time, and finds
the one with the best value of a figure. Variants that are certainly worse are
dropped; where the time is too short for all, those that are behind are set aside.
It prints how the variants stand, what they need of the memory, how sure that is,
and the winner's profile. docs/tune.md says how it decides.

The exit code is 0 if there is a winner, 4 if the variants cannot be told apart,
and 5 if none can be started.`,
		Example: `  homellm tune rag-long --for steps.first_question.ttft_ms.p50 --server llamacpp-mine
  homellm tune quality.yaml --for run.output_tps.p50 \
    --where 'run.pass_rate["answers"] > 0.9' --budget 2h --servers lab.yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			p, end := f.events.open(p)
			defer end()
			return tuned(c.Context(), p, args, f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.objective, "for", "",
		"figure that is to be as good as possible, such as steps.q.ttft_ms.p50 (required)")
	fl.StringVar(&f.where, "where", "", "condition that the best variant must meet, such as 'run.error_rate < 0.01'")
	fl.StringVar(&f.server, "server", "", "profile whose variants are played (default: the only one that has variants)")
	f.variants.add(c)
	f.libraryFlags.add(c)
	fl.Var((*budget)(&f.timeBudget), "budget", "time for the whole search, such as 2h")
	fl.Var(&f.eachRound, "repeats", "measured passes of a variant in each round")
	fl.StringVar(&f.model, "model", "", "model to play with, instead of the scenario's own choice")
	fl.StringArrayVar(&f.vars, "var", nil, "k=v: value of a variable of the scenario")
	fl.StringSliceVar(&f.include, "include-tags", nil, "play only conversations with any of these tags")
	fl.StringSliceVar(&f.exclude, "exclude-tags", nil,
		"leave out conversations with any of these tags; wins over --include-tags")
	fl.StringVar(&f.out, "out", "", "folder for the results (default results/<time>-<scenario>-tune-<id>)")
	fl.StringVar(&f.resume, "resume", "", "interrupted search to continue, by its folder or name: whole rounds are kept")
	fl.BoolVar(&f.quiet, "quiet", false, "print nothing but the outcome")
	f.shown.add(c, listing.Tuned)
	f.events.add(c)
	if err := c.MarkFlagRequired("for"); err != nil {
		panic(err) // the flag was added above
	}
	c.MarkFlagsMutuallyExclusive("resume", "out")
	return c
}

func tuned(ctx context.Context, p process, args []string, f tuneFlags) error {
	if err := f.shown.check(); err != nil {
		return err
	}
	named, err := files.Scenarios(args, p.stdin)
	if err != nil {
		return err
	}
	if len(named) != 1 {
		return exit.Errorf(exit.Usage, "name one scenario", "tune plays one scenario, and %d are named", len(named))
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	profile, err := f.choose(lib)
	if err != nil {
		return err
	}
	done, err := f.reopen(p)
	if err != nil {
		return err
	}
	defer done()
	f.find = &dsl.Search{For: f.objective, Where: f.where}
	plans, choice, err := planAll(ctx, p, lib, named, f.applyFlags)
	if err != nil {
		return err
	}
	plan := plans[0]
	if len(plan.Cells) != len(f.choices) {
		return exit.Errorf(exit.Usage, "choose one with --model and --var, or take the axes out of the scenario",
			"tune compares the variants of one server in one cell, and the matrix of %s has %d", plan.Name,
			len(plan.Cells)/len(f.choices))
	}
	if plan.Cells[0].Scenario.Run.Duration > 0 {
		return exit.Errorf(exit.Usage, "write run.repeats in the scenario in the place of run.duration",
			"tune plays rounds of few repeats, and %s plays for %v", plan.Name, plan.Cells[0].Scenario.Run.Duration)
	}
	trial, err := f.trial(plan)
	if err != nil {
		return err
	}
	f.search = engine.Search{Of: &trial.Search, Next: func(run *metrics.Run, spent time.Duration,
		cost func(string) time.Duration) engine.Step {
		cells, conditions, over := trial.Next(run, spent, cost)
		return engine.Step{Cells: cells, Conditions: conditions, Over: over}
	}}
	if f.out == "" && f.begun == nil {
		id, err := results.NewID()
		if err != nil {
			return err
		}
		f.out = results.NewDir(plan.Name+"-tune", id, time.Now())
	}
	silent := report.Format{Write: func(io.Writer, *metrics.Run, report.Options) error { return nil }}
	code, err := play(ctx, p, plan, choice, f.applyFlags, silent, false)
	if err != nil {
		return err
	}
	return f.conclude(p, plan, profile, trial, code)
}

// choose finds the profile and the variants that are played.
func (f *tuneFlags) choose(lib *dsl.Library) (*dsl.Server, error) {
	if f.server == "" {
		var names []string
		for _, s := range lib.Servers {
			if !s.Abstract && s.Attach == "" && len(s.Variants) > 0 {
				names = append(names, s.Name)
			}
		}
		switch len(names) {
		case 0:
			return nil, exit.Errorf(exit.Usage, "write variants: in a profile; docs/tune.md shows how",
				"no profile has variants")
		case 1:
			f.server = names[0]
		default:
			return nil, exit.Errorf(exit.Usage, "choose one with --server: "+strings.Join(names, ", "),
				"%d profiles have variants", len(names))
		}
	}
	profile, _, err := profileAndModel(lib, f.server, "")
	if err != nil {
		return nil, err
	}
	fixed, err := f.variants.chosen()
	if err != nil {
		return nil, err
	}
	if len(profile.Variants) == 0 {
		return nil, exit.Errorf(exit.Usage, "write variants: in the profile; docs/tune.md shows how",
			"profile %q has no variants", f.server)
	}
	if _, wrong, help := profile.With(fixed); wrong != "" {
		return nil, exit.Errorf(exit.Usage, help, "--variant: %s", wrong)
	}
	f.servers, f.choices = []string{f.server}, profile.Choices(fixed)
	if _, wrong, help := profile.With(f.choices[0]); wrong != "" {
		return nil, exit.Errorf(exit.Usage, help, "%s", wrong)
	}
	switch n := len(f.choices); {
	case n < 2:
		return nil, exit.Errorf(exit.Usage, "leave a --variant out, or add variants to the profile",
			"only one variant of profile %q is left", f.server)
	case n > mostVariants:
		return nil, exit.Errorf(exit.Usage, "fix some of them, as --variant "+fixing(profile)+" does",
			"the variants of profile %q have %d combinations, and tune plays at most %d", f.server, n, mostVariants)
	}
	return profile, nil
}

// fixing is an example of --variant.
func fixing(profile *dsl.Server) string {
	v := profile.Variants[0]
	return v.Name + "=" + v.Values[0].Name
}

// trial is the search among the cells of a plan.
func (f *tuneFlags) trial(plan *dsl.Plan) (*tune.Trial, error) {
	objective, wrong, help := tune.ObjectiveOf(f.objective)
	if wrong != "" {
		return nil, exit.Errorf(exit.Usage, help, "--for: %s", wrong)
	}
	t := &tune.Trial{Objective: objective, Search: event.Search{For: f.objective, Where: f.where, Budget: f.timeBudget,
		Visit: int(f.eachRound)}}
	cells := map[string]*dsl.Cell{}
	for _, c := range plan.Cells {
		t.Cells = append(t.Cells, c.ID)
		cells[c.ID] = c
	}
	if plan.Cells[0].Scenario.Condition != nil {
		t.Holds = func(run *metrics.Run, cell string, looks stats.Looks) (tune.Condition, string) {
			c := cells[cell]
			v := judge.Holds(c, run, c.Scenario.Condition, looks)
			switch v.Verdict {
			case event.Pass:
				return tune.Met, ""
			case event.Fail:
				return tune.Unmet, "it does not meet the condition: " + read(v)
			}
			return tune.Undecided, "it is not certain that it meets the condition: " + v.Why
		}
	}
	return t, nil
}

// read is what an assertion compared, in words.
func read(v event.Verdict) string {
	var parts []string
	for _, o := range v.Operands {
		value := fmt.Sprint(o.Value)
		if x, ok := o.Value.(float64); ok {
			value = fmt.Sprintf("%.4g", x)
		}
		parts = append(parts, strings.TrimSpace(o.Path+" is "+value+metrics.UnitAfter(o.Unit)))
	}
	return strings.Join(parts, ", ")
}

// conclude prints what was found. Code is that of the run.
func (f *tuneFlags) conclude(p process, plan *dsl.Plan, profile *dsl.Server, trial *tune.Trial, code int) error {
	dir := f.out
	if f.begun != nil {
		dir = f.begun.Dir
	}
	dir, run, err := results.Read(dir)
	if err != nil {
		return err
	}
	scores := scoresOf(plan.Cells[0].Scenario.Condition, run)
	shown := listing.Trial{Dir: dir, Server: profile.Name, Scores: scores, Trial: trial,
		Outcome: trial.Outcome(run, scores), Spent: spentOn(run)}
	for _, v := range profile.Variants {
		shown.Axes = append(shown.Axes, v.Name)
	}
	servers := map[string]*dsl.Server{}
	for _, c := range plan.Cells {
		servers[c.ID] = c.Server
	}
	shown.Log = func(cell string) []string { return target.LastLines(dir, servers[cell].Instance()) }
	if shown.Outcome.Leader >= 0 {
		if shown.Profile, err = servers[shown.Outcome.Rows[0].Cell.ID].Tuned(); err != nil {
			return exit.Errorf(exit.Environment, "", "%w", err)
		}
	}
	if err := unread(f.shown.write(plain{p.stdout}, listing.OfTuning(shown))); err != nil {
		return err
	}
	if !f.quiet {
		p.say("the run is in %s", dir)
	}
	started := slices.ContainsFunc(run.Cells, func(c *metrics.Cell) bool { return c.Started != nil })
	switch {
	case !shown.Outcome.Ended:
		return exit.With(code)
	case !started:
		return exit.With(exit.Environment)
	case shown.Outcome.Winner < 0:
		return exit.With(exit.Inconclusive)
	}
	return nil
}

// scoresOf are the pass rates that a search shows: those of its condition, else all over items of data sets.
func scoresOf(condition *expr.Assertion, run *metrics.Run) (out []string) {
	if condition != nil {
		for _, path := range condition.Paths() {
			if _, ok := figure.CutScore(path); ok {
				out = append(out, path)
			}
		}
	}
	for _, c := range run.Cells {
		if len(out) == 0 {
			out = c.Scores()
		}
	}
	return out
}

// spentOn is how long a run took, with its earlier parts if it was resumed.
func spentOn(run *metrics.Run) (d time.Duration) {
	for _, c := range run.Cells {
		for _, q := range c.Requests {
			d = max(d, q.Done)
		}
	}
	return d
}
