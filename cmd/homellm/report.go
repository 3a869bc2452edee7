package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report"
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
				fmt.Fprintf(p.stderr, "homellm: this run did not come to its end\nhomellm: hint: go on with: %s\n",
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

// reportOptions fits reports to this terminal.
func (p process) reportOptions(dir string) report.Options {
	return report.Options{Width: p.width, Color: p.width > 0 && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb", Dir: dir}
}

// readRun folds the journal of a results folder, or the journal itself.
func readRun(path string) (dir string, fold *metrics.Run, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, failf(exitUsage, "results are below results/", "%w", err)
	}
	journal := path
	if info.IsDir() { // whoever wrote the folder has not chosen what else is read
		journal = filepath.Join(path, "journal.jsonl")
		named, err := os.Lstat(journal)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil, failf(exitUsage, "", "%s holds no journal.jsonl: it is not a results folder", path)
		}
		if err == nil && !named.Mode().IsRegular() {
			return "", nil, failf(exitInvalid, "", "%s: not a regular file", journal)
		}
	}
	f, err := os.Open(journal)
	if err != nil {
		return "", nil, failf(exitUsage, "", "%w", err)
	}
	defer f.Close()
	fold = &metrics.Run{}
	for e, err := range event.Read(f) {
		if errors.Is(err, event.ErrTorn) {
			break // the run was cut off in the middle of a line: what stands before it is good
		}
		if err != nil {
			return "", nil, failf(exitInvalid, "", "%s: %w", journal, err)
		}
		fold.Add(e)
	}
	if len(fold.Cells) == 0 {
		return "", nil, failf(exitInvalid, "", "%s holds no run", journal)
	}
	return filepath.Dir(journal), fold, nil
}

func formatNames() []string {
	var out []string
	for _, f := range report.Formats {
		out = append(out, f.Name)
	}
	return out
}

func formatNamed(name string) (report.Format, error) {
	for _, f := range report.Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return report.Format{}, failf(exitUsage, fmt.Sprintf("formats: %s", strings.Join(formatNames(), ", ")), "unknown format %q", name)
}
