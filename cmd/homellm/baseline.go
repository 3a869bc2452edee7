package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/compare"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/replace"
	"homellm/engine/report"
	"homellm/engine/results"
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
	c.Flags().IntVar(&splits, "aa", 200, "random halvings used to find the noise floor; 0: none")
	return c
}

func recordBaseline(p process, args []string, f compareFlags, splits int) error {
	if splits < 0 {
		return exit.Errorf(exit.Usage, "", "--aa must not be negative")
	}
	rules, err := f.rules()
	if err != nil {
		return err
	}
	var runs []*metrics.Run
	for _, arg := range args {
		_, run, err := results.Read(arg)
		if err != nil {
			return err
		}
		runs = append(runs, run)
	}
	if err := twoRuns(runs, args); err != nil {
		return err
	}
	run := runs[0]
	for i, r := range runs {
		if !r.Started.Checked() {
			return exit.Errorf(exit.Invalid, "play it again with this homellm",
				"%s cannot become a baseline: its journal has no checksums, so damage would not be noticed", args[i])
		}
		if verdict, code, reason := r.Outcome(); code != exit.Pass {
			return exit.Errorf(code, "homellm report "+args[i]+" tells more",
				"only a passing run can be a baseline, and %s is %s: %s",
				args[i], verdict, reason)
		}
	}
	files := map[string][]byte{}
	var order []string
	for _, cell := range run.Cells {
		if cell.Planned.Skip != "" {
			continue
		}
		var more []*metrics.Cell
		for i, r := range runs[1:] {
			again := compare.Counterpart(r, cell)
			if again == nil {
				return exit.Errorf(exit.Usage, "", "%s has no cell %s", args[i+1], cell.Name())
			}
			more = append(more, again)
		}
		b, err := rules.Record(cell, splits, more...)
		if err != nil {
			return exit.Errorf(exit.Inconclusive, "", "%w", err)
		}
		var text bytes.Buffer
		if err := b.Write(&text); err != nil {
			return err
		}
		path := rules.BaselinePath(cell)
		if files[path] != nil {
			return exit.Errorf(exit.Invalid, "add ${cell} to the file name in the gates file",
				"two cells would have the same baseline %s", path)
		}
		files[path], order = text.Bytes(), append(order, path)
		if few := compare.FewRepeats(cell); few != "" {
			p.say("%s", few)
		}
	}
	for _, path := range order {
		if err := replace.Below(cmp.Or(rules.Folder(), "."), path, files[path]); err != nil {
			return exit.Errorf(exit.Environment, "", "writing the baseline: %w", err)
		}
		p.sayPath("%s", path)
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
	if _, err := os.Stat(dir); err != nil {
		return exit.Errorf(exit.Usage, "homellm baseline record RUN writes the first one", "%w", err)
	}
	var rows [][]string
	var broken []error
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		b, err := readBaseline(path)
		if err != nil {
			broken = append(broken, err)
			return nil
		}
		age := time.Since(b.Recorded)
		rows = append(rows, []string{path, b.Scenario, b.Name, b.Recorded.UTC().Format(time.DateOnly),
			fmt.Sprintf("%.0f d", age.Hours()/24), fmt.Sprint(len(b.Metrics)), fmt.Sprint(b.Repeats())})
		return nil
	})
	if err != nil {
		return exit.Errorf(exit.Environment, "", "looking for baselines: %w", err)
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
			b, err := readBaseline(args[0])
			if err != nil {
				return err
			}
			return showBaseline(p, b)
		},
	}
}

func showBaseline(p process, b *compare.Baseline) error {
	head := [][]string{{"scenario", b.Scenario}, {"cell", b.Name}, {"recorded", b.Recorded.UTC().Format(time.RFC3339)},
		{"run", b.Run}, {"homellm", b.Homellm}}
	for _, k := range compare.FingerprintKeys {
		value := b.Fingerprint[k.Name]
		if value == "" {
			value = "not known"
		}
		head = append(head, []string{k.Name, value})
	}
	head = append(head, []string{"A/A noise", fmt.Sprintf("%d halvings, %d runs", b.AASplits, b.AARuns)})
	if err := report.Columns(p.stdout, nil, head, 2); err != nil {
		return exit.Errorf(exit.Environment, "", "printing the baseline: %w", err)
	}
	fmt.Fprintln(p.stdout)
	var rows [][]string
	for _, path := range b.Paths() {
		m := b.Metrics[path]
		d := metrics.NewDist(slices.Clone(m.Values))
		noise := "–"
		if m.Noise != nil {
			noise = fmt.Sprintf("%.2f %%", 100**m.Noise)
		}
		of := func(stat string) string {
			v, ok := m.Shown[stat]
			if !ok {
				v, _ = d.Stat(stat)
			}
			return fmt.Sprintf("%.4g", v)
		}
		rows = append(rows, []string{path, m.Unit, fmt.Sprint(d.N), of("p50"), of("min"), of("max"), noise})
	}
	if err := report.Columns(p.stdout, []string{"metric", "unit", "n", "p50", "min", "max", "A/A noise"}, rows,
		2); err != nil {
		return exit.Errorf(exit.Environment, "", "printing the baseline: %w", err)
	}
	return nil
}
