package report

import (
	"bytes"
	"fmt"
	"io"
)

// Options says how a report is shown; it never changes what it says.
type Options struct {
	Width int    // columns of the terminal; 0: 100
	Color bool   // colour the verdicts; for terminals only
	Dir   string // the results folder, named in the last line; empty: not named

	// Path says how annotations name a file of the run; nil: as the run does. GitHub finds files
	// by their path in the repository, which only the caller knows.
	Path func(file string) string
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
