package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/compare"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/results"
	"homellm/schema"
)

type compareFlags struct {
	gates   string
	require bool
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
model or scenario is never silently compared.

It exits with 0 if nothing is worse, 1 if a gate is, and 4 if one cannot be judged.`,
		Example: `  homellm compare results/before results/after
  homellm compare baselines/rag-long/sim.json results/after --gates gates.yaml
  homellm compare results/after --gates gates.yaml --require-baseline --format markdown`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			return runCompare(p, args, f)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&f.require, "require-baseline", false, "a cell without a baseline is inconclusive, not skipped")
	return c
}

func runCompare(p process, args []string, f compareFlags) error {
	out, err := f.shown.open(p)
	if err != nil {
		return err
	}
	rules, err := f.rules()
	if err != nil {
		return err
	}
	_, run, err := results.Read(args[len(args)-1])
	if err != nil {
		return err
	}
	var c compare.Comparison
	switch {
	case len(args) == 1:
		c, err = rules.Baselines(run, f.require, func(path string) (*compare.Baseline, error) {
			return baselineOfAnother(path, run, args[0])
		})
	case isBaseline(args[0]):
		c, err = againstFile(rules, args[0], run, args[1])
	default:
		var old *metrics.Run
		if _, old, err = results.Read(args[0]); err == nil {
			err = twoRuns([]*metrics.Run{old, run}, args)
		}
		if err == nil {
			c = rules.Runs(old, run)
		}
	}
	if err != nil {
		return err
	}
	return out.conclude(c)
}

// rules reads the gates file, or takes the built-in gates.
func (f compareFlags) rules() (compare.Rules, error) {
	if f.gates == "" {
		return compare.DefaultRules(), nil
	}
	file, err := files.Open(f.gates)
	if err != nil {
		return compare.Rules{}, err
	}
	g, diags := dsl.LoadGates(file, judge.Vocabulary())
	if diags.Errors() {
		return compare.Rules{}, diags
	}
	return compare.RulesOf(g, filepath.Dir(f.gates)), nil
}

// againstFile compares the cell that a baseline file was recorded of.
func againstFile(rules compare.Rules, path string, run *metrics.Run, named string) (compare.Comparison, error) {
	b, err := baselineOfAnother(path, run, named)
	if err != nil {
		return compare.Comparison{}, err
	}
	c, ok := rules.Baseline(b, path, run)
	if !ok {
		return c, exit.Errorf(exit.Inconclusive, "its cells: "+cellNames(run),
			"the run has no cell %s, of which %s is the baseline",
			b.Name, path)
	}
	return c, nil
}

// twoRuns refuses a run beside itself or its own copy: nothing could ever be worse, so that whoever asks for it has
// named the wrong folder.
func twoRuns(runs []*metrics.Run, named []string) error {
	seen := map[string]string{}
	for i, r := range runs {
		id := r.Started.ID
		if other, ok := seen[id]; ok && id != "" {
			return exit.Errorf(exit.Usage, "name two runs; homellm results list shows those there are",
				"%s and %s are the same run %.8s",
				other, named[i], id)
		}
		seen[id] = named[i]
	}
	return nil
}

// baselineOfAnother reads a baseline and refuses one that was recorded from the run itself.
func baselineOfAnother(path string, run *metrics.Run, named string) (*compare.Baseline, error) {
	b, err := readBaseline(path)
	if err == nil && b.Of(run) {
		return nil, exit.Errorf(exit.Usage, "play it again, and compare the new run",
			"%s was recorded from %s itself: nothing could ever be worse", path, named)
	}
	return b, err
}

func cellNames(r *metrics.Run) string {
	var out []string
	for _, c := range r.Cells {
		out = append(out, c.Name())
	}
	return strings.Join(out, ", ")
}

// isBaseline says whether a path is a JSON file: runs are folders or journals.
func isBaseline(path string) bool { return filepath.Ext(path) == ".json" }

// readBaseline reads and checks a baseline file.
func readBaseline(path string) (*compare.Baseline, error) {
	data, err := files.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, exit.Errorf(exit.Usage, "homellm baseline list shows those there are", "%w", err)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Environment, "", "%w", err)
	}
	corrupt := func(err error) error {
		return exit.Errorf(exit.Invalid, "record it again: homellm baseline record RUN", "%s: %w", path, err)
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, corrupt(fmt.Errorf("not a baseline: %w", err))
	}
	if problems := schema.Validate("baseline", doc); len(problems) > 0 {
		where := strings.Join(problems[0].Path, ".")
		if where != "" {
			where += ": "
		}
		return nil, corrupt(fmt.Errorf("not a baseline: %s%s", where, problems[0].Message))
	}
	b, err := compare.ReadBaseline(data)
	if err != nil {
		return nil, corrupt(err)
	}
	return b, nil
}
