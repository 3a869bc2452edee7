package compare

import (
	"fmt"
	"slices"
	"strings"

	"homellm/engine/metrics"
)

// Fingerprint is what two runs must share for their numbers to be comparable, by key. What is not
// known has no key.
type Fingerprint map[string]string

// FingerprintKeys lists the keys in the order in which they are shown.
var FingerprintKeys = []struct{ Name, Doc string }{
	{"scenario.sha256", "the scenario and every document it reads"},
	{"scenario.options", "flags that change what is sent: --var, --context-size, tags"},
	{"gpu.name", "the graphics cards"},
	{"driver.version", "their driver"},
	{"cpu.name", "the processor"},
	{"server.engine", "vllm, llamacpp, …"},
	{"server.version", "as the server reports it"},
	{"server.flags_sha256", "of the command line, where homellm started the server"},
	{"server.simulation", "what is simulated; only of the embedded simulator"},
	{"model", "as the server calls it"},
	{"model.revision", "as the models file pins it"},
}

// DefaultMatch are the keys that must match where a gates file does not say. The server's version
// and flags are not among them: they are what one changes and wants to compare.
var DefaultMatch = []string{"scenario.sha256", "scenario.options", "gpu.name", "driver.version", "cpu.name",
	"server.engine", "server.simulation", "model", "model.revision"}

// FingerprintOf tells under which circumstances a cell was measured.
func FingerprintOf(c *metrics.Cell) Fingerprint {
	f := Fingerprint{}
	put := func(key, value string) {
		if value != "" {
			f[key] = value
		}
	}
	if run := c.Run(); run != nil {
		put("scenario.sha256", run.Started.Scenario.SHA256)
		var changing []string
		for _, o := range run.Started.Options {
			name, _, _ := strings.Cut(o, "=")
			if !slices.Contains([]string{"--repeats", "--server", "--model", "--url", "--budget"}, name) {
				changing = append(changing, o)
			}
		}
		put("scenario.options", strings.Join(changing, " "))
		if cpu := run.Started.Host["cpu"]; cpu != nil {
			put("cpu.name", fmt.Sprint(cpu))
		}
		var names, drivers []string
		gpus, _ := run.Started.Host["gpus"].([]any)
		for _, g := range gpus {
			facts, _ := g.(map[string]any)
			if name, ok := facts["name"].(string); ok {
				names = append(names, name)
			}
			if driver, ok := facts["driver"].(string); ok && !slices.Contains(drivers, driver) {
				drivers = append(drivers, driver)
			}
		}
		put("gpu.name", strings.Join(names, " + "))
		put("driver.version", strings.Join(drivers, " + "))
	}
	if c.Started == nil {
		return f
	}
	s := c.Started.Server
	put("server.engine", s.Engine)
	put("server.version", s.Version)
	put("server.flags_sha256", s.Flags)
	put("server.simulation", s.Simulation)
	put("model", s.Model)
	put("model.revision", s.Revision)
	return f
}

// Mismatch is one key in which two fingerprints differ. An empty value is not known.
type Mismatch struct {
	Key string `json:"key"`
	Old string `json:"old"`
	New string `json:"new"`
}

func (m Mismatch) String() string {
	shown := func(v string) string {
		switch {
		case v == "":
			return "not known"
		case len(v) == 64 && strings.HasSuffix(m.Key, "sha256"):
			return v[:12] + "…"
		}
		return v
	}
	return fmt.Sprintf("%s: %s -> %s", m.Key, shown(m.Old), shown(m.New))
}

// Mismatches lists the keys in which f and the newer fingerprint differ. A key that only one of
// them knows is a mismatch.
func (f Fingerprint) Mismatches(newer Fingerprint, keys []string) []Mismatch {
	var out []Mismatch
	for _, k := range keys {
		if f[k] != newer[k] {
			out = append(out, Mismatch{k, f[k], newer[k]})
		}
	}
	return out
}
