package readable

import "homellm/dsl/figure"

var phaseNames = map[figure.Phase]string{
	figure.Before: "before", figure.WithRAG: "with documents", figure.AfterRemoval: "after removal",
	figure.AfterEdit: "after edit", figure.AfterCompact: "after compaction",
}

// Phase is the name of a phase in reports.
func Phase(phase string) string {
	if n, ok := phaseNames[figure.Phase(phase)]; ok {
		return n
	}
	return phase
}
