package event

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// Stream copies journals to a writer, one after another, while they are written. The journals serve as the queue: a
// slow reader takes no memory, does not delay a run, and gets every line in the end.
type Stream struct {
	w      io.Writer
	failed func(error)

	mu     sync.Mutex
	news   sync.Cond
	copies []*copied // in the order of their runs
	closed bool
}

// copied is a journal that is being copied.
type copied struct {
	file  *os.File
	at    int64 // bytes copied
	size  int64 // bytes of complete lines
	ended bool  // no line follows
}

// NewStream makes a stream to a writer. If writing fails, failed is called once and the rest is not copied.
func NewStream(w io.Writer, failed func(error)) *Stream {
	s := &Stream{w: w, failed: failed}
	s.news.L = &s.mu
	return s
}

// Run copies until the stream is closed and everything is written.
func (s *Stream) Run() {
	failed := false
	for {
		c, size := s.next()
		if c == nil {
			return
		}
		if size == c.at { // it has ended
			_ = c.file.Close() // closing a file that was only read loses nothing
			continue
		}
		if !failed {
			if _, err := io.Copy(s.w, io.NewSectionReader(c.file, c.at, size-c.at)); err != nil {
				failed = true
				s.failed(err)
			}
		}
		c.at = size
	}
}

// next waits until there is something to do, and returns a journal and its size. A journal that has ended is returned
// once more when everything in it is copied; after the last journal, next returns none.
func (s *Stream) next() (*copied, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if len(s.copies) > 0 {
			c := s.copies[0]
			if c.at < c.size {
				return c, c.size
			}
			if c.ended {
				s.copies = s.copies[1:]
				return c, c.size
			}
		} else if s.closed {
			return nil, 0
		}
		s.news.Wait()
	}
}

// Close ends the stream: no journal follows.
func (s *Stream) Close() { s.change(func() { s.closed = true }) }

func (s *Stream) change(how func()) {
	s.mu.Lock()
	how()
	s.mu.Unlock()
	s.news.Signal()
}

// CopyTo adds the journal to a stream: its contents, and what is appended until it is closed.
func (j *Journal) CopyTo(s *Stream) error {
	f, err := os.Open(j.file.Name())
	if err != nil {
		return fmt.Errorf("copying the journal: %w", err)
	}
	c := &copied{file: f}
	s.change(func() { s.copies = append(s.copies, c) })
	j.grown = func(ended bool) {
		if size, err := j.file.Seek(0, io.SeekCurrent); err == nil && j.err == nil {
			s.change(func() { c.size, c.ended = size, ended })
			return
		}
		s.change(func() { c.ended = ended }) // there may be half a line at the end
	}
	j.grown(false)
	return nil
}
