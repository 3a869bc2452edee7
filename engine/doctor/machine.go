package doctor

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/host"
)

// machine describes what of this computer affects the numbers.
func (d *Doctor) machine(ctx context.Context) {
	d.Report.Section("this machine")
	t := host.OpenTelemetry(ctx, host.Options{})
	defer t.Close()
	facts := machineFacts(ctx, t)
	defer func() { d.Report.Machine(facts) }()
	if facts.Processor != nil {
		d.Report.Line("processor", "%s, %d threads", *facts.Processor, facts.Threads)
	} else {
		d.Report.Line("processor", "%d threads", facts.Threads)
	}
	if facts.FreeBytes != nil && facts.MemoryBytes != nil {
		d.Report.Line("memory", "%.1f of %.1f GiB free", *facts.FreeBytes/(1<<30), *facts.MemoryBytes/(1<<30))
	}
	gpus := t.GPUs()
	for _, g := range gpus {
		d.gpu(g, t.Source())
	}
	if len(gpus) == 0 {
		d.Report.Line("GPU", "none that can be read; gpu.* and energy are unknown here")
	}
	for _, n := range t.Notes() {
		d.Report.Line("GPU", "%s", n)
		d.Report.Problem("nvidia-smi", "a GPU cannot be read: %s", n)
	}
	if others, ok := t.GPUProcesses(ctx); ok {
		for _, o := range others {
			memory := "memory not known"
			if o.MiB != nil {
				memory = fmt.Sprintf("%.0f MiB", *o.MiB)
			}
			d.Report.Line("on the GPU", "%s (process %d), %s", orDash(o.Command), o.PID, memory)
		}
	}
	d.disk(&facts.DiskFree)
	floor, err := client.Calibrate(ctx)
	facts.calibrated(floor, err)
	if err != nil {
		d.Report.Line("this client", "not calibrated: %v", err)
		return
	}
	d.Report.Line(
		"this client",
		"adds %.2f ms to a time to first token (99th percentile %.2f ms); a sleep of 1 ms is up to %.2f ms late",
		event.Milliseconds(floor.TTFTp50),
		event.Milliseconds(floor.TTFTp99),
		event.Milliseconds(floor.TimerP99),
	)
	if floor.TTFTp99 > 5*time.Millisecond {
		d.Report.Problem(
			"close what keeps the processor busy, then: homellm doctor",
			"this client measures up to %.1f ms too long: the machine is busy",
			event.Milliseconds(floor.TTFTp99),
		)
	}
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func (d *Doctor) gpu(g host.GPU, source string) {
	parts := []string{g.Name}
	if g.MemoryMiB > 0 {
		parts = append(parts, fmt.Sprintf("%.1f of %.1f GiB free", g.FreeMiB/1024, g.MemoryMiB/1024))
	}
	if g.Driver != "" {
		parts = append(parts, "driver "+g.Driver)
	}
	if g.CUDA != "" {
		parts = append(parts, "CUDA "+g.CUDA)
	}
	if g.PowerLimitW > 0 {
		parts = append(parts, fmt.Sprintf("power limit %.0f W", g.PowerLimitW))
	}
	if g.PCIe != "" {
		parts = append(parts, "PCIe "+g.PCIe)
	}
	d.Report.Line("GPU", "%s (%s)", strings.Join(parts, ", "), source)
	if g.ThrottledNow != "" {
		d.Report.Line("clocks", "held back now: %s", g.ThrottledNow)
	}
	if g.ThrottleSlows {
		d.Report.Problem(
			"let it cool down, or raise its power limit: nvidia-smi -q -d PERFORMANCE,POWER",
			"%s slows itself down now (%s)",
			g.Name,
			g.ThrottledNow,
		)
	}
}

// lowDisk is the free space below which a download or a journal may not fit.
const lowDisk = 10 << 30

// Uses of disk space.
const (
	forResults = "results"
	forModels  = "models"
)

// disk says how much space is free.
func (d *Doctor) disk(facts *DiskFacts) {
	places := []struct{ what, path string }{{forResults, "."}}
	if dir := d.ModelDir; dir != "" {
		for _, err := os.Stat(dir); err != nil && len(dir) > 1; _, err = os.Stat(dir) {
			i := strings.LastIndexAny(dir, `/\`)
			if i <= 0 {
				dir = "/"
				break
			}
			dir = dir[:i]
		}
		places = append(places, struct{ what, path string }{forModels, dir})
	}
	for _, place := range places {
		free, err := host.DiskFree(place.path)
		if err != nil {
			continue // unknown on this system
		}
		facts.free(place.what, free)
		d.Report.Line("disk", "%.1f GiB free for %s", float64(free)/(1<<30), place.what)
		if free < lowDisk {
			d.Report.Problem("df -h", "less than 10 GiB are free for %s", place.what)
		}
	}
}
