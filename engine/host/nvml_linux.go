//go:build cgo && linux

package host

import (
	"context"
	"fmt"
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// openNVML opens NVIDIA's management library. Calling anything after a failed Init, or a symbol that the installed
// driver does not have, would crash the process beyond recover.
func openNVML(_ context.Context, o Options) (*gpus, error) {
	if o.NoNVML {
		return nil, errNoGPU
	}
	lib := nvml.New()
	switch ret := lib.Init(); ret {
	case nvml.SUCCESS:
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return nil, errNoGPU
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return nil, fmt.Errorf("NVIDIA's library is installed and its driver is not loaded")
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return nil, fmt.Errorf("NVIDIA's library and its driver are of different versions: reboot after a driver update")
	case nvml.ERROR_NO_PERMISSION:
		return nil, fmt.Errorf("no permission to use the NVIDIA driver: is the container started with --gpus?")
	default:
		// ErrorString is a symbol of the library as well, and Init failed.
		return nil, fmt.Errorf("initialising NVML failed with code %d", int(ret))
	}
	n := &nvmlLib{lib: lib, has: map[string]bool{}}
	for _, symbol := range nvmlOptional {
		n.has[symbol] = lib.Extensions().LookupSymbol(symbol) == nil
	}
	// The result of Shutdown does not matter: the library is not used again.
	shutdown := func() { _ = lib.Shutdown() }
	count, ret := lib.DeviceGetCount()
	if ret != nvml.SUCCESS || count == 0 {
		shutdown()
		if ret == nvml.SUCCESS {
			return nil, errNoGPU
		}
		return nil, fmt.Errorf("counting GPUs: %s", lib.ErrorString(ret))
	}
	for i := range count {
		device, ret := lib.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			shutdown()
			return nil, fmt.Errorf("opening GPU %d: %s", i, lib.ErrorString(ret))
		}
		n.devices = append(n.devices, device)
	}
	return &gpus{read: n.read, facts: n.facts, processes: n.processes, close: shutdown}, nil
}

// nvmlOptional are the symbols that some drivers do not have.
var nvmlOptional = []string{
	"nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons",
	"nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetEnforcedPowerLimit",
}

type nvmlLib struct {
	lib     nvml.Interface
	devices []nvml.Device
	has     map[string]bool
}

// number is NaN unless the call succeeded.
func number[T ~uint32 | ~uint64 | ~int](v T, ret nvml.Return) float64 {
	if ret != nvml.SUCCESS {
		return math.NaN()
	}
	return float64(v)
}

func (n *nvmlLib) read() ([]gpuReading, error) {
	all := make([]gpuReading, len(n.devices))
	for i, d := range n.devices {
		util, ret := d.GetUtilizationRates()
		if ret == nvml.ERROR_GPU_IS_LOST {
			return nil, fmt.Errorf("GPU %d has fallen off the bus", i)
		}
		r := unread()
		r.util = number(util.Gpu, ret)
		r.memUsed, _ = n.memory(d)
		r.power = number(d.GetPowerUsage()) / 1000 // mW
		if n.has["nvmlDeviceGetTotalEnergyConsumption"] {
			r.energy = number(d.GetTotalEnergyConsumption()) / 1000 // mJ
		}
		r.temp = number(d.GetTemperature(nvml.TEMPERATURE_GPU))
		r.smClock = number(d.GetClockInfo(nvml.CLOCK_SM))
		r.memClock = number(d.GetClockInfo(nvml.CLOCK_MEM))
		r.reasons = n.reasons(d)
		all[i] = r
	}
	return all, nil
}

// memory is the used and the total memory in bytes. The first version of the call counts the driver's reserved memory
// as used.
func (n *nvmlLib) memory(d nvml.Device) (used, total float64) {
	if n.has["nvmlDeviceGetMemoryInfo_v2"] {
		if m, ret := d.GetMemoryInfo_v2(); ret == nvml.SUCCESS {
			return float64(m.Used), float64(m.Total)
		}
	}
	m, ret := d.GetMemoryInfo()
	if ret != nvml.SUCCESS {
		return math.NaN(), math.NaN()
	}
	return float64(m.Used), float64(m.Total)
}

func (n *nvmlLib) reasons(d nvml.Device) float64 {
	if n.has["nvmlDeviceGetCurrentClocksEventReasons"] {
		return number(d.GetCurrentClocksEventReasons())
	}
	if n.has["nvmlDeviceGetCurrentClocksThrottleReasons"] {
		return number(d.GetCurrentClocksThrottleReasons())
	}
	return math.NaN()
}

func (n *nvmlLib) facts() []GPU {
	driver, _ := n.lib.SystemGetDriverVersion() // empty where it is not told
	cuda := ""
	if v, ret := n.lib.SystemGetCudaDriverVersion(); ret == nvml.SUCCESS {
		cuda = fmt.Sprintf("%d.%d", v/1000, v%1000/10)
	}
	all := make([]GPU, len(n.devices))
	for i, d := range n.devices {
		g := GPU{Vendor: "NVIDIA", Driver: driver, CUDA: cuda}
		g.Name, _ = d.GetName() // empty where it is not told
		if used, total := n.memory(d); !math.IsNaN(total) {
			g.MemoryMiB, g.FreeMiB = total/(1<<20), (total-used)/(1<<20)
		}
		if n.has["nvmlDeviceGetEnforcedPowerLimit"] {
			if mw, ret := d.GetEnforcedPowerLimit(); ret == nvml.SUCCESS {
				g.PowerLimitW = float64(mw) / 1000
			}
		}
		gen, ret := d.GetCurrPcieLinkGeneration()
		if width, retWidth := d.GetCurrPcieLinkWidth(); ret == nvml.SUCCESS && retWidth == nvml.SUCCESS {
			g.PCIe = fmt.Sprintf("gen %d x%d", gen, width)
		}
		if mask := n.reasons(d); !math.IsNaN(mask) {
			g.ThrottledNow, g.ThrottleSlows = throttleReasons(uint64(mask)), throttled(mask) == 1
		}
		all[i] = g
	}
	return all
}

// processes lists the processes with GPU memory. A process that computes and draws is in both lists.
func (n *nvmlLib) processes(context.Context) ([]GPUProcess, bool) {
	var all []GPUProcess
	seen := map[uint32]bool{}
	for _, d := range n.devices {
		compute, ret := d.GetComputeRunningProcesses()
		if ret != nvml.SUCCESS {
			return nil, false
		}
		graphics, ret := d.GetGraphicsRunningProcesses()
		if ret != nvml.SUCCESS {
			graphics = nil // cards of servers often have no graphics list
		}
		for _, p := range append(compute, graphics...) {
			if seen[p.Pid] {
				continue
			}
			seen[p.Pid] = true
			g := GPUProcess{PID: int(p.Pid), Command: commandName(int(p.Pid))}
			// All ones means "not available" in NVML.
			if p.UsedGpuMemory != math.MaxUint64 && p.UsedGpuMemory > 0 {
				mib := float64(p.UsedGpuMemory) / (1 << 20)
				g.MiB = &mib
			}
			all = append(all, g)
		}
	}
	return all, true
}
