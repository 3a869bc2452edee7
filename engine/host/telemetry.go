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

// OpenTelemetry finds out what of the machine can be read. It does not fail: a machine without
// a GPU or a driver gives what it has, and [Telemetry.Notes] says why the rest is missing.
func OpenTelemetry(ctx context.Context, o Options) *Telemetry {
	t := &Telemetry{options: o, system: &system{pids: o.Processes, cores: runtime.NumCPU()}}
	t.gpus, t.why = openGPUs(ctx, o)
	return t
}

// Source is where the GPU's figures come from: NVML, nvidia-smi, amdgpu or ioreg; empty if there
// are none.
func (t *Telemetry) Source() string {
	if t.gpus == nil {
		return ""
	}
	return t.gpus.source
}

// Notes says why GPUs that seem to be there cannot be read.
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

// GPUProcesses lists the processes that hold GPU memory; false if the driver does not tell. The processes in own, the
// server's, are left out, so that only those of others remain.
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

// Sample reads the machine until the context ends and hands each sample to emit, by metric name
// and with nothing in it that is not known. A sample takes a few milliseconds of one core; one
// that takes longer than the interval delays the next and is not made up for.
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

// readGPUs is nil if there is no GPU or it did not answer: the figures of that sample are unknown.
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
