// Package metrics defines every metric in one table and folds the events of a run into numbers, distributions and the
// outcome. Events come in; values go out, each with its unit and source, or with the reason why it is unknown.
// It does not know how events come about and how numbers are drawn; an unknown value is never zero, a mean or a pass.
package metrics

import "slices"

// Defs is the table of every metric. In the formulas, sent is the first byte of the request
// handed to the kernel, t_1 … t_k are the arrivals of non-empty deltas of any channel, n is the
// server's count of output tokens and k1 the tokens that came with the first delta (1 a delta
// unless the server says more). Instants are monotonic: the kernel's stamps where it tells them,
// else taken when a read returns, before decoding.
var Defs = slices.Concat(
	outcomes, latencies, speeds, tokens, cacheUse, serverAccounts, conversations, machineReadings,
)

// Lookup finds a metric by its name.
func Lookup(name string) (*Def, bool) {
	for i := range Defs {
		if Defs[i].Name == name {
			return &Defs[i], true
		}
	}
	return nil, false
}

// Must finds a metric that the program names itself.
func Must(name string) *Def {
	d, ok := Lookup(name)
	if !ok {
		panic("there is no metric " + name)
	}
	return d
}

// Observed returns a metric of the cell that is observed beside its turns.
func (c *Cell) Observed(name string) Value {
	d, ok := Lookup(name)
	if !ok || !d.At(CellLevel) {
		return Value{Why: name + " is not a metric of a cell"}
	}
	return d.observe(c)
}
