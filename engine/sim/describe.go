package sim

import "cmp"

// Knows reports whether the simulator has the figures of a model.
func Knows(model string) bool {
	_, _, err := findModel(model)
	return err == nil
}

// String says in a few words what is simulated, such as "RTX 4090, qwen2.5-3b".
func (c Config) String() string {
	return cmp.Or(c.GPU, defaultGPU) + ", " + cmp.Or(c.Model, defaultModel)
}
