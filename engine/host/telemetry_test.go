package host

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"os/user"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// nothing are options under which no GPU is found, whatever the machine has.
func nothing(t *testing.T) Options {
	return Options{NoNVML: true, NvidiaSMI: "homellm-no-such-command", SysFS: t.TempDir(), Every: 20 * time.Millisecond}
}

// The real library, on whatever machine this runs: with a driver it reads, without one it says
// so, and in neither case does the process end.
func TestTelemetry_ThisMachine(t *testing.T) {
	watch := OpenTelemetry(t.Context(), Options{})
	defer watch.Close()
	watch.scrape(t.Context())
	time.Sleep(30 * time.Millisecond) // a share of CPU time needs some time
	values := watch.scrape(t.Context())
	if values["mem.used_mib"] <= 0 {
		t.Errorf("no memory in use: %v", values)
	}
	if _, ok := values["gpu.util_pct"]; ok != (watch.Source() != "") {
		t.Errorf("GPU figures %v from source %q", values, watch.Source())
	}
	t.Logf("source %q, notes %v, values %v", watch.Source(), watch.Notes(), values)
}

func TestTelemetry_NoGPU(t *testing.T) {
	watch := OpenTelemetry(t.Context(), nothing(t))
	defer watch.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var looks []map[string]float64
	busy, known := 0.0, false // two looks within one tick of the system's clock have no share to tell
	watch.Sample(ctx, func(v map[string]float64) {
		looks = append(looks, v)
		if pct, ok := v["cpu.util_pct"]; ok {
			busy, known = max(busy, pct), true
		}
		if len(looks) >= 5 && known || len(looks) == 200 {
			cancel()
		}
	})
	for i, v := range looks {
		for name, value := range v {
			if strings.HasPrefix(name, "gpu.") || math.IsNaN(value) || value < 0 {
				t.Errorf("look %d: %s = %v", i, name, value)
			}
		}
	}
	if _, ok := looks[0]["cpu.util_pct"]; ok {
		t.Error("the first look knows a share of CPU time: of what?")
	}
	if !known || busy > 100 {
		t.Errorf("cpu.util_pct is at most %v (known: %v) in %d looks", busy, known, len(looks))
	}
	if _, err := watch.Meter().Read(); err == nil {
		t.Error("energy without a GPU")
	}
	if _, err := watch.IdlePower(t.Context(), 30*time.Millisecond); err == nil {
		t.Error("idle power without a GPU")
	}
	if _, ok := watch.GPUProcesses(t.Context()); ok {
		t.Error("GPU processes without a GPU")
	}
}

func TestTelemetry_OwnProcess(t *testing.T) {
	o := nothing(t)
	o.Processes = func() []int { return []int{os.Getpid()} }
	watch := OpenTelemetry(t.Context(), o)
	defer watch.Close()
	watch.scrape(t.Context())
	for end := time.Now().Add(60 * time.Millisecond); time.Now().Before(end); { // one core's worth of work
	}
	values := watch.scrape(t.Context())
	if pct, ok := values["cpu.server_pct"]; !ok || pct <= 0 {
		t.Errorf("cpu.server_pct = %v, %v after 60 ms of work", pct, ok)
	}
	if mib := values["mem.server_mib"]; mib < 1 || mib > 10_000 {
		t.Errorf("mem.server_mib = %v", mib)
	}
	// A server whose processes are gone has no figures; they are not 0.
	watch.system.pids, watch.system.server = func() []int { return nil }, nil
	values = watch.scrape(t.Context())
	if _, ok := values["cpu.server_pct"]; ok {
		t.Errorf("figures of a server that is gone: %v", values)
	}
}

func TestCombine(t *testing.T) {
	two := []gpuReading{
		{util: 90, memUsed: 1 << 30, power: 300, energy: 5, temp: 70, smClock: 2000, memClock: 9000, reasons: 0x4},
		{util: 10, memUsed: 1 << 30, power: 50, energy: 6, temp: 40, smClock: 300, memClock: 400, reasons: 0x40},
	}
	out := map[string]float64{}
	combine(two, out)
	want := map[string]float64{"gpu.util_pct": 90, "gpu.mem_used_mib": 2048, "gpu.power_w": 350, "gpu.temp_c": 70,
		"gpu.sm_clock_mhz": 2000, "gpu.mem_clock_mhz": 9000, "gpu.throttled": 1}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if joules, ok := totalEnergy(two); !ok || joules != 11 {
		t.Errorf("energy %v, %v", joules, ok)
	}
	two[1].power, two[1].energy = math.NaN(), math.NaN()
	out = map[string]float64{}
	combine(two, out)
	if v, ok := out["gpu.power_w"]; ok {
		t.Errorf("the power of two GPUs of which one is unknown is %v", v)
	}
	if _, ok := totalEnergy(two); ok {
		t.Error("so is the energy")
	}
	out = map[string]float64{}
	combine([]gpuReading{unread()}, out)
	if len(out) != 0 {
		t.Errorf("an unread GPU gives %v", out)
	}
	if _, ok := totalEnergy(nil); ok {
		t.Error("no GPU has an energy")
	}
}

func TestThrottleReasons(t *testing.T) {
	for mask, want := range map[uint64]struct {
		names string
		slows float64
	}{
		0:     {"", 0},
		0x1:   {"idle", 0},
		0x4:   {"power cap", 0},
		0x24:  {"power cap, too hot (software)", 1},
		0x48:  {"hardware slowdown, too hot (hardware)", 1},
		0x80:  {"power brake", 1},
		0x200: {"unknown", 0},
	} {
		if got := throttleReasons(mask); got != want.names || throttled(float64(mask)) != want.slows {
			t.Errorf("%#x: %q %v, want %q %v", mask, got, throttled(float64(mask)), want.names, want.slows)
		}
	}
	if !math.IsNaN(throttled(math.NaN())) {
		t.Error("an unknown mask is not 0")
	}
}

// fakeGPU is a GPU whose power rises by the second and which counts its energy if told to.
func fakeGPU(counter bool) *gpus {
	start := time.Now()
	return &gpus{source: "fake", close: func() {}, read: func() ([]gpuReading, error) {
		s := time.Since(start).Seconds()
		r := unread()
		r.power = 100 + 10*s
		if counter {
			r.energy = 100*s + 5*s*s
		}
		return []gpuReading{r}, nil
	}}
}

func TestEnergy(t *testing.T) {
	// From second 2 to second 12: 10 s at 100 W and 5·(12²−2²) J, with a counter and without.
	const want = 1000 + 5*(144-4)
	for name, counter := range map[string]bool{"fake counter": true, "fake power, 100ms apart": false} {
		synctest.Test(t, func(t *testing.T) {
			watch := &Telemetry{options: Options{Every: 100 * time.Millisecond}, gpus: fakeGPU(counter), system: &system{}}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); watch.Sample(ctx, func(map[string]float64) {}) }()
			time.Sleep(2*time.Second + time.Nanosecond)
			meter := watch.Meter()
			time.Sleep(10 * time.Second)
			e, err := meter.Read()
			// Two nanoseconds of 220 W are what the ticks stand off the readings.
			if err != nil || math.Abs(e.Joules-want) > 1e-5 || math.Abs(e.Seconds-10) > 1e-6 || e.Source != name {
				t.Errorf("%s: %+v, %v, want %v J", name, e, err, want)
			}
			if above := e.AboveIdle(100); math.Abs(above-(want-1000)) > 1e-5 {
				t.Errorf("above idle: %v", above)
			}
			if e.AboveIdle(1000) != 0 {
				t.Error("less than nothing was drawn")
			}
			cancel()
			<-done
		})
	}
}

func TestEnergy_Unknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch := &Telemetry{options: Options{Every: 200 * time.Millisecond}, gpus: fakeGPU(false), system: &system{}}
		if _, err := watch.Meter().Read(); err == nil || !strings.Contains(err.Error(), "ten times a second") {
			t.Errorf("five looks a second: %v", err)
		}
		watch.options.Every = 100 * time.Millisecond
		if _, err := watch.Meter().Read(); err == nil || !strings.Contains(err.Error(), "not being read") {
			t.Errorf("no looks at all: %v", err)
		}
		watch.scrape(t.Context())
		meter := watch.Meter()
		time.Sleep(time.Second)
		watch.scrape(t.Context())
		if _, err := meter.Read(); err == nil || !strings.Contains(err.Error(), "all the time") {
			t.Errorf("a second without a look: %v", err)
		}
		watch.gpus = fakeGPU(true)
		meter = watch.Meter()
		meter.counter = 1e9
		if _, err := meter.Read(); err == nil || !strings.Contains(err.Error(), "fell") {
			t.Errorf("a counter that fell: %v", err)
		}
	})
}

func TestIdlePower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, counter := range map[string]bool{"counter": true, "power": false} {
			watch := &Telemetry{options: Options{Every: 100 * time.Millisecond}, gpus: fakeGPU(counter), system: &system{}}
			watts, err := watch.IdlePower(t.Context(), 4*time.Second)
			// 100 W rising by 10 W a second: 120 W in the mean; the samples lie 0.1 s apart.
			if err != nil || math.Abs(watts-120) > 0.6 {
				t.Errorf("%s: %v W, %v", name, watts, err)
			}
		}
	})
}

func TestInspect(t *testing.T) {
	o := nothing(t)
	write(t, o.SysFS, map[string]string{
		"firmware/acpi/platform_profile": "balanced\n", "class/power_supply/BAT0/type": "Battery\n",
		"class/power_supply/AC/type": "Mains\n", "class/power_supply/AC/online": "0\n",
		"class/drm/card0/device/vendor": "0x1002\n", "class/drm/card0/device/product_name": "Radeon Pro W7900\n",
		"class/drm/card0/device/mem_info_vram_total": "1073741824\n", "class/drm/card0/device/mem_info_vram_used": "0\n",
		"class/drm/card0/device/mem_info_gtt_total": "1\n", "class/drm/card0/device/unique_id": "deadbeefcafe\n",
		"class/drm/card0/device/serial_number": "SN123\n",
	})
	watch := OpenTelemetry(t.Context(), o)
	defer watch.Close()
	facts := watch.Inspect(t.Context())
	for key, want := range map[string]any{"os": runtime.GOOS, "power_profile": "balanced", "power_source": "battery",
		"gpu_source": "amdgpu"} {
		if facts[key] != want {
			t.Errorf("%s = %v, want %v", key, facts[key], want)
		}
	}
	data, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"deadbeefcafe", "SN123", o.SysFS}
	if name, err := os.Hostname(); err == nil && len(name) > 3 {
		secrets = append(secrets, name)
	}
	if u, err := user.Current(); err == nil && len(u.Username) > 4 {
		secrets = append(secrets, u.Username)
	}
	for _, secret := range secrets {
		if strings.Contains(string(data), secret) {
			t.Errorf("%q is in the facts: %s", secret, data)
		}
	}
	t.Log(string(data))
}

func TestListener(t *testing.T) {
	port, err := FreePort(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if pid, _, ok := Listener(t.Context(), port); ok {
		t.Errorf("process %d listens on a port that is free", pid)
	}
	if free, err := DiskFree(t.TempDir()); err != nil || free == 0 {
		t.Errorf("free disk %v, %v", free, err)
	}
	if tree := Tree(os.Getpid()); len(tree) == 0 || tree[0] != os.Getpid() {
		t.Errorf("tree %v", tree)
	}
}

func TestAwaitMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		watch := &Telemetry{system: &system{}, gpus: &gpus{
			read: func() ([]gpuReading, error) {
				r := unread()
				r.memUsed = max(0, 8000-1000*time.Since(start).Seconds()) * (1 << 20) // a gigabyte a second
				return []gpuReading{r}, nil
			},
			processes: func(context.Context) ([]GPUProcess, bool) { return []GPUProcess{{PID: 7, Command: "vllm"}}, true },
		}}
		if err := watch.AwaitMemory(t.Context(), 5000, time.Minute); err != nil ||
			time.Since(start) != 2800*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if err := watch.AwaitMemory(t.Context(), 0, time.Second); err == nil ||
			!strings.Contains(err.Error(), "not after 1s: 4200 MiB") || !strings.Contains(err.Error(), "process 7 (vllm)") {
			t.Errorf("got %v", err)
		}
		watch.gpus = nil
		if err := watch.AwaitMemory(t.Context(), 0, time.Second); err != nil {
			t.Errorf("memory that is not known: %v", err)
		}
	})
}
