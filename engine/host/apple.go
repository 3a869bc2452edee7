package host

import (
	"context"
	"math"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// appleEvery is how often ioreg is run: it costs a process, and its figures move slowly.
const appleEvery = time.Second

// openApple reads what macOS reports of its GPU without privileges: load and memory. Power, clocks and temperature
// need root (powermetrics), so they stay unknown.
func openApple(ctx context.Context, o Options) (*gpus, error) {
	command := o.IOReg
	if command == "" {
		if runtime.GOOS != "darwin" {
			return nil, errNoGPU
		}
		command = "/usr/sbin/ioreg"
	}
	a := &apple{command: command}
	if _, err := a.refresh(ctx); err != nil {
		return nil, err
	}
	return &gpus{
		read: func() ([]gpuReading, error) {
			r, err := a.refresh(context.WithoutCancel(ctx))
			if err != nil {
				return nil, err
			}
			return []gpuReading{r}, nil
		},
		facts: func() []GPU {
			a.mu.Lock()
			defer a.mu.Unlock()
			return []GPU{{Vendor: "Apple", Name: a.model, SharedMemory: true}}
		},
		close: func() {},
	}, nil
}

type apple struct {
	command string

	mu    sync.Mutex
	at    time.Time
	last  gpuReading
	model string
}

// Patterns of ioreg's output for the accelerator.
var (
	appleUtil   = regexp.MustCompile(`"Device Utilization %"\s*=\s*(\d+)`)
	appleMemory = regexp.MustCompile(`"In use system memory"\s*=\s*(\d+)`)
	appleModel  = regexp.MustCompile(`"model"\s*=\s*"([^"]+)"`)
)

func (a *apple) refresh(ctx context.Context) (gpuReading, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.at) < appleEvery {
		return a.last, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.command, "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return gpuReading{}, err
	}
	r := unread()
	r.util, r.memUsed = matched(appleUtil, out), matched(appleMemory, out)
	if math.IsNaN(r.util) && math.IsNaN(r.memUsed) {
		return gpuReading{}, errNoGPU
	}
	if m := appleModel.FindSubmatch(out); m != nil {
		a.model = string(m[1])
	}
	a.at, a.last = time.Now(), r
	return r, nil
}

func matched(pattern *regexp.Regexp, out []byte) float64 {
	m := pattern.FindSubmatch(out)
	if m == nil {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return math.NaN()
	}
	return v
}
