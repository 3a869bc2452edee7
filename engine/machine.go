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
)

// machine watches the computer beside the run: samples of its GPUs, processors and memory, and
// the energy and the client's own effort of every measured pass. A nil machine watches nothing.
type machine struct {
	run  *run
	t    *host.Telemetry
	pids func() []int
	end  context.CancelFunc
	done sync.WaitGroup

	mu        sync.Mutex
	cell      string // whose pass is being measured; empty between passes
	samples   int
	throttled int
	shared    []string
	idle      *float64 // watts
}

// watchMachine begins to sample; stop ends it.
func (r *run) watchMachine(ctx context.Context) *machine {
	if r.opt.Machine == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &machine{run: r, t: r.opt.Machine, pids: r.opt.PIDs, end: cancel}
	m.done.Go(crash.Guarded(func() { m.t.Sample(ctx, m.sample) }))
	return m
}

func (m *machine) stop() {
	if m != nil {
		m.end()
		m.done.Wait()
	}
}

// sample keeps one look at the machine, if a measured pass is being played.
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
		m.run.out.emit(cell, event.Sample{Values: values})
	}
}

// idleWindow is how long a GPU is watched at rest: its driver updates the energy counter a few
// times a second.
const idleWindow = 2 * time.Second

// rest measures what the GPUs draw with the server's model loaded and nobody asking.
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

// measure watches one pass; the function it returns ends that and keeps what the pass cost.
func (m *machine) measure(s *session, p pass) func() {
	if m == nil || p.warmup {
		return func() {}
	}
	began := time.Now()
	busy, timed := host.SelfCPU()
	pauses := pauseTotal()
	energy := m.t.Meter()
	m.mu.Lock()
	m.cell = s.cell.ID
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
			m.run.out.emit(s.cell.ID, event.Facts{Values: values, Source: e.Source})
		}
		if s.target == nil || !s.target.Embedded { // the simulator's work in this process is not the client's
			values := map[string]float64{"client.gc_pause_ms": float64(pauseTotal()-pauses) / float64(time.Millisecond)}
			if now, ok := host.SelfCPU(); ok && timed {
				values["client_cpu_share"] = (now - busy).Seconds() / time.Since(began).Seconds()
			}
			m.run.out.emit(s.cell.ID, event.Facts{Values: values, Source: "operating system"})
		}
		m.foreign()
	}
}

// pauseTotal is how long all goroutines of this process have stood still for the garbage
// collector.
func pauseTotal() time.Duration {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return time.Duration(min(stats.PauseTotalNs, 1<<62))
}

// foreign looks for processes that share the GPU with the server. Where the server's own are not
// known, nobody can be told apart.
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
			continue // of another namespace: it may be the server itself
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

// remarks marks a cell that throttled or did not have the GPU for itself.
func (m *machine) remarks(s *session) {
	if m == nil {
		return
	}
	m.mu.Lock()
	samples, throttled, shared := m.samples, m.throttled, m.shared
	m.samples, m.throttled, m.shared = 0, 0, nil
	m.mu.Unlock()
	if throttled > 0 {
		s.note("throttled", "a GPU slowed itself down for heat or power in %d of %d samples: the same run on a cool machine would be faster", throttled, samples)
	}
	if len(shared) > 0 {
		s.note("gpu_shared", "the server did not have the GPU for itself: %s", strings.Join(shared, ", "))
	}
}

// opened keeps what is measured once of a server: what its start cost, how far away it is, and
// what the GPU draws while it rests.
func (s *session) opened(ctx context.Context) {
	if r := s.target.Started; r != nil {
		s.run.out.emit(s.cell.ID, r.Facts())
	}
	if s.target.RTT > 0 {
		s.run.out.emit(s.cell.ID, event.Facts{Source: "client", Values: map[string]float64{"client.rtt_floor_ms": float64(s.target.RTT) / float64(time.Millisecond)}})
	}
	if s.target.Embedded {
		return
	}
	if watts, ok := s.run.machine.rest(ctx); ok {
		s.run.out.emit(s.cell.ID, event.Facts{Source: "GPU driver", Values: map[string]float64{"gpu.idle_w": watts}})
	}
}

// restarted keeps what another start of the server cost.
func (s *session) restarted() {
	if r := s.target.Started; r != nil {
		s.run.out.emit(s.cell.ID, r.Facts())
	}
}
