package listing

import (
	"fmt"
	"io"
	"strings"

	"homellm/engine/doctor"
)

// Checkup is what is found out about servers and a machine. Its text is written step by step, and its JSON at the end.
type Checkup struct {
	Schema   string    `json:"schema"`
	Sections []Section `json:"sections"`
	Problems []Problem `json:"problems"`

	text io.Writer
}

// Section is a part of a checkup: its lines as people read them, and what they say as numbers.
type Section struct {
	Title   string               `json:"title"`
	Lines   []Line               `json:"lines"`
	Server  *doctor.ServerFacts  `json:"server,omitempty"`
	Machine *doctor.MachineFacts `json:"machine,omitempty"`
}

// Line is a figure in words.
type Line struct {
	Label string `json:"label"`
	Text  string `json:"text"`
}

// Problem is something to be put right, with the commands of which any does it.
type Problem struct {
	What string   `json:"what"`
	Next []string `json:"next"`
}

// NewCheckup begins a checkup in one of the formats of [Doctor].
func NewCheckup(w io.Writer, format string) *Checkup {
	if format != Doctor.human {
		w = io.Discard
	}
	return &Checkup{Schema: schemaOf("doctor"), Sections: []Section{}, Problems: []Problem{}, text: w}
}

// Section implements [doctor.Report].
func (c *Checkup) Section(format string, args ...any) {
	if len(c.Sections) > 0 {
		fmt.Fprintln(c.text)
	}
	c.Sections = append(c.Sections, Section{Title: fmt.Sprintf(format, args...), Lines: []Line{}})
	fmt.Fprintf(c.text, format+"\n", args...)
}

// Line implements [doctor.Report].
func (c *Checkup) Line(label, format string, args ...any) {
	said := fmt.Sprintf(format, args...)
	fmt.Fprintf(c.text, "  %-13s %s\n", label, said)
	c.last().Lines = append(c.last().Lines, Line{label, said})
}

// Server implements [doctor.Report].
func (c *Checkup) Server(f doctor.ServerFacts) { c.last().Server = &f }

// Machine implements [doctor.Report].
func (c *Checkup) Machine(f doctor.MachineFacts) { c.last().Machine = &f }

func (c *Checkup) last() *Section { return &c.Sections[len(c.Sections)-1] }

// Problem implements [doctor.Report].
func (c *Checkup) Problem(next, format string, args ...any) {
	one := Problem{What: fmt.Sprintf(format, args...)}
	for line := range strings.Lines(next) {
		one.Next = append(one.Next, strings.TrimSpace(line))
	}
	c.Problems = append(c.Problems, one)
}

// WriteText implements [Document]: the sections have been written, and the problems follow them.
func (c *Checkup) WriteText(w io.Writer) error {
	if len(c.Problems) == 0 {
		_, err := fmt.Fprintln(w, "\nno problems found")
		return err
	}
	fmt.Fprintln(w, "\nwhat to do")
	for _, p := range c.Problems {
		fmt.Fprintf(w, "  %s\n      %s\n", p.What, strings.Join(p.Next, "\n      "))
	}
	_, err := fmt.Fprintln(w, "  more: docs/troubleshooting.md")
	return err
}
