package engine

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/metrics"
	"homellm/engine/target"
)

// rigged is a machine with one card, as an nvidia-smi tells it that prints row, and at whose
// processes it prints others.
func rigged(t *testing.T, row, others string, pids func() []int) (*machine, *record) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "smi")
	body := "#!/bin/sh\ncase $* in *compute-apps*) echo '" + others + "';; *) echo '" + row + "';; esac\n" +
		"case $* in *-lms*) exec sleep 60;; esac\n"
	if err := os.WriteFile(path, []byte(body), 0o755); err != nil {
		t.Fatal(err)
	}
	watch := host.OpenTelemetry(t.Context(),
		host.Options{NoNVML: true, NvidiaSMI: path, SysFS: t.TempDir(), Every: 20 * time.Millisecond})
	if watch.Source() != "nvidia-smi" {
		t.Skipf("no fake card here: %v", watch.Notes())
	}
	t.Cleanup(watch.Close)
	r := &record{}
	r.out = collect(time.Now(), Journal{Fold: &metrics.Run{}, Keep: func(e event.Event) error {
		r.events = append(r.events, e)
		return nil
	}}, func(error) {})
	t.Cleanup(func() { _ = r.out.close() })
	return &machine{emit: r.out.emit, t: watch, pids: pids}, r
}

// record is a collector and what it has kept.
type record struct {
	out    *collector
	events []event.Event
}

func (r *record) all() []event.Event {
	r.out.flush()
	return r.events
}

// marks are what a machine remarks on a cell, one a line.
func (m *machine) marks() string {
	var b strings.Builder
	m.remark(func(code, format string, args ...any) {
		fmt.Fprintf(&b, "%s: %s\n", code, fmt.Sprintf(format, args...))
	})
	return b.String()
}

const (
	hot = "0, 97, 2048, 300, 91, 1730, 10251, Card, 550.1, 8192, 450, 4, 16, 0x40"
	// at its power limit, as cards under load are
	cool = "0, 97, 2048, 300, 60, 2730, 10251, Card, 550.1, 8192, 450, 4, 16, 0x4"
)

// The samples of a measured pass are counted, and those between passes are not.
func TestMachine_Throttled(t *testing.T) {
	m, kept := rigged(t, hot, "", nil)
	m.sample(map[string]float64{"gpu.throttled": 1})
	end := m.measure("x", pass{}, false)
	m.sample(map[string]float64{"gpu.throttled": 1})
	m.sample(map[string]float64{"gpu.throttled": 0})
	m.sample(map[string]float64{"cpu.util_pct": 5})
	end()
	m.sample(map[string]float64{"gpu.throttled": 1})
	samples := 0
	for _, e := range kept.all() {
		if _, ok := e.Body.(event.Sample); ok {
			samples++
		}
	}
	if samples != 3 {
		t.Errorf("%d samples kept, want 3", samples)
	}
	if got := m.marks(); !strings.HasPrefix(got,
		"throttled: a GPU slowed itself down for heat or power in 1 of 3 samples") {
		t.Errorf("notes %q", got)
	}
	if got := m.marks(); got != "" {
		t.Errorf("the next cell has %q", got)
	}

	// Neither a warm-up nor a card at its power limit is a mark.
	m.measure("x", pass{warmup: true}, false)
	m.sample(map[string]float64{"gpu.throttled": 1})
	end = m.measure("x", pass{}, false)
	m.sample(map[string]float64{"gpu.throttled": 0})
	end()
	if got := m.marks(); got != "" {
		t.Errorf("notes %q", got)
	}
}

// The whole way of a driver's bits: from its row to the mark.
func TestMachine_DriverToMark(t *testing.T) {
	for row, want := range map[string]bool{hot: true, cool: false} {
		m, _ := rigged(t, row, "", nil)
		ctx, cancel := context.WithCancel(t.Context())
		end := m.measure("x", pass{}, false)
		seen := make(chan struct{}, 100)
		m.done.Go(func() {
			m.t.Sample(ctx, func(v map[string]float64) { m.sample(v); seen <- struct{}{} })
		})
		for range 3 {
			<-seen
		}
		cancel()
		m.done.Wait()
		end()
		marks := m.marks()
		if got := strings.Contains(marks, "throttled: "); got != want {
			t.Errorf("%s: notes %q", row, marks)
		}
	}
}

func TestMachine_Shared(t *testing.T) {
	me := os.Getpid()
	for name, c := range map[string]struct {
		others string
		pids   func() []int
		want   string // end of the note; empty: none
	}{
		"somebody else":                {"1, 700", func() []int { return []int{me} }, "(700 MiB)\n"},
		"the server alone":             {"1, 700", func() []int { return []int{1} }, ""},
		"the server is unknown":        {"1, 700", func() []int { return nil }, ""},
		"a server that is not watched": {"1, 700", nil, ""},
		"memory that is not told":      {"1, [N/A]", func() []int { return []int{me} }, "\n"},
		"a process of another world":   {"999999999, 700", func() []int { return []int{me} }, ""},
		"no process":                   {"No running processes found", func() []int { return []int{me} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := rigged(t, cool, c.others, c.pids)
			m.measure("x", pass{}, false)()
			m.measure("x", pass{}, false)() // said once
			got := m.marks()
			if (got == "") != (c.want == "") || !strings.HasSuffix(got, c.want) || c.want != "" &&
				!strings.HasPrefix(got, "gpu_shared: the server did not have the GPU for itself: ") {
				t.Errorf("notes %q, want %q", got, c.want)
			}
			if strings.Count(got, ",") > 0 {
				t.Errorf("named twice: %q", got)
			}
		})
	}
}

// Without telemetry nothing is measured and nothing marked.
func TestMachine_None(t *testing.T) {
	var m *machine
	m.measure("x", pass{}, false)()
	m.stop()
	if _, ok := m.rest(t.Context()); ok || m.marks() != "" {
		t.Errorf("a machine that is not there rests: %v, %q", ok, m.marks())
	}
}

// What the start of a server cost is kept once, and what its distance is.
func TestSession_MeasuresItsTarget(t *testing.T) {
	m, kept := rigged(t, cool, "", nil)
	s := &session{instruments: &instruments{out: kept.out, machine: m}, cell: &dsl.Cell{ID: "x"}}
	s.target = &target.Target{Embedded: true, RTT: 250 * time.Microsecond,
		Started: &target.Running{Profile: &dsl.Server{}, Load: 3 * time.Second, First: 40 * time.Millisecond}}
	s.measureTarget(t.Context())
	got := map[string]float64{}
	for _, e := range kept.all() {
		maps.Copy(got, e.Body.(event.Facts).Values)
	}
	if got["load_ms"] != 3000 || got["first_request_ms"] != 40 || got["client.rtt_floor_ms"] != 0.25 || len(got) != 3 {
		t.Errorf("got %v", got)
	}
}
