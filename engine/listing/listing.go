// Package listing makes what the commands print that only look, and tune: one document each, written as a table or
// text for people and as JSON for programs. In come plans, findings, offers and runs; out go documents of the kinds in
// [Outputs], each with a JSON Schema in package schema.
//
// All documents follow one rule: a value that is not known is null, and the object that holds it says why under
// "unknown", by the name of its key. A key that is absent does not apply.
package listing

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"homellm/engine/exit"
	"homellm/engine/report"
)

// Document is what a command prints.
type Document interface {
	WriteText(w io.Writer) error // for people; JSON is written by [Output.Write]
}

// Output is what one command prints.
type Output struct {
	Command string   // as typed, such as "models list"
	Kinds   []string // of its documents: names of schemas
	human   string   // name of the format for people
}

// The outputs, by command.
var (
	List        = Output{"list", []string{"list"}, "table"}
	Servers     = Output{"servers", []string{"servers-list"}, "table"}
	ModelsList  = Output{"models list", []string{"models-list"}, "table"}
	ResultsList = Output{"results list", []string{"results-list"}, "table"}
	Doctor      = Output{"doctor", []string{"doctor"}, "text"}
	Planned     = Output{"plan", []string{"plan", "plans"}, "text"}
	Explained   = Output{"explain", []string{"explain"}, "text"}
	Baselined   = Output{"baseline list", []string{"baselines"}, "table"}
	Templated   = Output{"template check", []string{"template-check"}, "text"}
	Versioned   = Output{"version", []string{"version"}, "text"}
	Tuned       = Output{"tune", []string{"tune"}, "text"}
)

// Outputs is the one table of what these commands print.
var Outputs = []Output{List, Servers, ModelsList, ResultsList, Doctor, Planned, Explained, Baselined, Templated,
	Versioned, Tuned}

// Formats are the names of the formats of an output; the first is for people.
func (o Output) Formats() []string { return []string{o.human, "json"} }

// Check refuses a format that the output does not have.
func (o Output) Check(format string) error {
	if !slices.Contains(o.Formats(), format) {
		return exit.Errorf(exit.Usage, strings.Join(o.Formats(), " or "), "unknown format %q", format)
	}
	return nil
}

// Write writes a document in a format that was checked.
func (o Output) Write(w io.Writer, format string, d Document) error {
	write := d.WriteText
	if format == "json" {
		write = func(w io.Writer) error { return report.WriteJSON(w, d) }
	}
	if err := write(w); err != nil {
		return exit.Errorf(exit.Environment, "", "printing %s: %w", o.Command, err)
	}
	return nil
}

// schemaOf names the kind of a document in it.
func schemaOf(kind string) string { return fmt.Sprintf("homellm.%s/v1", kind) }

// unknown collects why values are null, by their keys.
type unknown map[string]string
