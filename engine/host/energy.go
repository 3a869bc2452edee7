package host

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// maxGap is the longest time between two power samples for which the energy between them counts as known: ten samples
// a second, one of them late.
const maxGap = 250 * time.Millisecond

// integral adds up power over time by the trapezoidal rule.
type integral struct {
	joules float64
	gaps   int // number of gaps longer than maxGap, or without samples
	at     time.Time
	power  float64
	ok     bool
}

func (i *integral) add(at time.Time, power float64, ok bool) {
	if ok && i.ok && at.Sub(i.at) <= maxGap {
		i.joules += at.Sub(i.at).Seconds() * (power + i.power) / 2
	} else if !i.at.IsZero() {
		i.gaps++
	}
	i.at, i.power, i.ok = at, power, ok
}

// Energy is the energy that the GPUs used between two instants.
type Energy struct {
	Joules  float64
	Seconds float64
	Source  string // "NVML counter", or "NVML power, 0.1 s apart"
}

// AboveIdle is the energy beyond that of an idle GPU, given its idle power in watts. It is at least 0, because a
// measured idle power may exceed that of a quiet moment.
func (e Energy) AboveIdle(watts float64) float64 { return max(0, e.Joules-watts*e.Seconds) }

// Meter measures energy from now on.
type Meter struct {
	t       *Telemetry
	at      time.Time
	counter float64
	counted bool
	joules  float64
	gaps    int
}

// Meter starts a measurement.
func (t *Telemetry) Meter() *Meter {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := &Meter{t: t, at: time.Now(), joules: t.meter.joules, gaps: t.meter.gaps}
	m.counter, m.counted = totalEnergy(t.readGPUs())
	return m
}

// Read is the energy since the start of the measurement: the difference of the driver's counter if every GPU has one,
// else the sum over the power samples, for which Sample must have run all the time with at least ten samples a
// second. The error says why it is unknown.
func (m *Meter) Read() (Energy, error) {
	t := m.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gpus == nil {
		return Energy{}, fmt.Errorf("no GPU whose energy could be read")
	}
	e := Energy{Seconds: time.Since(m.at).Seconds()}
	if now, ok := totalEnergy(t.readGPUs()); ok && m.counted {
		if now < m.counter {
			return Energy{}, fmt.Errorf("the driver's energy counter fell: the driver was loaded again")
		}
		e.Joules, e.Source = now-m.counter, t.gpus.source+" counter"
		return e, nil
	}
	every := t.options.every()
	switch {
	case every > 100*time.Millisecond:
		return Energy{}, fmt.Errorf(
			"the GPU has no energy counter, and power is read every %v: ten times a second is needed",
			every,
		)
	case t.meter.gaps > m.gaps:
		return Energy{}, fmt.Errorf("the GPU has no energy counter, and its power could not be read all the time")
	case !t.meter.ok || t.meter.at.Before(m.at):
		return Energy{}, fmt.Errorf("the GPU has no energy counter, and its power is not being read")
	}
	e.Joules, e.Seconds = t.meter.joules-m.joules, t.meter.at.Sub(m.at).Seconds()
	e.Source = fmt.Sprintf("%s power, %v apart", t.gpus.source, every)
	return e, nil
}

// IdlePower measures the power of the GPUs in watts over a window; the caller makes sure that they are idle. Sample
// may run at the same time. A driver updates its counter ten to fifty times a second, so the window should be some
// seconds.
func (t *Telemetry) IdlePower(ctx context.Context, window time.Duration) (watts float64, err error) {
	meter := t.Meter()
	sum, n := 0.0, 0
	ticker := time.NewTicker(t.options.every())
	defer ticker.Stop()
	deadline := time.After(window)
	for {
		t.mu.Lock()
		out := map[string]float64{}
		if readings := t.readGPUs(); readings != nil {
			combine(readings, out)
		}
		t.mu.Unlock()
		if p, ok := out["gpu.power_w"]; ok {
			sum, n = sum+p, n+1
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("measuring idle power: %w", context.Cause(ctx))
		case <-ticker.C:
		case <-deadline:
			if e, err := meter.Read(); err == nil && e.Seconds > 0 {
				return e.Joules / e.Seconds, nil
			}
			if n == 0 {
				return 0, fmt.Errorf("measuring idle power: the GPU's power is not known")
			}
			return sum / float64(n), nil
		}
	}
}

// MemoryUsed is the GPU memory in use now by all processes; false if unknown.
func (t *Telemetry) MemoryUsed() (mib float64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]float64{}
	if readings := t.readGPUs(); readings != nil {
		combine(readings, out)
	}
	mib, ok = out["gpu.mem_used_mib"]
	return mib, ok
}

// memorySlack is how much more than before may stay in use, because contexts of drivers and desktops come and go.
const memorySlack = 200

// AwaitMemory waits until no more GPU memory is in use than before a server was started, within 200 MiB. A server's
// port is free before its memory is, and a server that starts too early finds too little. If memory use is unknown it
// does not wait.
func (t *Telemetry) AwaitMemory(ctx context.Context, beforeMiB float64, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not after %v", limit))
	defer cancel()
	for {
		used, ok := t.MemoryUsed()
		if !ok || used <= beforeMiB+memorySlack {
			return nil
		}
		select {
		case <-ctx.Done():
			var held strings.Builder
			if others, ok := t.GPUProcesses(context.WithoutCancel(ctx)); ok {
				for _, p := range others {
					fmt.Fprintf(&held, "; process %d (%s) holds some", p.PID, p.Command)
				}
			}
			return fmt.Errorf(
				"waiting for GPU memory to be released: %w: %.0f MiB are in use, %.0f were before%s",
				context.Cause(ctx),
				used,
				beforeMiB,
				held.String(),
			)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
