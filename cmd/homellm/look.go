package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"homellm/engine/listing"
)

// lookFlags say how a command that only looks shows what it found.
type lookFlags struct {
	output listing.Output
	format string
}

func (l *lookFlags) add(c *cobra.Command, output listing.Output) {
	l.output = output
	formats := output.Formats()
	c.Flags().StringVar(&l.format, "format", formats[0], "what to print: "+strings.Join(formats, ", "))
}

// check refuses an unknown format, before anything is looked at.
func (l *lookFlags) check() error { return l.output.Check(l.format) }

func (l *lookFlags) write(w io.Writer, d listing.Document) error {
	return l.output.Write(w, l.format, d)
}
