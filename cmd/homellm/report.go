package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func newReport(p process) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "report DIR|journal.jsonl",
		Short: "Render a run again from its journal",
		Long: `report reads the journal of a run and prints what apply printed at its end.
It exits with the code of the run.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := formatNamed(format)
			if err != nil {
				return err
			}
			dir, fold, err := readRun(args[0])
			if err != nil {
				return err
			}
			if err := f.Write(p.stdout, fold, p.reportOptions(dir)); err != nil && !errors.Is(err, syscall.EPIPE) {
				return failf(exitEnvironment, "", "printing the report: %w", err)
			}
			if fold.Done == nil || fold.Done.Interrupted != "" {
				fmt.Fprintf(p.stderr, "homellm: this run was not finished\nhomellm: hint: continue with: %s\n",
					resumeHint(argument(fold.Started.Scenario.File), kept(fold.Started.Options), dir))
			}
			if _, code, _ := fold.Outcome(); code != exitPass {
				return &failure{code: code}
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "table", "what to print: "+strings.Join(formatNames(), ", "))
	return c
}
