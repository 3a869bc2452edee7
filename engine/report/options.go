package report

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"homellm/engine/metrics"
)

// Options are options of presentation; they never change the content.
type Options struct {
	Width int    // columns of the terminal; 0: 100
	Color bool   // colour the verdicts; for terminals only
	Dir   string // the results folder, named in the last line; empty: not named

	// Path is the path of a file of the run in annotations; nil: as in the run. GitHub finds files by their path in the
	// repository, which only the caller knows.
	Path func(file string) string

	// Progress is called with the progress of a report with a row or an entry for each turn; may be nil.
	Progress func(done, total int)
}

// whole renders into memory and writes once: the report is written completely, or an error is returned.
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

// streamed renders piece by piece, because a report with a row or an entry for each turn can be large. An error may
// leave it incomplete, and is returned.
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

// steady reports a report's progress by the turns that are done.
type steady struct {
	tell        func(done, total int)
	done, total int
}

// progressOf returns the progress of a report that goes over the turns of a run several times.
func progressOf(r *metrics.Run, times int, opt Options) *steady {
	s := &steady{tell: opt.Progress}
	for _, c := range r.Cells {
		s.total += times * len(c.Requests)
	}
	return s
}

// share reports the i-th of n entries that together go over a number of turns.
func (s *steady) share(i, n, turns int) { s.add((i+1)*turns/n - i*turns/n) }

func (s *steady) add(turns int) {
	if s.done += turns; s.tell != nil && turns > 0 {
		s.tell(s.done, s.total)
	}
}
