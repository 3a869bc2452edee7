package host

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The tree of a desktop with a Radeon card and a processor that has a graphics core, as the
// amdgpu driver of Linux 6.8 lays it out.
func TestAMD(t *testing.T) {
	o := nothing(t)
	card, core := "class/drm/card1/device/", "class/drm/card0/device/"
	write(t, o.SysFS, map[string]string{
		card + "vendor": "0x1002\n", card + "device": "0x744c\n", card + "gpu_busy_percent": "87\n",
		card + "mem_info_vram_total": "25753026560\n", card + "mem_info_vram_used": "8589934592\n",
		card + "mem_info_gtt_total": "16777216000\n", card + "mem_info_gtt_used": "1048576\n",
		card + "hwmon/hwmon3/power1_average": "301000000\n", card + "hwmon/hwmon3/power1_cap": "339000000\n",
		card + "hwmon/hwmon3/temp1_input": "61000\n", card + "hwmon/hwmon3/freq1_input": "2480000000\n", card +
			"hwmon/hwmon3/freq2_input": "1249000000\n",
		core + "vendor": "0x1002\n", core + "device": "0x164e\n", core + "gpu_busy_percent": "3\n",
		core + "mem_info_vram_total": "536870912\n", core + "mem_info_vram_used": "20971520\n",
		core + "mem_info_gtt_total": "16777216000\n", core + "mem_info_gtt_used": "2097152\n",
		"class/drm/card2/device/vendor": "0x8086\n",
	})
	watch := OpenTelemetry(t.Context(), o)
	defer watch.Close()
	if watch.Source() != "amdgpu" {
		t.Fatalf("source %q, notes %v", watch.Source(), watch.Notes())
	}
	got := watch.scrape(t.Context())
	delete(got, "mem.used_mib")
	want := map[string]float64{"gpu.util_pct": 87, "gpu.mem_used_mib": 8192, "gpu.power_w": 301, "gpu.temp_c": 61,
		"gpu.sm_clock_mhz": 2480, "gpu.mem_clock_mhz": 1249}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the card (-want +got):\n%s", diff)
	}
	wantGPU := []GPU{{Name: "AMD GPU 0x744c", Vendor: "AMD", Driver: "amdgpu", MemoryMiB: 24560, FreeMiB: 16368,
		PowerLimitW: 339}}
	if diff := cmp.Diff(wantGPU, watch.GPUs(), cmpopts.EquateApprox(0, 1)); diff != "" {
		t.Errorf("its facts (-want +got):\n%s", diff)
	}

	// Without the card the graphics core is all there is, and what it borrows counts.
	if err := os.RemoveAll(filepath.Join(o.SysFS, "class/drm/card1")); err != nil {
		t.Fatal(err)
	}
	alone := OpenTelemetry(t.Context(), o)
	defer alone.Close()
	got = alone.scrape(t.Context())
	delete(got, "mem.used_mib")
	if diff := cmp.Diff(map[string]float64{"gpu.util_pct": 3, "gpu.mem_used_mib": 22}, got); diff != "" {
		t.Errorf("the core alone (-want +got):\n%s", diff)
	}
	if g := alone.GPUs(); len(g) != 1 || !g[0].SharedMemory {
		t.Errorf("got %+v", g)
	}
}

// script writes an executable that plays a tool.
func script(t *testing.T, body string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the fake tools are shell scripts")
	}
	path := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// An nvidia-smi of driver 550 on a card that tells no energy, and of an older driver that does
// not know the new name of a field.
func TestSMI(t *testing.T) {
	const rows = `0, 97, 21034, 318.44, 71, 2730, 10251, NVIDIA GeForce RTX 4090, 550.54.14, 24564, 450.00, 4, 16`
	for name, body := range map[string]string{
		"new": `case "$*" in
*compute-apps*) echo "4242, 20500"; echo "77, [N/A]" ;;
*-lms*) while :; do echo "` + rows + `, 0x0000000000000004"; echo "1, [N/A], 10, [Not Supported], 30, 210, 405, NVIDIA T400, 550.54.14, 4096, [N/A], 3, 8, 0x0000000000000020"; sleep 0.02; done ;;
*) echo "` + rows + `, 0x0000000000000004"; echo "1, [N/A], 10, [Not Supported], 30, 210, 405, NVIDIA T400, 550.54.14, 4096, [N/A], 3, 8, 0x0000000000000020" ;;
esac`,
		"old": `case "$*" in
*clocks_event_reasons*) echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2 ;;
*compute-apps*) echo "No running processes found" ;;
*-lms*) while :; do echo "` + rows + `, Active"; sleep 0.02; done ;;
*) echo "` + rows + `, Active" ;;
esac`,
	} {
		t.Run(name, func(t *testing.T) {
			o := nothing(t)
			o.NvidiaSMI = script(t, body)
			watch := OpenTelemetry(t.Context(), o)
			defer watch.Close()
			if watch.Source() != "nvidia-smi" {
				t.Fatalf("source %q, notes %v", watch.Source(), watch.Notes())
			}
			got := watch.scrape(t.Context())
			delete(got, "mem.used_mib")
			want := map[string]float64{"gpu.mem_used_mib": 21034, "gpu.temp_c": 71, "gpu.sm_clock_mhz": 2730,
				"gpu.mem_clock_mhz": 10251, "gpu.util_pct": 97, "gpu.power_w": 318.44}
			if name == "new" { // the second card tells neither load nor power
				delete(want, "gpu.util_pct")
				delete(want, "gpu.power_w")
				want["gpu.mem_used_mib"], want["gpu.throttled"] = 21044, 1
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			g := watch.GPUs()[0]
			if g.Name != "NVIDIA GeForce RTX 4090" || g.MemoryMiB != 24564 || g.FreeMiB != 3530 || g.PowerLimitW != 450 ||
				g.PCIe != "gen 4 x16" {
				t.Errorf("got %+v", g)
			}
			processes, ok := watch.GPUProcesses(t.Context(), 77)
			if want := map[string]int{"new": 1, "old": 0}[name]; !ok || len(processes) != want {
				t.Errorf("processes %+v, %v", processes, ok)
			}
			if name == "new" && (processes[0].PID != 4242 || *processes[0].MiB != 20500) {
				t.Errorf("got %+v", processes)
			}
		})
	}
}

func TestSMI_Broken(t *testing.T) {
	for body, note := range map[string]string{
		"echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9": "could not communicate",
		"echo 'No devices were found'": "No devices were found",
	} {
		o := nothing(t)
		o.NvidiaSMI = script(t, body)
		watch := OpenTelemetry(t.Context(), o)
		if watch.Source() != "" || len(watch.Notes()) != 1 || !strings.Contains(watch.Notes()[0], note) {
			t.Errorf("source %q, notes %v, want %q", watch.Source(), watch.Notes(), note)
		}
		watch.Close()
	}
}

func TestSMI_StreamEnds(t *testing.T) {
	o := nothing(t)
	o.NvidiaSMI = script(t, `echo "0, 97, 21034, 318.44, 71, 2730, 10251, X, 1, 24564, 450.00, 4, 16, 0x0"`)
	watch := OpenTelemetry(t.Context(), o)
	defer watch.Close()
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := watch.gpus.read(); err != nil {
			// Not only when the last row has become stale.
			if !strings.Contains(err.Error(), "its stream ended") {
				t.Error(err)
			}
			if _, ok := watch.scrape(t.Context())["gpu.util_pct"]; ok {
				t.Error("the figures of the last row are shown for ever")
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a stream that ended still has figures")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestApple(t *testing.T) {
	o := nothing(t)
	//nolint:lll // as ioreg prints it
	o.IOReg = script(t, `cat <<'EOF'
+-o AGXAcceleratorG14X  <class AGXAcceleratorG14X>
    {
      "model" = "Apple M3 Max"
      "PerformanceStatistics" = {"In use system memory (driver)"=0,"Alloc system memory"=9000000000,"Device Utilization %"=64,"In use system memory"=4294967296,"Tiler Utilization %"=1}
    }
EOF`)
	watch := OpenTelemetry(t.Context(), o)
	defer watch.Close()
	got := watch.scrape(t.Context())
	delete(got, "mem.used_mib")
	if diff := cmp.Diff(map[string]float64{"gpu.util_pct": 64, "gpu.mem_used_mib": 4096}, got); diff != "" ||
		watch.Source() != "ioreg" {
		t.Errorf("source %q, notes %v (-want +got):\n%s", watch.Source(), watch.Notes(), diff)
	}
	if g := watch.GPUs(); len(g) != 1 || g[0].Name != "Apple M3 Max" {
		t.Errorf("got %+v", g)
	}
}
