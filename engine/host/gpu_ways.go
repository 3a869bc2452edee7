package host

import (
	"context"
	"errors"
)

// ways are how GPUs can be read, in the order in which they are tried. The first that finds any
// is the one: nvidia-smi reads what NVML reads, more slowly, and the graphics core that a
// processor has in addition to a card computes nothing here.
var ways = []struct {
	source string
	open   func(context.Context, Options) (*gpus, error)
}{
	{"NVML", openNVML},
	{"nvidia-smi", openSMI},
	{"amdgpu", openAMD},
	{"ioreg", openApple},
}

// openGPUs opens the machine's GPUs; nil if there are none. why says what kept a way from
// working that should have.
func openGPUs(ctx context.Context, o Options) (found *gpus, why []string) {
	for _, w := range ways {
		g, err := w.open(ctx, o)
		if err == nil {
			g.source = w.source
			return g, why
		}
		if !errors.Is(err, errNoGPU) {
			why = append(why, w.source+": "+err.Error())
		}
	}
	return nil, why
}
