package host

import (
	"context"
	"errors"
	"math"
	"strings"
)

// gpuReading is one sample of one GPU. Missing figures are NaN: the drivers of laptops, virtual machines and old
// cards each omit different ones.
type gpuReading struct {
	util     float64 // % of time in which a kernel ran
	memUsed  float64 // bytes, all processes
	power    float64 // W
	energy   float64 // J since some start
	temp     float64 // °C
	smClock  float64 // MHz
	memClock float64 // MHz
	reasons  float64 // bit mask of throttle reasons
}

func unread() gpuReading {
	n := math.NaN()
	return gpuReading{n, n, n, n, n, n, n, n}
}

// gpuMetric says how to combine the readings of several GPUs.
type gpuMetric struct {
	name  string
	of    func(gpuReading) float64
	total bool // added up; otherwise the highest counts
}

var gpuMetrics = []gpuMetric{
	{"gpu.util_pct", func(r gpuReading) float64 { return r.util }, false},
	{"gpu.mem_used_mib", func(r gpuReading) float64 { return r.memUsed / (1 << 20) }, true},
	{"gpu.power_w", func(r gpuReading) float64 { return r.power }, true},
	{"gpu.temp_c", func(r gpuReading) float64 { return r.temp }, false},
	{"gpu.sm_clock_mhz", func(r gpuReading) float64 { return r.smClock }, false},
	{"gpu.mem_clock_mhz", func(r gpuReading) float64 { return r.memClock }, false},
	{"gpu.throttled", func(r gpuReading) float64 { return throttled(r.reasons) }, false},
}

// combine adds the figures of all GPUs to out. A total with an unknown part is unknown.
func combine(readings []gpuReading, out map[string]float64) {
	for _, m := range gpuMetrics {
		value := math.NaN()
		for i, r := range readings {
			v := m.of(r)
			switch {
			case i == 0:
				value = v
			case m.total:
				value += v // NaN stays NaN
			default:
				value = max(value, v) // NaN in either is NaN
			}
		}
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			out[m.name] = value
		}
	}
}

// totalEnergy adds up the energy counters; false if one GPU has none.
func totalEnergy(readings []gpuReading) (joules float64, ok bool) {
	for _, r := range readings {
		joules += r.energy
	}
	return joules, len(readings) > 0 && !math.IsNaN(joules)
}

// reason is one bit of NVML's mask of reasons that limit the clocks.
type reason struct {
	bit   uint64
	name  string
	slows bool // it slows down a run, which then does not show what the card can do
}

// reasons are NVML's, in the order of their bits. The software power cap does not count as throttling, because most
// cards are always at it under load.
var reasons = []reason{
	{0x1, "idle", false},
	{0x2, "application clocks", false},
	{0x4, "power cap", false},
	{0x8, "hardware slowdown", true},
	{0x10, "sync boost", false},
	{0x20, "too hot (software)", true},
	{0x40, "too hot (hardware)", true},
	{0x80, "power brake", true},
	{0x100, "display clocks", false},
}

// throttled is 1 if one of the bits slows, 0 if none does, NaN if the mask is unknown.
func throttled(mask float64) float64 {
	if math.IsNaN(mask) {
		return mask
	}
	for _, r := range reasons {
		if r.slows && uint64(mask)&r.bit != 0 {
			return 1
		}
	}
	return 0
}

// throttleReasons names the bits of NVML's mask. Bits of later drivers are shown as unknown.
func throttleReasons(mask uint64) string {
	var names []string
	for _, r := range reasons {
		if mask&r.bit != 0 {
			names, mask = append(names, r.name), mask&^r.bit
		}
	}
	if mask != 0 {
		names = append(names, "unknown")
	}
	return strings.Join(names, ", ")
}

// GPU describes one GPU, apart from its load. A zero field is unknown.
type GPU struct {
	Name          string
	Vendor        string
	Driver        string
	CUDA          string
	MemoryMiB     float64
	FreeMiB       float64 // now
	PowerLimitW   float64
	PCIe          string // such as "gen 4 x16"
	SharedMemory  bool   // it uses the machine's memory
	ThrottledNow  string // reasons that limit its clocks now
	ThrottleSlows bool   // one of them slows it down
}

// GPUProcess is a process that holds GPU memory.
type GPUProcess struct {
	PID     int
	Command string   // its name; empty if it cannot be read
	MiB     *float64 // nil if the driver does not report it (WSL, containers)
}

// gpus is one way to read the GPUs of a machine.
type gpus struct {
	source    string                                     // as shown to users
	read      func() ([]gpuReading, error)               // now
	facts     func() []GPU                               //
	processes func(context.Context) ([]GPUProcess, bool) // nil if it cannot tell
	close     func()
}

// errNoGPU is returned by a vendor whose GPUs or driver are not there.
var errNoGPU = errors.New("not there")
