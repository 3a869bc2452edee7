// Package metrics defines every metric in one table and folds the events of a run into numbers, distributions and the
// outcome. The input is events; the output is values with their unit and source, or the reason why a value is
// unknown. It does not know how events are made or how numbers are drawn. An unknown value is never taken as zero, a
// mean or a pass.
package metrics

import (
	"slices"

	"homellm/dsl/figure"
)

// Defs is the table of every metric. In the formulas, sent is when the first byte of the request is handed to the
// kernel, t_1 … t_k are the arrivals of the non-empty deltas of any channel, n is the server's count of output tokens
// and k1 the tokens that came with the first delta (1 per delta unless the server reports more). Instants are
// monotonic: the kernel's stamps where there are any, else taken when a read returns, before decoding.
var Defs = slices.Concat(
	outcomes, latencies, speeds, tokens, cacheUse, serverAccounts, conversations, machineReadings,
	// last, because the order of columns in files that programs read must not change
	toolUse, cacheTiers, households, attainments, drifts, retrieval,
)

// Lookup finds a metric by its name, also that of any objective.
func Lookup(name string) (*Def, bool) {
	for i := range Defs {
		if Defs[i].Name == name {
			return &Defs[i], true
		}
	}
	for i := range Defs {
		if objective, ok := figure.CutObjective(Defs[i].Name, name); ok {
			return Defs[i].Of(objective), true
		}
	}
	return nil, false
}

// Must finds a metric by a name that the program itself uses; it panics if there is none.
func Must(name string) *Def {
	d, ok := Lookup(name)
	if !ok {
		panic("there is no metric " + name)
	}
	return d
}

// Observed returns a metric of the cell that is sampled beside its turns.
func (c *Cell) Observed(name string) Value {
	d, ok := Lookup(name)
	if !ok || !d.At(CellLevel) {
		return Value{Why: name + " is not a metric of a cell"}
	}
	return d.observe(c)
}
