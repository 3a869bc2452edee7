package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/report"
)

// resultsFolder is where apply keeps runs unless it is told otherwise.
const resultsFolder = "results"

func newResults(p process) *cobra.Command {
	dir := resultsFolder
	c := &cobra.Command{
		Use:   "results",
		Short: "List, show, compare and remove earlier runs",
		Long: `results looks at the runs below a results folder. A run is named by its folder,
by the name of its folder or by any start of either that is unique; "latest" is
the newest one.`,
	}
	c.PersistentFlags().StringVar(&dir, "dir", dir, "the folder that holds the results folders")
	c.AddCommand(newResultsList(p, &dir), newResultsShow(p, &dir), newResultsDiff(p, &dir), newResultsPrune(p, &dir))
	return c
}

// keptRun is a run in the results folder.
type keptRun struct {
	name, dir string
	fold      *metrics.Run
	started   time.Time
}

// keptRuns reads every run directly below a folder, the newest first. A folder without our journal is not a run; a
// journal that cannot be read is reported and left alone.
func keptRuns(p process, dir string) ([]keptRun, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, exit.Errorf(exit.Usage, "name another folder with --dir", "there are no results in %s", dir)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "%w", err)
	}
	var out []keptRun
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() {
			continue // a link to a folder is not followed
		}
		if info, err := os.Lstat(filepath.Join(path, "journal.jsonl")); err != nil || !info.Mode().IsRegular() {
			continue
		}
		_, fold, err := readRun(path)
		if err != nil {
			p.say("skipped: %v", err)
			continue
		}
		out = append(out, keptRun{e.Name(), path, fold, fold.Started.Started})
	}
	slices.SortFunc(out, func(a, b keptRun) int {
		if c := b.started.Compare(a.started); c != 0 {
			return c
		}
		return strings.Compare(b.name, a.name)
	})
	return out, nil
}

// findRun finds a run by folder, name or unique start of a name.
func findRun(p process, dir, name string) (string, *metrics.Run, error) {
	if _, err := os.Stat(name); err == nil {
		return readRun(name)
	}
	all, err := keptRuns(p, dir)
	if err != nil {
		return "", nil, err
	}
	var found []keptRun
	for _, r := range all {
		switch {
		case name == "latest", r.name == name:
			return r.dir, r.fold, nil
		case strings.HasPrefix(r.name, name), strings.HasPrefix(r.fold.Started.ID, name):
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return found[0].dir, found[0].fold, nil
	case 0:
		return "", nil, exit.Errorf(exit.Usage, "homellm results list", "there is no run %q in %s", name, dir)
	}
	return "", nil, exit.Errorf(exit.Usage, "give more of its name", "%d runs in %s begin with %q", len(found), dir, name)
}

func newResultsList(p process, dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the runs, the newest first", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := keptRuns(p, *dir)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, r := range all {
				verdict, code, _ := r.fold.Outcome()
				simulated := ""
				if slices.ContainsFunc(r.fold.Cells, (*metrics.Cell).Simulated) {
					simulated = "simulated"
				}
				counts := r.fold.Counts()
				rows = append(rows, []string{r.started.UTC().Format("2006-01-02 15:04"), r.fold.Started.Scenario.Name,
					string(verdict), r.name, simulated,
					fmt.Sprint(code), fmt.Sprint(counts[metrics.Passed]), fmt.Sprint(counts[metrics.Failed]),
					fmt.Sprint(len(r.fold.Cells))})
			}
			if len(rows) == 0 {
				p.say("there are no runs in %s", *dir)
				return nil
			}
			if err := report.Columns(p.stdout, []string{"started (UTC)", "scenario", "verdict", "run", "", "code", "passed",
				"failed", "cells"}, rows, 5); err != nil {
				return exit.Errorf(exit.Environment, "", "printing the list: %w", err)
			}
			return nil
		},
	}
}

func newResultsShow(p process, dir *string) *cobra.Command {
	format := "table"
	c := &cobra.Command{
		Use: "show [RUN]", Short: "Show a run again; the newest one if none is named", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := formatNamed(format)
			if err != nil {
				return err
			}
			name := "latest"
			if len(args) == 1 {
				name = args[0]
			}
			at, fold, err := findRun(p, *dir, name)
			if err != nil {
				return err
			}
			remark(p, f, fold)
			if err := f.Write(p.stdout, fold, p.reportOptions(at)); err != nil {
				return exit.Errorf(exit.Environment, "", "printing the report: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", format, "what to print: "+strings.Join(formatNames(), ", "))
	return c
}

func newResultsDiff(p process, dir *string) *cobra.Command {
	var html bool
	c := &cobra.Command{
		Use: "diff OLD [NEW]", Short: "Show what two runs measured side by side", Args: cobra.RangeArgs(1, 2),
		Long: `diff shows two runs side by side: what differs in their setting, every number of
their tables, and the assertions whose verdicts changed. It judges nothing and
exits with 0: whether a difference is more than noise is for homellm compare.
Without NEW the newest run is compared with OLD.`,
		RunE: func(_ *cobra.Command, args []string) error {
			args = append(args, "latest")
			_, before, err := findRun(p, *dir, args[0])
			if err != nil {
				return err
			}
			_, after, err := findRun(p, *dir, args[1])
			if err != nil {
				return err
			}
			if err := twoRuns([]*metrics.Run{before, after}, args); err != nil {
				return err
			}
			if html {
				err = report.CompareHTML(p.stdout, before, after)
			} else {
				err = report.Difference(p.stdout, before, after, p.reportOptions(""))
			}
			if err != nil {
				return exit.Errorf(exit.Environment, "", "printing the difference: %w", err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&html, "html", false, "write a page with charts instead")
	return c
}

type pruneFlags struct {
	keep    int
	younger time.Duration
	yes     bool
	dryRun  bool
}

func newResultsPrune(p process, dir *string) *cobra.Command {
	var f pruneFlags
	c := &cobra.Command{
		Use: "prune", Short: "Remove old runs", Args: cobra.NoArgs,
		Long: `prune removes the runs that neither --keep nor --younger-than keeps. It needs --yes
to remove anything; --dry-run lists what would be removed. It removes only folders
directly below the results folder that hold a journal of homellm, without subfolders,
and never a run that is being played.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("keep") && f.younger == 0 {
				return exit.Errorf(exit.Usage, "--keep 20, --younger-than 720h, or both", "say which runs to keep")
			}
			if f.keep < 0 || f.younger < 0 {
				return exit.Errorf(exit.Usage, "", "--keep and --younger-than must not be negative")
			}
			if f.yes == f.dryRun {
				return exit.Errorf(exit.Usage, "look with --dry-run first, then remove with --yes",
					"give either --yes or --dry-run")
			}
			return prune(p, *dir, f, time.Now())
		},
	}
	c.Flags().IntVar(&f.keep, "keep", 0, "keep the newest N runs")
	c.Flags().DurationVar(&f.younger, "younger-than", 0, "keep runs younger than this, such as 720h")
	c.Flags().BoolVar(&f.yes, "yes", false, "remove them")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would be removed")
	return c
}

func prune(p process, dir string, f pruneFlags, now time.Time) error {
	all, err := keptRuns(p, dir)
	if err != nil {
		return err
	}
	gone := 0
	var failed []error
	for i, r := range all {
		if i < f.keep || f.younger > 0 && now.Sub(r.started) < f.younger {
			continue
		}
		if why := untouchable(r.dir, f.yes); why != "" {
			p.say("left alone: %s: %s", r.dir, why)
			continue
		}
		verb := "would remove"
		if f.yes {
			verb = "removed"
			if err := os.RemoveAll(r.dir); err != nil {
				failed = append(failed, err)
				continue
			}
		}
		gone++
		p.sayPath(verb+" %s", r.dir)
	}
	p.say("%d of %d runs", gone, len(all))
	if len(failed) > 0 {
		return exit.Errorf(exit.Environment, "", "removing: %w", errors.Join(failed...))
	}
	return nil
}

// untouchable says why a folder must not be removed: it holds more than a run, or its run goes on.
// Whether it does is found out by taking the journal, which stays as it is where runs are only listed.
func untouchable(dir string, take bool) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			return e.Name() + " in it is not a file of a run"
		}
	}
	if !take {
		return ""
	}
	j, _, err := event.Open(filepath.Join(dir, "journal.jsonl"))
	switch {
	case errors.Is(err, event.ErrLocked):
		return "it is being played right now"
	case err != nil:
		return err.Error()
	}
	if err := j.Close(); err != nil {
		return err.Error()
	}
	return ""
}
