package host

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

// Inspect lists the facts of the machine that explain a result: processor, memory, GPUs and what slows them down.
// Nothing in it identifies the machine or its owner: no host name, no user, no address, no serial number, no path.
// Unknown facts are left out.
func (t *Telemetry) Inspect(ctx context.Context) map[string]any {
	facts := map[string]any{"os": runtime.GOOS, "arch": runtime.GOARCH}
	put := func(key, value string) {
		if value != "" {
			facts[key] = value
		}
	}
	if version, err := host.KernelVersionWithContext(ctx); err == nil {
		put("kernel", version)
	}
	put("distribution", distribution(ctx))
	if system, role, err := host.VirtualizationWithContext(ctx); err == nil && role == "guest" {
		put("virtualization", system)
	}
	if cpus, err := cpu.InfoWithContext(ctx); err == nil && len(cpus) > 0 {
		put("cpu", strings.Join(strings.Fields(cpus[0].ModelName), " "))
	}
	if n, err := cpu.CountsWithContext(ctx, false); err == nil && n > 0 {
		facts["cpu_cores"] = n
	}
	facts["cpu_threads"] = runtime.NumCPU()
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil && m.Total > 0 {
		facts["memory_mib"] = m.Total >> 20
		facts["memory_free_mib"] = m.Available >> 20
	}
	root := t.options.SysFS
	if root == "" {
		root = "/sys"
	}
	put("power_profile", text(filepath.Join(root, "firmware/acpi/platform_profile")))
	put("cpu_governor", text(filepath.Join(root, "devices/system/cpu/cpu0/cpufreq/scaling_governor")))
	put("power_source", powerSource(root))
	if version, err := os.ReadFile("/proc/version"); err == nil &&
		strings.Contains(strings.ToLower(string(version)), "microsoft") {
		facts["wsl"] = true
	}
	var gpus []map[string]any
	for _, g := range t.GPUs() {
		gpus = append(gpus, g.facts())
	}
	if gpus != nil {
		facts["gpus"] = gpus
		facts["gpu_source"] = t.Source()
	}
	return facts
}

// facts is a GPU as it goes into results.
func (g GPU) facts() map[string]any {
	facts := map[string]any{}
	texts := map[string]string{"name": g.Name, "vendor": g.Vendor, "driver": g.Driver, "cuda": g.CUDA, "pcie": g.PCIe}
	for key, value := range texts {
		if value != "" {
			facts[key] = value
		}
	}
	numbers := map[string]float64{"memory_mib": g.MemoryMiB, "free_mib": g.FreeMiB, "power_limit_w": g.PowerLimitW}
	for key, value := range numbers {
		if value > 0 {
			facts[key] = math.Round(value)
		}
	}
	if g.SharedMemory {
		facts["shared_memory"] = true
	}
	return facts
}

// powerSource is mains or battery, empty on a machine without a battery.
func powerSource(root string) string {
	supplies, err := filepath.Glob(filepath.Join(root, "class/power_supply/*/type"))
	if err != nil {
		return "" // the pattern is fixed, so the root must not contain wildcards
	}
	battery := false
	for _, path := range supplies {
		switch text(path) {
		case "Mains", "USB":
			if text(filepath.Join(filepath.Dir(path), "online")) == "1" {
				return "mains"
			}
		case "Battery":
			battery = battery || text(filepath.Join(filepath.Dir(path), "scope")) != "Device" // a mouse has a battery too
		}
	}
	if battery {
		return "battery"
	}
	return ""
}
