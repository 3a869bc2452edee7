package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/baseline"
	"homellm/engine/exit"
	"homellm/engine/listing"
	"homellm/engine/metrics"
	"homellm/engine/publish"
	"homellm/engine/report"
	"homellm/engine/results"
)

func newResults(p process) *cobra.Command {
	dir := results.Default
	c := &cobra.Command{
		Use:   "results",
		Short: "List, show, compare and remove earlier runs",
		Long: `results looks at the runs below a results folder. A run is named by its folder,
by the name of its folder or by any start of either that is unique; "latest" is
the newest one, and "previous" the one before it of the same scenario.`,
	}
	c.PersistentFlags().StringVar(&dir, "dir", dir, "the folder that holds the results folders")
	c.AddCommand(newResultsList(p, &dir), newResultsShow(p, &dir), newResultsDiff(p, &dir), newResultsPrune(p, &dir))
	return c
}

// runFlags say where runs are that are named and not given by their path.
type runFlags struct{ dir string }

func (f *runFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", results.Default, "the folder that holds the results folders")
}

// paths returns the folders of runs. An argument that is not a path is the name of a run, as for results.
func (f runFlags) paths(p process, named []string) ([]string, error) {
	out := slices.Clone(named)
	for i, name := range named {
		if _, err := os.Stat(name); err == nil || strings.ContainsAny(name, `/\`) || filepath.Ext(name) == ".json" {
			continue
		}
		dir, _, err := p.runs(f.dir).Find(name)
		if err != nil {
			return nil, err
		}
		out[i] = dir
	}
	return out, nil
}

// runs returns the runs in a folder and reports those that cannot be read, the first of many.
func (p process) runs(dir string) results.Runs {
	const most = 5
	n := 0
	return results.Runs{Dir: dir, Skipped: func(err error) {
		switch n++; {
		case n <= most:
			p.say("skipped: %v", err)
		case n == most+1:
			p.say("skipped: further runs in %s that cannot be read", dir)
		}
	}}
}

func newResultsList(p process, dir *string) *cobra.Command {
	var shown lookFlags
	c := &cobra.Command{
		Use: "list", Short: "List the runs, the newest first", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := shown.check(); err != nil {
				return err
			}
			all, err := p.runs(*dir).All()
			if err != nil {
				return err
			}
			if len(all) == 0 {
				p.say("there are no runs in %s", *dir)
			}
			return shown.write(p.stdout, listing.OfRuns(*dir, all))
		},
	}
	shown.add(c, listing.ResultsList)
	return c
}

func newResultsShow(p process, dir *string) *cobra.Command {
	format := "table"
	c := &cobra.Command{
		Use: "show [RUN]", Short: "Show a run again; the newest one if none is named", Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeRuns(dir, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := publish.Named(format)
			if err != nil {
				return err
			}
			name := results.Latest
			if len(args) == 1 {
				name = args[0]
			}
			at, fold, err := p.runs(*dir).Find(name)
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
	c.Flags().StringVar(&format, "format", format, "what to print: "+strings.Join(publish.Names(), ", "))
	return c
}

func newResultsDiff(p process, dir *string) *cobra.Command {
	var html bool
	format := "table"
	c := &cobra.Command{
		Use: "diff OLD [NEW]", Short: "Show what two runs measured side by side", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: p.completeRuns(dir, 2),
		Long: `diff shows two runs side by side: what differs in their setting, every number of
their tables, and the assertions whose verdicts changed. It judges nothing and
exits with 0: whether a difference is more than noise is for homellm compare.
Without NEW the newest run is compared with OLD.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if html {
				format = "html"
			}
			if !slices.Contains(differenceFormats, format) {
				return exit.Errorf(exit.Usage, "formats: "+strings.Join(differenceFormats, ", "), "unknown format %q", format)
			}
			args = append(args, results.Latest)
			_, before, err := p.runs(*dir).Find(args[0])
			if err != nil {
				return err
			}
			_, after, err := p.runs(*dir).Find(args[1])
			if err != nil {
				return err
			}
			if err := baseline.Distinct([]*metrics.Run{before, after}, args); err != nil {
				return err
			}
			switch format {
			case "html":
				err = report.CompareHTML(p.stdout, before, after, report.View{})
			case "json":
				err = report.DifferenceJSON(p.stdout, before, after)
			default:
				err = report.Difference(p.stdout, before, after, p.reportOptions(""))
			}
			if err != nil {
				return exit.Errorf(exit.Environment, "", "printing the difference: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", format, "what to print: "+strings.Join(differenceFormats, ", "))
	c.Flags().BoolVar(&html, "html", false, "the same as --format html: a page with charts")
	c.MarkFlagsMutuallyExclusive("html", "format")
	return c
}

// differenceFormats are the formats in which two runs are shown side by side.
var differenceFormats = []string{"table", "json", "html"}

type pruneFlags struct {
	keep    int
	younger days
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
				return exit.Errorf(exit.Usage, "--keep 20, --younger-than 30d, or both", "say which runs to keep")
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
	c.Flags().Var(&f.younger, "younger-than", "keep runs younger than this, such as 30d or 12h")
	c.Flags().BoolVar(&f.yes, "yes", false, "remove them")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would be removed")
	return c
}

func prune(p process, dir string, f pruneFlags, now time.Time) error {
	all, err := p.runs(dir).All()
	if err != nil {
		return err
	}
	verb := "removed"
	if f.dryRun {
		verb = "would remove"
	}
	pruning := results.Pruning{
		Keep: f.keep, Younger: time.Duration(f.younger), DryRun: f.dryRun,
		Left: func(dir, why string) { p.say("left alone: %s: %s", dir, why) },
		Gone: func(dir string) { p.sayPath(verb+" %s", dir) },
	}
	gone, err := pruning.Prune(all, now)
	p.say("%d of %d runs", gone, len(all))
	return err
}
