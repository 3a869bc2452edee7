package readable

import "homellm/dsl/figure"

var phaseNames = map[figure.Phase]string{
	figure.Before: "before", figure.WithRAG: "with documents", figure.AfterRemoval: "after removal",
}

// Phase is what reports call a phase.
func Phase(phase string) string {
	if n, ok := phaseNames[figure.Phase(phase)]; ok {
		return n
	}
	return phase
}
