package host

import (
	"context"
	"errors"
)

// ways are the ways to read GPUs, in the order in which they are tried. The first that finds a GPU is used:
// nvidia-smi reads the same as NVML, more slowly, and an integrated GPU beside a card does not run the model.
var ways = []struct {
	source string
	open   func(context.Context, Options) (*gpus, error)
}{
	{"NVML", openNVML},
	{"nvidia-smi", openSMI},
	{"amdgpu", openAMD},
	{"ioreg", openApple},
}

// openGPUs opens the machine's GPUs; nil if there are none. why says why a way failed that should have worked.
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
