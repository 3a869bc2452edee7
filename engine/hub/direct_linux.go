package hub

import (
	"os"
	"syscall"
)

// openDirect opens a file to write past the page cache, where its file system can: whole pages, from
// memory that begins at a page.
func openDirect(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|syscall.O_DIRECT, 0)
}
