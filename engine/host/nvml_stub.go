//go:build !(cgo && linux)

package host

import "context"

// openNVML finds nothing: NVML needs cgo, on Linux. nvidia-smi is used instead.
func openNVML(context.Context, Options) (*gpus, error) { return nil, errNoGPU }
