package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/history"
	"homellm/engine/history/index"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/engine/report"
	"homellm/engine/results"
)

func newHistory(p process) *cobra.Command {
	dir, metric, format := results.Default, "", "table"
	c := &cobra.Command{
		Use:   "history [SCENARIO]",
		Short: "Show the figures of a scenario over all its runs, and where they changed",
		Long: `history looks at all finished runs of a scenario below the results folder, cell by
cell and machine by machine: each figure with its first and its last value, and the
runs from which on its level was another, with what else changed there: the driver,
the version of the server, its flags. With --metric it lists each run.

It judges nothing and exits with 0. SCENARIO is a name or the file that has it;
"latest" is the scenario of the newest run. Without SCENARIO it lists the scenarios.`,
		Example: `  homellm history rag-long
  homellm history rag-long --metric phases.after_removal.ttft_ms
  homellm history rag-long --format html > history.html`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeHistories(&dir),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if !slices.Contains(historyFormats, format) {
				return exit.Errorf(exit.Usage, "write one of "+strings.Join(historyFormats, ", "), "there is no format %q", format)
			}
			x, err := index.Open(c.Context(), p.runs(dir))
			if err != nil {
				return err
			}
			defer x.Close()
			scenarios, err := x.Scenarios(c.Context())
			if err != nil {
				return exit.Errorf(exit.Environment, "", "reading the index of %s: %w", dir, err)
			}
			if len(args) == 0 {
				for _, s := range scenarios {
					fmt.Fprintln(p.stdout, s)
				}
				return nil
			}
			scenario := scenarioOf(args[0])
			if scenario == results.Latest && !slices.Contains(scenarios, scenario) {
				_, newest, err := p.runs(dir).Find(results.Latest)
				if err != nil {
					return err
				}
				scenario = newest.Started.Scenario.Name
			}
			all, err := x.Of(c.Context(), scenario)
			if err != nil {
				return exit.Errorf(exit.Environment, "", "reading the index of %s: %w", dir, err)
			}
			if len(all) == 0 {
				return exit.Errorf(exit.Usage, cmp.Or(syntax.Suggest(scenario, scenarios),
					"homellm history lists the scenarios that have some"), "there are no finished runs of %q in %s", scenario, dir)
			}
			if err := knows(all, metric); err != nil {
				return err
			}
			if err := writeHistory(p.stdout, scenario, all, metric, format); err != nil {
				return exit.Errorf(exit.Environment, "", "printing the history: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", dir, "the folder that holds the results folders")
	c.Flags().StringVar(&metric, "metric", "", "list each run with this figure, such as steps.question.ttft_ms")
	c.Flags().StringVar(&format, "format", format, "what to print: "+strings.Join(historyFormats, ", "))
	return c
}

// scenarioOf returns the name of the scenario in a file. Any other argument is returned unchanged.
func scenarioOf(arg string) string {
	if info, err := os.Stat(arg); err != nil || info.IsDir() {
		return arg
	}
	named, err := files.Scenario(arg)
	if err != nil || len(named) != 1 {
		return arg
	}
	lib := files.ShippedLibrary()
	if plan, _ := dsl.Load(named[0], lib, judge.Vocabulary(), prompt.PlanOptions(lib)); plan != nil {
		return plan.Name
	}
	return arg
}

var historyFormats = []string{"table", "html", "json"}

// knows refuses a figure that no run has.
func knows(all []history.History, metric string) error {
	paths := history.Figures(all)
	if metric == "" || slices.Contains(paths, metric) {
		return nil
	}
	hint := cmp.Or(syntax.SuggestPath(metric, paths), "there are: "+strings.Join(paths, ", "))
	return exit.Errorf(exit.Usage, hint, "no run has a figure %q", metric)
}

func writeHistory(w io.Writer, scenario string, all []history.History, metric, format string) error {
	switch format {
	case "html":
		return report.HistoryHTML(w, scenario, all, metric, report.View{})
	case "json":
		return report.HistoryJSON(w, scenario, all)
	}
	return report.History(w, all, metric)
}
