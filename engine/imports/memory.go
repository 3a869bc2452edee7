package imports

import (
	"bytes"
	"io/fs"
	"path"
	"time"
)

// Unwritten is what a scenario that is not written yet is called in findings.
const Unwritten = "what would be written"

// Folder is a folder that is only in memory: what stands beside a scenario that is not written yet.
type Folder map[string][]byte

// Open implements [fs.FS].
func (f Folder) Open(name string) (fs.File, error) {
	data, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return file{bytes.NewReader(data), info{path.Base(name), int64(len(data))}}, nil
}

type file struct {
	*bytes.Reader
	info info
}

func (f file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f file) Close() error               { return nil }

type info struct {
	name string
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return 0o444 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
