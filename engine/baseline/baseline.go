// Package baseline stores the measurements of passing runs in files, and compares later runs with them or with one
// another.
//
// The input is gates files, baselines and folders of results; the output is comparisons and new baselines.
// engine/compare decides what is worse; the package does not know how that is shown.
package baseline

import (
	"path/filepath"
	"strings"

	"homellm/dsl"
	"homellm/engine/compare"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/results"
)

// Rules reads the gates file, or returns the built-in gates.
func Rules(gates string) (compare.Rules, error) {
	if gates == "" {
		return compare.DefaultRules(), nil
	}
	file, err := files.Open(gates)
	if err != nil {
		return compare.Rules{}, err
	}
	g, diags := dsl.LoadGates(file, judge.Vocabulary())
	if diags.Errors() {
		return compare.Rules{}, diags
	}
	return compare.RulesOf(g, filepath.Dir(gates)), nil
}

// Compare compares each cell of a run with the baseline that the rules name. If a baseline is required, a cell
// without one is inconclusive.
func Compare(rules compare.Rules, named string, required bool) (compare.Comparison, error) {
	_, run, err := results.Read(named)
	if err != nil {
		return compare.Comparison{}, err
	}
	return rules.Baselines(run, required, func(path string) (*compare.Baseline, error) {
		return ofAnother(path, run, named)
	})
}

// Between compares a run with an older one, or with the baseline in a file.
func Between(rules compare.Rules, older, named string) (compare.Comparison, error) {
	_, run, err := results.Read(named)
	if err != nil {
		return compare.Comparison{}, err
	}
	if filepath.Ext(older) == ".json" { // runs are folders or journals
		return againstFile(rules, older, run, named)
	}
	_, old, err := results.Read(older)
	if err == nil {
		err = Distinct([]*metrics.Run{old, run}, []string{older, named})
	}
	if err != nil {
		return compare.Comparison{}, err
	}
	return rules.Runs(old, run), nil
}

// againstFile compares the cell that a baseline file was recorded of.
func againstFile(rules compare.Rules, path string, run *metrics.Run, named string) (compare.Comparison, error) {
	b, err := ofAnother(path, run, named)
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

// Distinct rejects a comparison of a run with itself or its copy: nothing could ever be worse, so the user must have
// named the wrong folder.
func Distinct(runs []*metrics.Run, named []string) error {
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

// ofAnother reads a baseline and rejects one that was recorded from the run itself.
func ofAnother(path string, run *metrics.Run, named string) (*compare.Baseline, error) {
	b, err := Read(path)
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
