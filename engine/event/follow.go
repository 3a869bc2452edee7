package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"homellm/engine/filelock"
)

// Follower reads a journal while it is being written: each call of More returns the events since the previous call. It
// does not change the file.
type Follower struct {
	path string
	file *os.File
	at   int64  // bytes that were read
	rest []byte // the beginning of an incomplete line
	read reader
}

// ErrOther says that a journal has been shortened or replaced by another file since the last call. It must be read from
// the beginning.
var ErrOther = errors.New("the journal is not the one that it was")

// Follow opens a journal to follow it. Links are rejected, as by [Open].
func Follow(path string) (*Follower, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	if !named.Mode().IsRegular() {
		return nil, fmt.Errorf("opening the journal %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	return &Follower{path: path, file: f}, nil
}

// More returns the events that were completed since the last call.
func (f *Follower) More() ([]Event, error) {
	info, err := f.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	if named, err := os.Lstat(f.path); err != nil || !os.SameFile(named, info) || info.Size() < f.at {
		return nil, ErrOther
	}
	var out []Event
	part := make([]byte, 1<<20)
	for {
		n, err := f.file.ReadAt(part, f.at)
		f.at += int64(n)
		f.rest = append(f.rest, part[:n]...)
		for {
			line, after, whole := bytes.Cut(f.rest, []byte("\n"))
			if !whole {
				break
			}
			e, err := f.read.parse(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", f.read.seq+1, err)
			}
			out, f.rest = append(out, e), after
		}
		if errors.Is(err, io.EOF) {
			f.rest = bytes.Clone(f.rest)
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the journal: %w", err)
		}
		if len(f.rest) > longestLine {
			return nil, fmt.Errorf("line %d: the event has more than %d MiB", f.read.seq+1, longestLine>>20)
		}
	}
}

// Written reports whether a process is writing the journal.
func (f *Follower) Written() bool { return filelock.Held(f.file) }

// Close closes the journal.
func (f *Follower) Close() error { return f.file.Close() }
