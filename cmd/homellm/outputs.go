package main

import (
	"strings"

	"github.com/spf13/cobra"

	"homellm/engine/publish"
)

// outputFlags ask for reports outside of the results folder.
type outputFlags publish.Asked

func (o *outputFlags) add(c *cobra.Command) {
	c.Flags().
		StringArrayVar(&o.Reports, "report", nil,
			"FORMAT=PATH: write a report there as well, such as junit=junit.xml; may be given several times")
	c.Flags().
		StringVar(&o.Annotations, "annotations", "auto",
			"auto: annotate the pull request and its step summary when GITHUB_ACTIONS=true; off: never")
}

// compareOutputFlags say how a comparison is shown.
type compareOutputFlags struct {
	format string
	outputFlags
}

func (f *compareOutputFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.format, "format", "table", "what to print: "+strings.Join(publish.ComparisonNames(), ", "))
	f.outputFlags.add(c)
}

func (f compareOutputFlags) open(p process) (*publish.Comparison, error) {
	return publish.Asked(f.outputFlags).Comparison(p.place(), f.format)
}
