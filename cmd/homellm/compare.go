package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/schema"
)

type compareFlags struct {
	gates   string
	require bool
	shown   compareOutputFlags
}

func (f *compareFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.gates, "gates", "", "gates file: which change of which metric is a regression (default: built-in gates)")
	f.shown.add(c)
}

func newCompare(p process) *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare [RUN|BASELINE] RUN",
		Short: "Judge whether a run is worse than another, or than its baseline",
		Long: `compare holds the repeats of two runs against each other, metric by metric, and
calls each worse, better, the same or unknown. Worse means: beyond the margin of
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
			return compare(p, args, f)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&f.require, "require-baseline", false, "a cell without a baseline is inconclusive, not passed over")
	return c
}

func compare(p process, args []string, f compareFlags) error {
	out, err := f.shown.open(p)
	if err != nil {
		return err
	}
	gates, rules, err := f.rules()
	if err != nil {
		return err
	}
	_, run, err := readRun(args[len(args)-1])
	if err != nil {
		return err
	}
	now := run.Started.Started
	var c metrics.Comparison
	switch {
	case len(args) == 1:
		c, err = f.againstBaselines(gates, rules, run, now)
	case isBaseline(args[0]):
		c, err = againstFile(rules, args[0], run, now)
	default:
		c, err = againstRun(rules, args[0], run, now)
	}
	if err != nil {
		return err
	}
	return out.conclude(c)
}

// rules reads the gates file, or takes the built-in gates.
func (f compareFlags) rules() (*dsl.Gates, metrics.Rules, error) {
	rules := metrics.DefaultRules()
	if f.gates == "" {
		return &dsl.Gates{File: "baselines/${scenario.name}/${cell}.json"}, rules, nil
	}
	file, err := openYAML(f.gates)
	if err != nil {
		return nil, rules, err
	}
	g, diags := dsl.LoadGates(file, judge.Vocabulary())
	if diags.Errors() {
		return nil, rules, diags
	}
	rules = metrics.Rules{Match: g.MustMatch, OnMismatch: g.OnMismatch, MaxAge: g.MaxAge, Tighter: g.NoiseTimes}
	if rules.Match == nil {
		rules.Match = metrics.DefaultMatch
	}
	for _, r := range g.Compare {
		rules.Gates = append(rules.Gates, metrics.Gate{
			Name: r.Name, Metric: r.Metric, Stat: r.Stat, Better: r.Better, MaxWorse: r.MaxWorse, MaxWorseAbs: r.MaxWorseAbs,
			MinDelta: r.MinDelta, Test: r.Test, Alpha: r.Alpha, MinSamples: r.MinSamples, Severity: r.Severity, OnUnknown: r.OnUnknown,
			File: r.Pos.File, Line: r.Pos.Line, Column: r.Pos.Col,
		})
	}
	rules.Free = engine.FreeGates(g)
	return g, rules, nil
}

// baselinePath is where the baseline of a cell lies: from the folder of the gates file.
func (f compareFlags) baselinePath(g *dsl.Gates, c *metrics.Cell, scenario string) string {
	values := map[string]string{"scenario.name": scenario, "cell": c.Name()}
	for _, l := range c.Planned.Labels {
		if l.Name == "server" || l.Name == "model" {
			values[l.Name+".name"] = l.Value
		}
	}
	if c.Started != nil && values["model.name"] == "" {
		values["model.name"] = c.Started.Server.Model
	}
	return filepath.Join(filepath.Dir(f.gates), filepath.FromSlash(g.Baseline(values)))
}

// againstBaselines compares each cell with the file that its gates name.
func (f compareFlags) againstBaselines(g *dsl.Gates, rules metrics.Rules, run *metrics.Run, now time.Time) (metrics.Comparison, error) {
	var c metrics.Comparison
	for _, cell := range run.Cells {
		if cell.Planned.Skip != "" {
			continue
		}
		path := f.baselinePath(g, cell, run.Started.Scenario.Name)
		b, err := readBaseline(path)
		if errors.Is(err, fs.ErrNotExist) {
			c.Pairs = append(c.Pairs, rules.Absent(metrics.Pair{
				Cell: cell.Name(), New: runName(run), Required: f.require,
				Missing: fmt.Sprintf("%s has no baseline at %s: homellm baseline record writes one from a passing run", cell.Name(), path),
			}, cell.Source(runName(run)), now))
			continue
		}
		if err != nil {
			return c, err
		}
		c.Pairs = append(c.Pairs, rules.Compare(cell.Name(), b.Source(baselineName(path, b)), cell.Source(runName(run)), now))
	}
	return c, nil
}

// againstFile compares the cell that a baseline was recorded of: the one of its id, or the only
// one there is.
func againstFile(rules metrics.Rules, path string, run *metrics.Run, now time.Time) (metrics.Comparison, error) {
	b, err := readBaseline(path)
	if err != nil {
		return metrics.Comparison{}, err
	}
	cell := run.Cell(b.Cell)
	if cell == nil && len(run.Cells) == 1 {
		cell = run.Cells[0]
	}
	if cell == nil {
		return metrics.Comparison{}, failf(exitInconclusive, "its cells: "+cellNames(run), "the run has no cell %s, of which %s is the baseline", b.Name, path)
	}
	return metrics.Comparison{Pairs: []metrics.Pair{rules.Compare(cell.Name(), b.Source(baselineName(path, b)), cell.Source(runName(run)), now)}}, nil
}

// againstRun compares the cells that both runs have; two runs of one cell each are compared
// whatever that is.
func againstRun(rules metrics.Rules, path string, run *metrics.Run, now time.Time) (metrics.Comparison, error) {
	var c metrics.Comparison
	_, old, err := readRun(path)
	if err != nil {
		return c, err
	}
	for _, cell := range run.Cells {
		before := old.Cell(cell.ID)
		if before == nil && len(old.Cells) == 1 && len(run.Cells) == 1 {
			before = old.Cells[0]
		}
		if before == nil {
			c.Pairs = append(c.Pairs, rules.Absent(metrics.Pair{
				Cell: cell.Name(), Old: runName(old), New: runName(run), Missing: "the old run has no cell " + cell.Name(),
			}, cell.Source(runName(run)), now))
			continue
		}
		c.Pairs = append(c.Pairs, rules.Compare(cell.Name(), before.Source(runName(old)), cell.Source(runName(run)), now))
	}
	return c, nil
}

func runName(r *metrics.Run) string {
	return fmt.Sprintf("run %.8s of %s", r.Started.ID, r.Started.Started.UTC().Format("2006-01-02 15:04"))
}

func baselineName(path string, b *metrics.Baseline) string {
	return fmt.Sprintf("%s of %s", path, b.Recorded.UTC().Format("2006-01-02 15:04"))
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
func readBaseline(path string) (*metrics.Baseline, error) {
	data, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failf(exitUsage, "homellm baseline list shows those there are", "%w", err)
	}
	if err != nil {
		return nil, failf(exitEnvironment, "", "%w", err)
	}
	corrupt := func(err error) error {
		return failf(exitInvalid, "record it anew: homellm baseline record RUN", "%s: %w", path, err)
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
	b, err := metrics.ReadBaseline(data)
	if err != nil {
		return nil, corrupt(err)
	}
	return b, nil
}
