//go:build gpu

package host

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"homellm/engine/event"
)

// How long the GPU is watched at rest and under load.
const (
	gpuRest = 4 * time.Second
	gpuLoad = 20 * time.Second
)

// TestNVML watches a real NVIDIA GPU, at rest and then for twenty seconds in which whoever runs
// the test keeps it busy, and holds the figures against each other. With $OUT set, the journal of
// samples and facts is left there, to be kept as a fixture: nothing in it tells whose GPU it is.
//
//	go test -tags gpu ./engine/host -run NVML -v
func TestNVML(t *testing.T) {
	tele := OpenTelemetry(t.Context(), Options{Every: 100 * time.Millisecond})
	defer tele.Close()
	if tele.Source() != "NVML" {
		t.Fatalf("the GPU is read by %q: %v", tele.Source(), tele.Notes())
	}
	dir := os.Getenv("OUT")
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, "nvml.jsonl")
	journal, err := event.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	began, seq := time.Now(), uint64(0)
	keep := func(body event.Body) {
		seq++
		if err := journal.Append(event.Event{Seq: seq, At: time.Since(began), Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	keep(event.RunStarted{Version: event.Version, ID: "nvml", Host: tele.Inspect(t.Context())})

	idle, err := tele.IdlePower(t.Context(), gpuRest)
	if err != nil {
		t.Fatal(err)
	}
	keep(event.Facts{Source: tele.Source(), Values: map[string]float64{"gpu.idle_w": idle}})
	if idle <= 0 || idle > 2000 {
		t.Errorf("at rest the GPU draws %v W", idle)
	}

	load := loadGPU(t)
	meter := tele.Meter()
	samples := make(chan map[string]float64, 4096)
	ctx, cancel := contextFor(t, gpuLoad)
	defer cancel()
	tele.Sample(ctx, func(v map[string]float64) { samples <- v })
	close(samples)
	energy, err := meter.Read()
	if err != nil {
		t.Errorf("energy: %v", err)
	}
	load()

	n, sum, peak := 0, 0.0, 0.0
	for v := range samples {
		n++
		sum += v["gpu.power_w"]
		peak = max(peak, v["gpu.util_pct"])
		keep(event.Sample{Values: v})
		for _, name := range []string{"gpu.util_pct", "gpu.mem_used_mib", "gpu.power_w", "gpu.temp_c", "gpu.sm_clock_mhz",
			"gpu.mem_clock_mhz", "gpu.throttled"} {
			if _, ok := v[name]; !ok {
				t.Logf("sample %d does not have %s", n, name)
			}
		}
	}
	keep(event.Facts{Source: energy.Source, Values: map[string]float64{"gpu.energy_j": energy.Joules,
		"gpu.energy_above_idle_j": energy.AboveIdle(idle)}})
	keep(event.RunDone{})
	t.Logf("%d samples in %.1f s, mean power %.1f W, highest utilisation %.0f %%, energy %.0f J (%s), at rest %.1f W", n,
		energy.Seconds, sum/float64(n), peak, energy.Joules, energy.Source, idle)
	if want := int(gpuLoad/(100*time.Millisecond)) / 2; n < want {
		t.Errorf("%d samples, want at least %d", n, want)
	}
	// The driver's counter and its power are two accounts of one thing.
	if mean := energy.Joules / energy.Seconds; mean < 0.8*sum/float64(n) || mean > 1.2*sum/float64(n) {
		t.Errorf("by the counter the GPU drew %.1f W, by its power %.1f W", mean, sum/float64(n))
	}
}
