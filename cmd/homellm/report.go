package main

import (
	"math"
	"strings"

	"github.com/spf13/cobra"

	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/metrics"
	"homellm/engine/publish"
	"homellm/engine/report"
	"homellm/engine/results"
)

// remark prints on stderr what tables for programs have no place for.
func remark(p process, f report.Format, fold *metrics.Run) {
	if f.Name != "csv" && f.Name != "summary" {
		return
	}
	for _, n := range fold.Notes {
		p.say("%s", n.Text)
	}
}

func newReport(p process) *cobra.Command {
	var format string
	var runs runFlags
	c := &cobra.Command{
		Use:   "report RUN|journal.jsonl",
		Short: "Render a run again from its journal",
		Long: `report reads the journal of a run and prints what apply printed at its end.
It exits with the code of the run. The run is named by its folder or as homellm
results names it: previous and latest are names too.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeRuns(&runs.dir, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := publish.Named(format)
			if err != nil {
				return err
			}
			pace(p.getenv, gcMeasured, math.MaxInt64)
			named, err := runs.paths(p, args)
			if err != nil {
				return err
			}
			dir, fold, err := results.Read(named[0])
			if err != nil {
				return err
			}
			remark(p, f, fold)
			opt := p.reportOptions(dir)
			tell, end := p.rendering("rendering " + f.Name)
			opt.Progress = tell
			err = unread(f.Write(p.stdout, fold, opt))
			end()
			if err != nil {
				return exit.Errorf(exit.Environment, "", "printing the report: %w", err)
			}
			if fold.Done == nil || fold.Done.Interrupted != "" {
				p.say("this run was not finished")
				p.say("hint: continue with: %s",
					results.Command(fold.Started.Search, files.Argument(fold.Started.Scenario.File),
						results.Kept(fold.Started.Options), dir))
			}
			if _, code, _ := fold.Outcome(); code != exit.Pass {
				return exit.With(code)
			}
			return nil
		},
	}
	runs.add(c)
	c.Flags().StringVar(&format, "format", "table", "what to print: "+strings.Join(publish.Names(), ", "))
	return c
}
