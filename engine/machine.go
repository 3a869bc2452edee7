package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"homellm/engine/crash"
	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/observe"
)

// Machine says how the computer is observed during a run.
type Machine struct {
	Telemetry *host.Telemetry  // nil: it is not observed
	PIDs      func() []int     // processes of the server in use, to tell other processes on the GPU apart; nil: unknown
	Wall      func() time.Time // the wall clock, to detect jumps; nil: time.Now
}

// machine measures the computer during the run: samples of its GPUs, processors and memory, and the energy and the
// client's own load during every measured pass. A nil machine measures nothing.
type machine struct {
	emit func(cell string, body event.Body)
	t    *host.Telemetry
	pids func() []int
	end  context.CancelFunc
	done sync.WaitGroup

	mu        sync.Mutex
	cell      string // the cell whose pass is being measured; empty between passes
	samples   int
	throttled int
	shared    []string
	idle      *float64 // watts
}

// startMachine starts sampling; stop ends it.
func startMachine(ctx context.Context, about Machine, emit func(cell string, body event.Body)) *machine {
	if about.Telemetry == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &machine{emit: emit, t: about.Telemetry, pids: about.PIDs, end: cancel}
	m.done.Go(crash.Guarded(func() { m.t.Sample(ctx, m.sample) }))
	return m
}

func (m *machine) stop() {
	if m != nil {
		m.end()
		m.done.Wait()
	}
}

// sample stores one sample of the machine if a measured pass is being played.
func (m *machine) sample(values map[string]float64) {
	m.mu.Lock()
	cell := m.cell
	if cell != "" {
		m.samples++
		if values["gpu.throttled"] > 0 {
			m.throttled++
		}
	}
	m.mu.Unlock()
	if cell != "" {
		m.emit(cell, event.Sample{Values: values})
	}
}

// idleWindow is how long the idle power of a GPU is measured: its driver updates the energy counter a few times a
// second.
const idleWindow = 2 * time.Second

// rest measures the power of the GPUs with the server's model loaded and no request running.
func (m *machine) rest(ctx context.Context) (watts float64, ok bool) {
	if m == nil || m.t.Source() == "" {
		return 0, false
	}
	watts, err := m.t.IdlePower(ctx, idleWindow)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle = nil
	if err == nil {
		m.idle = &watts
	}
	return watts, err == nil
}

// measure measures one pass of a cell; the returned function ends the measurement and stores the result. Embedded
// says that the server runs in this process.
func (m *machine) measure(cell string, p pass, embedded bool) func() {
	if m == nil || p.warmup {
		return func() {}
	}
	began := time.Now()
	busy, timed := host.SelfCPU()
	pauses := pauseTotal()
	energy := m.t.Meter()
	m.mu.Lock()
	m.cell = cell
	m.mu.Unlock()
	return func() {
		m.mu.Lock()
		m.cell = ""
		idle := m.idle
		m.mu.Unlock()
		if e, err := energy.Read(); err == nil {
			values := map[string]float64{"gpu.energy_j": e.Joules}
			if idle != nil {
				values["gpu.energy_above_idle_j"] = e.AboveIdle(*idle)
			}
			m.emit(cell, event.Facts{Values: values, Source: e.Source})
		}
		if !embedded { // the simulator's work in this process is not the client's
			values := map[string]float64{"client.gc_pause_ms": event.Milliseconds(pauseTotal() - pauses)}
			if now, ok := host.SelfCPU(); ok && timed {
				values["client_cpu_share"] = (now - busy).Seconds() / time.Since(began).Seconds()
			}
			m.emit(cell, event.Facts{Values: values, Source: "operating system"})
		}
		m.foreign()
	}
}

// pauseTotal is how long the garbage collector has stopped all goroutines of this process.
func pauseTotal() time.Duration {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return time.Duration(min(stats.PauseTotalNs, 1<<62))
}

// foreign finds other processes on the server's GPU. If the server's own processes are unknown, they cannot be told
// apart.
func (m *machine) foreign() {
	if m.pids == nil || m.t.Source() == "" {
		return
	}
	own := m.pids()
	if len(own) == 0 {
		return
	}
	others, ok := m.t.GPUProcesses(context.Background(), own...)
	if !ok {
		return
	}
	for _, o := range others {
		if o.Command == "" {
			continue // in another namespace: it may be the server
		}
		name := o.Command
		if o.MiB != nil {
			name += fmt.Sprintf(" (%.0f MiB)", *o.MiB)
		}
		m.mu.Lock()
		if !slices.Contains(m.shared, name) {
			m.shared = append(m.shared, name)
		}
		m.mu.Unlock()
	}
}

// remark notes that a cell's GPU throttled or was shared.
func (m *machine) remark(note observe.Note) {
	if m == nil {
		return
	}
	m.mu.Lock()
	samples, throttled, shared := m.samples, m.throttled, m.shared
	m.samples, m.throttled, m.shared = 0, 0, nil
	m.mu.Unlock()
	if throttled > 0 {
		note("throttled", "a GPU slowed itself down for heat or power in %d of %d samples: the same run on a cool machine "+
			"would be faster", throttled, samples)
	}
	if len(shared) > 0 {
		note("gpu_shared", "the server did not have the GPU for itself: %s", strings.Join(shared, ", "))
	}
}
