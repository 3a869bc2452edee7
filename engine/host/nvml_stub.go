//go:build !(cgo && linux)

package host

import "context"

// openNVML finds nothing: NVML is linked through cgo, on Linux. nvidia-smi takes its place.
func openNVML(context.Context, Options) (*gpus, error) { return nil, errNoGPU }
