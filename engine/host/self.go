package host

import (
	"os"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// SelfCPU is the processor time that this process has used so far, all threads together; false
// where the operating system does not report it.
func SelfCPU() (time.Duration, bool) {
	p, err := process.NewProcess(int32(os.Getpid())) // process ids fit 32 bits
	if err != nil {
		return 0, false
	}
	t, err := p.Times()
	if err != nil {
		return 0, false
	}
	return time.Duration((t.User + t.System) * float64(time.Second)), true
}
