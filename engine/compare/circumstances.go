package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// machine adds what a run knows of its machine.
func (f Fingerprint) machine(host map[string]any) {
	text := func(facts map[string]any, key string) string {
		if v := facts[key]; v != nil {
			return fmt.Sprint(v)
		}
		return ""
	}
	gib := func(facts map[string]any) string {
		if v, ok := facts["memory_mib"].(float64); ok && v > 0 {
			return fmt.Sprintf("%.1f GiB", v/1024)
		}
		return ""
	}
	f.put("cpu.name", text(host, "cpu"))
	cores, threads := text(host, "cpu_cores"), text(host, "cpu_threads")
	if threads != "" && threads != cores {
		cores = strings.TrimSpace(cores + " (" + threads + " threads)")
	}
	f.put("cpu.cores", cores)
	f.put("cpu.governor", text(host, "cpu_governor"))
	f.put("host.memory", gib(host))
	f.put("host.power_profile", text(host, "power_profile"))
	f.put("host.power_source", text(host, "power_source"))
	f.put("host.system", strings.Join(strings.Fields(text(host, "os")+" "+text(host, "kernel")), " "))
	var names, drivers, memory, limits []string
	cards, _ := host["gpus"].([]any)
	for _, card := range cards {
		facts, _ := card.(map[string]any)
		if name, ok := facts["name"].(string); ok {
			names = append(names, name)
		}
		if driver, ok := facts["driver"].(string); ok && !slices.Contains(drivers, driver) {
			drivers = append(drivers, driver)
		}
		if m := gib(facts); m != "" {
			memory = append(memory, m)
		}
		if w := text(facts, "power_limit_w"); w != "" {
			limits = append(limits, w+" W")
		}
	}
	f.put("gpu.name", strings.Join(names, " + "))
	f.put("gpu.memory", strings.Join(memory, " + "))
	f.put("gpu.power_limit", strings.Join(limits, " + "))
	f.put("driver.version", strings.Join(drivers, " + "))
}

// clocks adds what was measured of the machine while a cell was played.
func (f Fingerprint) clocks(c *metrics.Cell) {
	for key, name := range map[string]string{"gpu.clock": "gpu.sm_clock_mhz", "gpu.memory_clock": "gpu.mem_clock_mhz"} {
		if mhz, ok := c.Observed(name).Number(); ok {
			f.put(key, fmt.Sprintf("%.0f MHz", mhz))
		}
	}
	noted := slices.ContainsFunc(c.Notes, func(n event.Note) bool { return n.Code == "throttled" })
	share, known := c.Observed("gpu.throttled").Number()
	switch {
	case share > 0:
		f.put(throttledShare, fmt.Sprintf("%.2g %%", 100*share))
	case noted:
		f.put(throttledShare, someThrottled)
	case known:
		f.put(throttledShare, notThrottled)
	}
}

// Values of [throttledShare] other than a share.
const (
	notThrottled  = "0 %"
	someThrottled = "some"
)

// throttled says whether a side's machine throttled while it was measured.
func (f Fingerprint) throttled() bool {
	return f[throttledShare] != "" && f[throttledShare] != notThrottled
}

// Differences lists what both sides know and what differs, besides the keys that must match: it may explain a change of
// the numbers. A key that an older file lacks does not count as a difference.
func (f Fingerprint) Differences(newer Fingerprint, matched []string) []Mismatch {
	matched = f.identifying(newer, matched)
	var out []Mismatch
	for _, k := range FingerprintKeys {
		old, now := f.compared(newer, k.Name)
		switch {
		case slices.Contains(matched, k.Name), f[k.Name] == "" || newer[k.Name] == "", old == now:
		case k.Measured && near(old, now):
		default:
			out = append(out, f.difference(newer, k.Name))
		}
	}
	return out
}

// difference is one key of two fingerprints, with a word for an older version.
func (f Fingerprint) difference(newer Fingerprint, key string) Mismatch {
	m := Mismatch{Key: key, Old: f[key], New: newer[key]}
	versioned := key == homellmVersion || key == "driver.version" ||
		key == "server.version" && f["server.engine"] == newer["server.engine"]
	if versioned && m.Old != "" && m.New != "" && versionOrder(m.New, m.Old) < 0 {
		m.Note = "a downgrade"
	}
	return m
}

// near says whether two measured values are as close as those of two runs of the same thing.
func near(a, b string) bool {
	var x, y float64
	if n, err := fmt.Sscanf(a+" "+b, "%f MHz %f MHz", &x, &y); n != 2 || err != nil {
		return false
	}
	return math.Abs(x-y) <= 0.02*max(x, y)
}
