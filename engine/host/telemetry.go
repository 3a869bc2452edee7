package host

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Options says where telemetry comes from. The zero value is this machine without a server.
type Options struct {
	Every     time.Duration // between two looks; 0: a fifth of a second, the least is 20 ms
	Processes func() []int  // the server's process ids, see [Proc.PIDs] and [Tree]; nil: not watched
	NoNVML    bool          // go without NVIDIA's library
	NvidiaSMI string        // command; empty: nvidia-smi
	SysFS     string        // root of sysfs; empty: /sys
	IOReg     string        // command; empty: ioreg, on macOS
}

func (o Options) every() time.Duration {
	if o.Every <= 0 {
		return 200 * time.Millisecond
	}
	return max(o.Every, 20*time.Millisecond)
}

// Telemetry watches the machine beside a run. It is opened once and closed at the end; Sample
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

// GPUProcesses lists the processes that hold GPU memory; false if the driver does not tell. own
// are left out: the server's, so that what remains is somebody else's.
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

// Close lets go of the driver. Sample must have returned.
func (t *Telemetry) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gpus != nil && !t.closed {
		t.gpus.close()
	}
	t.closed = true
}

// Sample looks at the machine until the context ends and hands each look to emit, by metric name
// and with nothing in it that is not known. A look takes a few milliseconds of one core; one
// that takes longer than the interval delays the next and is not made up for.
func (t *Telemetry) Sample(ctx context.Context, emit func(map[string]float64)) {
	ticker := time.NewTicker(t.options.every())
	defer ticker.Stop()
	for {
		if values := t.look(ctx); len(values) > 0 {
			emit(values)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look reads everything once.
func (t *Telemetry) look(ctx context.Context) map[string]float64 {
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

// readGPUs is nil if there is no GPU or it did not answer: the figures of that look are unknown.
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
