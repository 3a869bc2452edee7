//go:build unix

package event

import (
	"errors"
	"os"
	"syscall"
)

// syncDir flushes the name of a new file in dir to the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil // some file systems cannot flush a directory and need not
	}
	return errors.Join(err, d.Close())
}
