package main

import (
	"github.com/spf13/cobra"

	"homellm/engine/baseline"
	"homellm/engine/compare"
)

type compareFlags struct {
	gates   string
	require bool
	runs    runFlags
	shown   compareOutputFlags
}

func (f *compareFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.gates, "gates", "", "gates file: which change of which metric is a regression (default: "+
		"built-in gates)")
	f.shown.add(c)
}

func newCompare(p process) *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare [RUN|BASELINE] RUN",
		Short: "Judge whether a run is worse than another, or than its baseline",
		Long: `compare compares the repeats of two runs, metric by metric, and calls each metric
worse, better, the same or unknown. Worse means: beyond the margin of
the gate, and more than chance explains. Same is only said of samples that would
have shown a change of twice the margin.

With one run, each cell is compared with the baseline that the gates file names
(or baselines/<scenario>/<cell>.json). A run or baseline of another machine,
model or scenario is never silently compared. A run is named by its folder or as
homellm results names it: previous and latest are names too.

It exits with 0 if nothing is worse, 1 if a gate is, and 4 if one cannot be judged.`,
		Example: `  homellm compare results/before results/after
  homellm compare previous latest
  homellm compare baselines/rag-long/sim.json results/after --gates gates.yaml
  homellm compare results/after --gates gates.yaml --require-baseline --format markdown`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: p.completeRuns(&f.runs.dir, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			return runCompare(p, args, f)
		},
	}
	f.add(c)
	f.runs.add(c)
	c.Flags().BoolVar(&f.require, "require-baseline", false, "a cell without a baseline is inconclusive, not skipped")
	return c
}

func runCompare(p process, args []string, f compareFlags) error {
	out, err := f.shown.open(p)
	if err != nil {
		return err
	}
	rules, err := baseline.Rules(f.gates)
	if err != nil {
		return err
	}
	if args, err = f.runs.paths(p, args); err != nil {
		return err
	}
	var c compare.Comparison
	if len(args) == 1 {
		c, err = baseline.Compare(rules, args[0], f.require)
	} else {
		c, err = baseline.Between(rules, args[0], args[1])
	}
	if err != nil {
		return err
	}
	return out.Conclude(c)
}
