package sim

import (
	"cmp"
	"fmt"
)

// Knows reports whether the simulator has the figures of a model.
func Knows(model string) bool {
	_, _, err := findModel(model)
	return err == nil
}

// String says in a few words which machine is simulated, such as "RTX 4090, qwen2.5-3b".
func (c Config) String() string {
	out := cmp.Or(c.GPU, defaultGPU) + ", " + cmp.Or(c.Model, defaultModel)
	if c.Speed != 0 && c.Speed != 1 {
		out += fmt.Sprintf(", %g times as fast", c.Speed)
	}
	if c.Jitter != 0 {
		out += fmt.Sprintf(", jitter %g", c.Jitter)
	}
	return out
}
