package metrics

import (
	"homellm/engine/event"
	"homellm/engine/stats"
	"slices"
)

// machineReadings are taken of the machine while the measured requests were played.
var machineReadings = []Def{
	machine("gpu.util_pct", "%", 0, Mean, gpuDriver, "share of time in which a kernel ran, on the busiest GPU",
		noGPU).strip(6, "GPU use"),
	machine("gpu.mem_used_mib", "MiB", -1, Mean, gpuDriver, "memory in use on all GPUs, by all processes", noGPU).strip(2,
		"GPU memory"),
	machine("gpu.mem_peak_mib", "MiB", -1, Max, gpuDriver, "largest memory in use on all GPUs, by all processes",
		noGPU).peakOf("gpu.mem_used_mib"),
	machine("gpu.power_w", "W", -1, Mean, gpuDriver, "power drawn by all GPUs", noGPU).strip(1, "GPU power"),
	machine("gpu.energy_j", "J", -1, Sum, gpuDriver, "energy drawn by all GPUs; one value for each time it was read",
		noGPU),
	machine("gpu.energy_above_idle_j", "J", -1, Sum, gpuDriver,
		"energy that the GPUs would not have drawn at rest with the model loaded", noGPU).signed(),
	machine("gpu.idle_w", "W", -1, Mean, gpuDriver, "power drawn by all GPUs at rest with the model loaded", noGPU),
	machine("gpu.temp_c", "°C", -1, Max, gpuDriver, "temperature of the hottest GPU", noGPU).signed().strip(5,
		"GPU temperature"),
	// The memory clock has its own chart: it is so high that a throttled core clock would look flat beside it.
	machine("gpu.sm_clock_mhz", "MHz", 0, Mean, gpuDriver, "clock of the cores of the fastest GPU", noGPU).strip(3,
		"GPU core clock"),
	machine("gpu.mem_clock_mhz", "MHz", 0, Mean, gpuDriver, "clock of the memory of the fastest GPU", noGPU).strip(4,
		"GPU memory clock"),
	machine("gpu.throttled", "ratio", -1, Mean, gpuDriver,
		"share of samples in which a GPU slowed itself down for heat or power", noGPU).rate(),
	machine("cpu.util_pct", "%", 0, Mean, system, "share of all cores in use", "the CPU was not watched").strip(7,
		"CPU use"),
	machine("cpu.server_pct", "%", 0, Mean, system, "share of all cores that the server's processes used",
		"the server's processes were not watched").strip(7, "CPU use"),
	machine("mem.used_mib", "MiB", -1, Mean, system, "memory in use, by all processes",
		"the memory was not watched").strip(8, "Memory"),
	machine("mem.peak_mib", "MiB", -1, Max, system, "largest memory in use, by all processes",
		"the memory was not watched").peakOf("mem.used_mib"),
	machine("mem.server_mib", "MiB", -1, Mean, system, "memory that the server's processes hold",
		"the server's processes were not watched").strip(8, "Memory"),
	machine("energy_j", "J", -1, Sum, "energy counters", "energy drawn by every device that reports it",
		"no device reports its energy"),
	{Name: "j_per_token", Unit: "J/token", Kind: Float, Better: -1, Levels: []Level{CellLevel}, Fold: Mean,
		Source: "energy counters, usage",
		Shown: Shown{
			Tile:   &Tile{Name: "energy", Note: "J/token, prefill included"},
			Beside: &Beside{Rank: 6, Head: "J/token", Whole: true},
		},
		Doc:     "energy for one output token, prefill included",
		Formula: "energy_j, or gpu.energy_j where only the GPUs report, / output tokens of the measured turns",
		over:    joulesPerToken},
	machine("load_ms", "ms", -1, Mean, "client", "time from starting the server to its first token",
		"homellm did not start this server"),
	machine("first_request_ms", "ms", -1, Mean, "client",
		"time that the first request after the start took, which no measured turn pays", "homellm did not start this server"),
	machine("client.gc_pause_ms", "ms", -1, Sum, system,
		"time that the garbage collector stopped homellm; one value for each repeat",
		"not measured while the simulator runs in the same process"),
	machine("client_cpu_share", "ratio", -1, Mean, system,
		"share of one core that homellm itself used: near 1, the client is the bottleneck",
		"the client's own CPU time was not measured"),
	machine("client.ttft_bias_p50_ms", "ms", -1, Mean, "calibration",
		"by how much this client's time to first token comes out too long on this machine, median", uncalibrated).signed(),
	machine("client.ttft_bias_p99_ms", "ms", -1, Mean, "calibration",
		"by how much this client's time to first token comes out too long on this machine, 99th percentile",
		uncalibrated).signed(),
	machine("client.timer_error_p99_ms", "ms", -1, Mean, "calibration",
		"by how much a sleep of a millisecond takes longer, 99th percentile", uncalibrated).signed(),
	machine("client.cpu_per_chunk_us", "us", -1, Mean, "calibration",
		"CPU time of one chunk, sender included: an upper bound of what this client takes", uncalibrated),
	machine("client.rtt_floor_ms", "ms", -1, Mean, "client", "shortest round trip to the server",
		"the round trip was not measured"),
}

// Sources and reasons of the machine's figures.
const (
	gpuDriver = "GPU driver"
	system    = "operating system"
	noGPU     = "no GPU telemetry on this machine"

	uncalibrated = "the client was not calibrated before this run"
)

func machine(name, unit string, better int, fold Fold, source, doc, absent string) Def {
	formula := "samples and readings taken while the measured turns were played"
	if source == "calibration" {
		formula = "this client against a loopback server of known timing, for half a second before the run"
	}
	return Def{Name: name, Unit: unit, Kind: Float, Better: better, Levels: []Level{CellLevel}, Fold: fold,
		Source: source, Doc: doc, Formula: formula, absent: absent}
}

// rate says that the values lie within 0..1.
func (d Def) rate() Def {
	d.Rate = true
	return d
}

// signed says that the values may lie below 0.
func (d Def) signed() Def {
	d.Signed = true
	return d
}

// strip draws the metric over the time of a cell, in one chart with others of the same title.
func (d Def) strip(rank int, title string) Def {
	d.Shown.Strip = &Strip{Rank: rank, Title: title}
	return d
}

// peakOf takes the largest sample of another metric if the peak itself was not measured.
func (d Def) peakOf(name string) Def {
	d.over = func(c *Cell, _ []*event.Request) (any, string) {
		values, _, _ := c.observations(name)
		if len(values) == 0 {
			return nil, d.absent
		}
		return slices.Max(values), ""
	}
	return d
}

// joulesPerToken divides the energy of the measured turns by the tokens they generated.
func joulesPerToken(c *Cell, g []*event.Request) (any, string) {
	readings, _, _ := c.observations("energy_j")
	if len(readings) == 0 {
		readings, _, _ = c.observations("gpu.energy_j")
	}
	if len(readings) == 0 {
		return nil, "no device reports its energy"
	}
	for _, q := range c.Requests {
		if Cancelled(q) && !q.Warmup {
			return nil, "the end of the run cut a request off" // the energy was spent, but the tokens were not counted
		}
	}
	tokens := 0
	for _, q := range g {
		if q.Err != nil {
			return nil, "a request failed: " + q.Err.Class // the energy was spent, but the tokens were not counted
		}
		n, why := output(q)
		if why != "" {
			return nil, why
		}
		tokens += n
	}
	if tokens == 0 {
		return nil, "no token was generated"
	}
	return stats.Sum(readings) / float64(tokens), ""
}
