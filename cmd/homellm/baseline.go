package main

import (
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/baseline"
	"homellm/engine/compare"
	"homellm/engine/exit"
	"homellm/engine/listing"
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
  homellm baseline record latest
  homellm baseline record --gates gates.yaml results/good results/again results/once-more`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: p.completeRuns(&f.runs.dir, math.MaxInt),
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
	var shown lookFlags
	c := &cobra.Command{
		Use:   "list [DIR]",
		Short: "List the baselines below a folder (default baselines/)",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "baselines"
			if len(args) > 0 {
				dir = args[0]
			}
			return listBaselines(p, dir, shown)
		},
	}
	shown.add(c, listing.Baselined)
	return c
}

func listBaselines(p process, dir string, shown lookFlags) error {
	if err := shown.check(); err != nil {
		return err
	}
	found, broken, err := baseline.List(dir)
	if err != nil {
		return err
	}
	if err := unread(shown.write(p.stdout, listing.OfBaselines(dir, found, time.Now()))); err != nil {
		return err
	}
	for _, err := range broken {
		p.say("%v", err)
	}
	if len(broken) > 0 {
		return exit.With(exit.Invalid)
	}
	if len(found) == 0 {
		p.say("no baseline below %s", dir)
	}
	return nil
}

func newBaselineShow(p process) *cobra.Command {
	format := "text"
	c := &cobra.Command{
		Use:   "show FILE",
		Short: "Show a baseline: where it is from, and its samples",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			show := report.Baseline
			switch format {
			case "text":
			case "json":
				show = func(w io.Writer, b *compare.Baseline) error { return report.WriteJSON(w, b) }
			default:
				return exit.Errorf(exit.Usage, "text or json", "unknown format %q", format)
			}
			b, err := baseline.Read(args[0])
			if err != nil {
				return err
			}
			if err := show(p.stdout, b); err != nil {
				return exit.Errorf(exit.Environment, "", "printing the baseline: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", format, "what to print: text, json")
	return c
}
