// Package packed reads files that are part of the program, compressed: a folder that is embedded holds each file as
// NAME.gz, and reads as the folder of the files themselves. Nothing is decompressed before it is read.
package packed

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// extension is what the name of a compressed file has more than its own.
const extension = ".gz"

// Folder is a folder of compressed files under their own names. It implements [fs.FS].
type Folder struct{ files fs.FS }

// At is a folder whose files are compressed.
func At(files fs.FS) Folder { return Folder{files} }

// In is a folder of what is embedded.
func In(files embed.FS, name string) Folder {
	inner, err := fs.Sub(files, name)
	if err != nil {
		panic(err) // the name is written in the program
	}
	return Folder{inner}
}

// ReadFile implements [fs.ReadFileFS].
func (f Folder) ReadFile(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	data, err := fs.ReadFile(f.files, name+extension)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", name, err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", name, err)
	}
	return text, nil
}

// Open implements [fs.FS]. A folder that is open cannot be listed: ReadDir does that.
func (f Folder) Open(name string) (fs.File, error) {
	if at, err := fs.Stat(f.files, name); err == nil && at.IsDir() {
		return f.files.Open(name)
	}
	data, err := f.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return Opened(name, data), nil
}

// ReadDir implements [fs.ReadDirFS].
func (f Folder) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.files, name)
	for i, e := range entries {
		entries[i] = entry{e, f, path.Join(name, strings.TrimSuffix(e.Name(), extension))}
	}
	return entries, err
}

// entry is an entry of a folder under its own name.
type entry struct {
	fs.DirEntry
	of   Folder
	path string
}

func (e entry) Name() string { return path.Base(e.path) }

func (e entry) Info() (fs.FileInfo, error) {
	if e.IsDir() {
		return e.DirEntry.Info()
	}
	data, err := e.of.ReadFile(e.path)
	return info{e.Name(), int64(len(data))}, err
}

// Opened is an open file that is in memory.
func Opened(name string, data []byte) fs.File {
	return file{bytes.NewReader(data), info{path.Base(name), int64(len(data))}}
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
