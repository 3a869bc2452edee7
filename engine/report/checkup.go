package report

import (
	"fmt"
	"io"
)

// Checkup writes what is found out of servers and of a machine, as it is found out, and at its end what to do about it.
type Checkup struct {
	w        io.Writer
	begun    bool
	problems []problem
}

// problem is something to be put right, with the command that does it.
type problem struct{ what, next string }

// NewCheckup begins a report.
func NewCheckup(w io.Writer) *Checkup { return &Checkup{w: w} }

// Section begins a part of the report.
func (c *Checkup) Section(format string, args ...any) {
	if c.begun {
		fmt.Fprintln(c.w)
	}
	c.begun = true
	fmt.Fprintf(c.w, format+"\n", args...)
}

// Line adds a figure to the section.
func (c *Checkup) Line(label, format string, args ...any) {
	fmt.Fprintf(c.w, "  %-13s %s\n", label, fmt.Sprintf(format, args...))
}

// Problem remembers what is wrong, and the command that fixes it.
func (c *Checkup) Problem(next, format string, args ...any) {
	c.problems = append(c.problems, problem{fmt.Sprintf(format, args...), next})
}

// End lists the problems.
func (c *Checkup) End() {
	if len(c.problems) == 0 {
		c.Section("no problems found")
		return
	}
	c.Section("what to do")
	for _, p := range c.problems {
		fmt.Fprintf(c.w, "  %s\n      %s\n", p.what, p.next)
	}
	fmt.Fprintln(c.w, "  more: docs/troubleshooting.md")
}
