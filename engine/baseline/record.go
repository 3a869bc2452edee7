package baseline

import (
	"bytes"
	"cmp"
	"slices"

	"homellm/engine/compare"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/replace"
	"homellm/engine/results"
)

// Draft is a baseline that is not written yet.
type Draft struct {
	Path string
	Few  string // a warning about too few repeats; empty: there are enough

	text []byte
}

// Write writes the file below the folder of the gates file, and replaces an older one.
func (d Draft) Write(folder string) error {
	if err := replace.Below(cmp.Or(folder, "."), d.Path, d.text); err != nil {
		return exit.Errorf(exit.Environment, "", "writing the baseline: %w", err)
	}
	return nil
}

// Record makes the baselines of the first run, which must have passed; the others are further runs of the same setup.
// The noise floor comes from the given number of random halvings.
func Record(rules compare.Rules, named []string, splits int) ([]Draft, error) {
	var runs []*metrics.Run
	for _, arg := range named {
		_, run, err := results.Read(arg)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	if err := Distinct(runs, named); err != nil {
		return nil, err
	}
	run := runs[0]
	for i, r := range runs {
		if !r.Started.Checked() {
			return nil, exit.Errorf(exit.Invalid, "play it again with this homellm",
				"%s cannot become a baseline: its journal has no checksums, so damage would not be noticed", named[i])
		}
		if verdict, code, reason := r.Outcome(); code != exit.Pass {
			return nil, exit.Errorf(code, "homellm report "+named[i]+" tells more",
				"only a passing run can be a baseline, and %s is %s: %s",
				named[i], verdict, reason)
		}
	}
	var out []Draft
	for _, cell := range run.Cells {
		if cell.Planned.Skip != "" {
			continue
		}
		var more []*metrics.Cell
		for i, r := range runs[1:] {
			again := compare.Counterpart(r, cell)
			if again == nil {
				return nil, exit.Errorf(exit.Usage, "", "%s has no cell %s", named[i+1], cell.Name())
			}
			more = append(more, again)
		}
		b, err := rules.Record(cell, splits, more...)
		if err != nil {
			return nil, exit.Errorf(exit.Inconclusive, "", "%w", err)
		}
		var text bytes.Buffer
		if err := b.Write(&text); err != nil {
			return nil, err
		}
		path := rules.BaselinePath(cell)
		if slices.ContainsFunc(out, func(d Draft) bool { return d.Path == path }) {
			return nil, exit.Errorf(exit.Invalid, "add ${cell} to the file name in the gates file",
				"two cells would have the same baseline %s", path)
		}
		out = append(out, Draft{Path: path, Few: compare.FewRepeats(cell), text: text.Bytes()})
	}
	return out, nil
}
