package imports

import (
	"io/fs"

	"homellm/engine/packed"
)

// Unwritten is the file name in findings about a scenario that is not written yet.
const Unwritten = "what would be written"

// Folder is a folder in memory, with the files beside a scenario that is not written yet.
type Folder map[string][]byte

// Open implements [fs.FS].
func (f Folder) Open(name string) (fs.File, error) {
	data, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return packed.Opened(name, data), nil
}
