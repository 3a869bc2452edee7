package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/baseline"
	"homellm/engine/exit"
	"homellm/engine/report"
)

func newBaseline(p process) *cobra.Command {
	c := &cobra.Command{
		Use:   "baseline",
		Short: "Keep what a passing run measured, to compare later runs with",
		Long: `A baseline is a JSON file for git: one for each scenario and cell, with the samples
of the gated metrics, the circumstances they were measured under, and how much they
differ when nothing has changed. Only baseline record writes one.`,
	}
	c.AddCommand(newBaselineRecord(p), newBaselineList(p), newBaselineShow(p))
	return c
}

func newBaselineRecord(p process) *cobra.Command {
	var f compareFlags
	var splits int
	c := &cobra.Command{
		Use:   "record RUN [RUN...]",
		Short: "Write the baselines of a passing run",
		Long: `record writes one file for each cell of a passing run, where the gates file says:
by default baselines/<scenario>/<cell>.json. An older file is replaced.

The noise floor (A/A) is found by halving the run's repeats at random, --aa times.
Further runs of the same setup, named after the first, add how much whole runs differ
when nothing has changed.`,
		Example: `  homellm baseline record results/good
  homellm baseline record --gates gates.yaml results/good results/again results/once-more`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return recordBaseline(p, args, f, splits)
		},
	}
	c.Flags().StringVar(&f.gates, "gates", "", "gates file: which metrics are kept, and where")
	f.runs.add(c)
	c.Flags().IntVar(&splits, "aa", 200, "random halvings used to find the noise floor; 0: none")
	return c
}

func recordBaseline(p process, args []string, f compareFlags, splits int) error {
	if splits < 0 {
		return exit.Errorf(exit.Usage, "", "--aa must not be negative")
	}
	rules, err := baseline.Rules(f.gates)
	if err != nil {
		return err
	}
	if args, err = f.runs.paths(p, args); err != nil {
		return err
	}
	drafts, err := baseline.Record(rules, args, splits)
	if err != nil {
		return err
	}
	for _, d := range drafts {
		if d.Few != "" {
			p.say("%s", d.Few)
		}
		if err := d.Write(rules.Folder()); err != nil {
			return err
		}
		p.sayPath("%s", d.Path)
	}
	return nil
}

func newBaselineList(p process) *cobra.Command {
	return &cobra.Command{
		Use:   "list [DIR]",
		Short: "List the baselines below a folder (default baselines/)",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "baselines"
			if len(args) > 0 {
				dir = args[0]
			}
			return listBaselines(p, dir)
		},
	}
}

func listBaselines(p process, dir string) error {
	found, broken, err := baseline.List(dir)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, one := range found {
		b := one.Baseline
		rows = append(rows, []string{one.Path, b.Scenario, b.Name, b.Recorded.UTC().Format(time.DateOnly),
			fmt.Sprintf("%.0f d", time.Since(b.Recorded).Hours()/24), fmt.Sprint(len(b.Metrics)), fmt.Sprint(b.Repeats())})
	}
	if len(rows) > 0 {
		if err := report.Columns(p.stdout, []string{"file", "scenario", "cell", "recorded", "age", "metrics", "repeats"},
			rows, 4); err != nil {
			return exit.Errorf(exit.Environment, "", "printing the list: %w", err)
		}
	}
	for _, err := range broken {
		p.say("%v", err)
	}
	if len(broken) > 0 {
		return exit.With(exit.Invalid)
	}
	if len(rows) == 0 {
		p.say("no baseline below %s", dir)
	}
	return nil
}

func newBaselineShow(p process) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE",
		Short: "Show a baseline: where it is from, and its samples",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := baseline.Read(args[0])
			if err != nil {
				return err
			}
			if err := report.Baseline(p.stdout, b); err != nil {
				return exit.Errorf(exit.Environment, "", "printing the baseline: %w", err)
			}
			return nil
		},
	}
}
