package host

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// openAMD reads the files of the amdgpu driver, which needs no library and no privilege.
func openAMD(_ context.Context, o Options) (*gpus, error) {
	root := o.SysFS
	if root == "" {
		root = "/sys"
	}
	vendors, err := filepath.Glob(filepath.Join(root, "class/drm/card*/device/vendor"))
	if err != nil {
		return nil, errNoGPU // the pattern is fixed, so the root must not contain wildcards
	}
	var devices []string
	for _, path := range vendors {
		device := filepath.Dir(path)
		// Connectors (card0-DP-1) link to the same device.
		if strings.Contains(filepath.Base(filepath.Dir(device)), "-") {
			continue
		}
		if text(path) == "0x1002" && !math.IsNaN(figure(device, "mem_info_vram_total")) {
			devices = append(devices, device)
		}
	}
	if len(devices) == 0 {
		return nil, errNoGPU
	}
	slices.Sort(devices)
	// An integrated GPU does not count if there is a card.
	if cards := slices.DeleteFunc(slices.Clone(devices), sharedMemory); len(cards) > 0 {
		devices = cards
	}
	return &gpus{
		read: func() ([]gpuReading, error) {
			all := make([]gpuReading, len(devices))
			for i, d := range devices {
				all[i] = readAMD(d)
			}
			return all, nil
		},
		facts: func() []GPU {
			all := make([]GPU, len(devices))
			for i, d := range devices {
				all[i] = factsAMD(d)
			}
			return all
		},
		close: func() {},
	}, nil
}

// sharedMemory reports an APU: its dedicated memory is a small part of the machine's, and large models are in the
// memory that it borrows beyond that (GTT).
func sharedMemory(device string) bool {
	return figure(device, "mem_info_gtt_total") > figure(device, "mem_info_vram_total")
}

func readAMD(device string) gpuReading {
	r := unread()
	r.util = figure(device, "gpu_busy_percent")
	r.memUsed = figure(device, "mem_info_vram_used")
	if sharedMemory(device) {
		r.memUsed += figure(device, "mem_info_gtt_used")
	}
	// power1_average is what newer kernels call power1_input; in microwatts, like all power values of hwmon.
	r.power = first(figure(device, "hwmon/hwmon*/power1_average"), figure(device, "hwmon/hwmon*/power1_input")) / 1e6
	r.temp = figure(device, "hwmon/hwmon*/temp1_input") / 1000
	r.smClock = figure(device, "hwmon/hwmon*/freq1_input") / 1e6
	r.memClock = figure(device, "hwmon/hwmon*/freq2_input") / 1e6
	return r
}

func factsAMD(device string) GPU {
	g := GPU{
		Vendor:       "AMD",
		Name:         text(filepath.Join(device, "product_name")),
		Driver:       "amdgpu",
		SharedMemory: sharedMemory(device),
	}
	if g.Name == "" {
		g.Name = "AMD GPU " + text(filepath.Join(device, "device"))
	}
	total, used := figure(device, "mem_info_vram_total"), figure(device, "mem_info_vram_used")
	if g.SharedMemory {
		total, used = total+figure(device, "mem_info_gtt_total"), used+figure(device, "mem_info_gtt_used")
	}
	if !math.IsNaN(total) && !math.IsNaN(used) {
		g.MemoryMiB, g.FreeMiB = total/(1<<20), (total-used)/(1<<20)
	}
	if cap := figure(device, "hwmon/hwmon*/power1_cap"); !math.IsNaN(cap) {
		g.PowerLimitW = cap / 1e6
	}
	return g
}

// text is the content of a file without its line end; empty if it cannot be read.
func text(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// figure is the number in the first file that a pattern below dir finds; NaN if there is none.
func figure(dir, pattern string) float64 {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(paths) == 0 {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(text(paths[0]), 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// first is the first of its arguments that is a number.
func first(values ...float64) float64 {
	for _, v := range values {
		if !math.IsNaN(v) {
			return v
		}
	}
	return math.NaN()
}
