package report

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"homellm/engine/metrics"
)

// Options says how a report is shown; it never changes what it says.
type Options struct {
	Width int    // columns of the terminal; 0: 100
	Color bool   // colour the verdicts; for terminals only
	Dir   string // the results folder, named in the last line; empty: not named

	// Path says how annotations name a file of the run; nil: as the run does. GitHub finds files
	// by their path in the repository, which only the caller knows.
	Path func(file string) string

	// Progress is told how far a report with a row or an entry for each turn is; nil: it is not.
	Progress func(done, total int)
}

// whole renders into memory first and writes once: a report is written whole, or its error is
// returned.
func whole[T any](render func(*bytes.Buffer, T, Options) error) func(io.Writer, T, Options) error {
	return func(w io.Writer, of T, opt Options) error {
		var b bytes.Buffer
		if err := render(&b, of, opt); err != nil {
			return err
		}
		n, err := w.Write(b.Bytes())
		if err == nil && n < b.Len() {
			err = io.ErrShortWrite
		}
		if err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		return nil
	}
}

// streamed renders piece by piece: what has a row or an entry for each turn can be large. An error ends it in the
// middle, and is returned.
func streamed(render func(io.Writer, *metrics.Run, Options) error) func(io.Writer, *metrics.Run, Options) error {
	return func(w io.Writer, r *metrics.Run, opt Options) error {
		b := bufio.NewWriterSize(w, 64<<10)
		if err := render(b, r, opt); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		if err := b.Flush(); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		return nil
	}
}

// steady tells a report's progress by the turns that it has been through.
type steady struct {
	tell        func(done, total int)
	done, total int
}

// progressOf is the progress of a report that goes through the turns of a run so many times.
func progressOf(r *metrics.Run, times int, opt Options) *steady {
	s := &steady{tell: opt.Progress}
	for _, c := range r.Cells {
		s.total += times * len(c.Requests)
	}
	return s
}

// share counts the i-th of n entries that go through so many turns together.
func (s *steady) share(i, n, turns int) { s.add((i+1)*turns/n - i*turns/n) }

func (s *steady) add(turns int) {
	if s.done += turns; s.tell != nil && turns > 0 {
		s.tell(s.done, s.total)
	}
}
