//go:build !linux && !darwin

package apart

// boundMemory does nothing here: the watch of the memory is what there is.
func boundMemory(uint64) {}
