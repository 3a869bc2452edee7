package host

import (
	"time"
)

// Options are the sources of telemetry. The zero value is this machine without a server.
type Options struct {
	Every     time.Duration // interval of samples; 0: a fifth of a second, at least 20 ms
	Processes func() []int  // the server's process ids, see [Proc.PIDs] and [Tree]; nil: not watched
	NoNVML    bool          // go without NVIDIA's library
	NvidiaSMI string        // command; empty: nvidia-smi
	SysFS     string        // root of sysfs; empty: /sys
	IOReg     string        // command; empty: ioreg, on macOS
}

func (o Options) every() time.Duration {
	if o.Every <= 0 {
		return 200 * time.Millisecond
	}
	return max(o.Every, 20*time.Millisecond)
}
