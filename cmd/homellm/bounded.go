package main

import (
	"fmt"
	"os"
	"syscall"

	"homellm/dsl"
)

// mostOf bounds a file that is read whole: a larger one is not one of our files, and could fill the memory.
const mostOf = 64 << 20

// readBounded reads a file whole. A pipe without a writer is not waited for, and a device or a
// file without end is not read to its end.
func readBounded(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	data, err := dsl.ReadRegular(f, mostOf+1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(data) > mostOf {
		return nil, fmt.Errorf("%s: more than %d MiB", path, mostOf>>20)
	}
	return data, nil
}
