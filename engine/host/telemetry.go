package host

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Telemetry reads the sensors of the machine during a run. It is opened once and closed at the end; Sample
// runs in a goroutine of the caller's.
type Telemetry struct {
	options Options
	gpus    *gpus // nil: none
	why     []string
	system  *system

	mu     sync.Mutex
	meter  integral
	closed bool
}

// OpenTelemetry finds out what can be read of the machine. It does not fail: a machine without a GPU or a driver
// gives the rest, and [Telemetry.Notes] says why something is missing.
func OpenTelemetry(ctx context.Context, o Options) *Telemetry {
	t := &Telemetry{options: o, system: &system{pids: o.Processes, cores: runtime.NumCPU()}}
	t.gpus, t.why = openGPUs(ctx, o)
	return t
}

// Source is the source of the GPU's figures: NVML, nvidia-smi, amdgpu or ioreg; empty if there is none.
func (t *Telemetry) Source() string {
	if t.gpus == nil {
		return ""
	}
	return t.gpus.source
}

// Notes says why GPUs that seem to exist cannot be read.
func (t *Telemetry) Notes() []string { return t.why }

// GPUs lists the GPUs that are watched, as they are now.
func (t *Telemetry) GPUs() []GPU {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gpus == nil || t.closed {
		return nil
	}
	return t.gpus.facts()
}

// GPUProcesses lists the processes with GPU memory, without those in own, which are the server's; false if the driver
// does not list them.
func (t *Telemetry) GPUProcesses(ctx context.Context, own ...int) ([]GPUProcess, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gpus == nil || t.gpus.processes == nil || t.closed {
		return nil, false
	}
	all, ok := t.gpus.processes(ctx)
	mine := map[int]bool{}
	for _, pid := range own {
		mine[pid] = true
	}
	var others []GPUProcess
	for _, p := range all {
		if !mine[p.PID] {
			others = append(others, p)
		}
	}
	return others, ok
}

// Close releases the driver. Sample must have returned.
func (t *Telemetry) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gpus != nil && !t.closed {
		t.gpus.close()
	}
	t.closed = true
}

// Sample reads the machine until the context ends and passes each sample to emit, by metric name and without unknown
// figures. A sample takes a few milliseconds of one core; a slow one delays the next.
func (t *Telemetry) Sample(ctx context.Context, emit func(map[string]float64)) {
	ticker := time.NewTicker(t.options.every())
	defer ticker.Stop()
	for {
		if values := t.scrape(ctx); len(values) > 0 {
			emit(values)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// scrape reads everything once.
func (t *Telemetry) scrape(ctx context.Context) map[string]float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]float64{}
	t.system.read(ctx, out)
	if readings := t.readGPUs(); readings != nil {
		combine(readings, out)
	}
	power, ok := out["gpu.power_w"]
	t.meter.add(time.Now(), power, ok)
	return out
}

// readGPUs is nil if there is no GPU or it did not answer: that sample then has no GPU figures.
func (t *Telemetry) readGPUs() []gpuReading {
	if t.gpus == nil || t.closed {
		return nil
	}
	readings, err := t.gpus.read()
	if err != nil {
		return nil
	}
	return readings
}
