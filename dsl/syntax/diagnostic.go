package syntax

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Severity says whether a finding prevents a run.
type Severity string

// The severities. Only an Error stops a run.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one finding about a file.
type Diagnostic struct {
	Pos      Pos // Line 0: about the whole file
	EndCol   int // column after the text; 0 if unknown
	Severity Severity
	Code     string // stage/rule, such as schema/unknown-key
	Message  string
	Help     string // what to do about it; may be empty
	Source   string // the text of the line; empty for findings about the whole file
}

// Diagnostics are the findings about one or more files, as an error.
type Diagnostics []Diagnostic

// Error joins the findings, as WriteText prints them.
func (ds Diagnostics) Error() string {
	var b bytes.Buffer
	_ = ds.WriteText(&b) // a bytes.Buffer does not fail
	return strings.TrimRight(b.String(), "\n")
}

// Errors reports whether a finding is an error.
func (ds Diagnostics) Errors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// Sorted returns the findings by file, line and column, each once.
func (ds Diagnostics) Sorted() Diagnostics {
	out := slices.Clone(ds)
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(out)
}

// WriteText prints findings for a person:
//
//	file:line:col: severity[code]: message
//	3 | the source line
//	  |     ^^^^
//	  = help: what to do
func (ds Diagnostics) WriteText(w io.Writer) error {
	var b bytes.Buffer
	for _, d := range ds {
		d.writeText(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (d Diagnostic) writeText(b *bytes.Buffer) {
	if d.Pos.Line == 0 {
		fmt.Fprintf(b, "%s: %s[%s]: %s\n", d.Pos.File, d.Severity, d.Code, d.Message)
		if d.Help != "" {
			fmt.Fprintf(b, "  = help: %s\n", d.Help)
		}
		return
	}
	fmt.Fprintf(b, "%s:%d:%d: %s[%s]: %s\n", d.Pos.File, d.Pos.Line, d.Pos.Col, d.Severity, d.Code, d.Message)
	gutter := strings.Repeat(" ", len(fmt.Sprint(d.Pos.Line)))
	if d.Source != "" {
		b.WriteString(excerpt(d.Pos, d.EndCol, d.Source))
	}
	if d.Help != "" {
		fmt.Fprintf(b, "%s = help: %s\n", gutter, d.Help)
	}
}

// excerpt returns a source line with its number, and a line of carets below it.
func excerpt(p Pos, endCol int, line string) string {
	const widest = 160 // runes of a line that are shown
	text := []rune(line)
	for i, r := range text {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			text[i] = '\ufffd' // characters that a terminal might interpret
		}
	}
	start := max(p.Col-1, 0)
	end := max(endCol-1, start+1)
	from := 0
	if len(text) > widest {
		from = min(max(0, start-widest/2), len(text)-widest)
		text = text[from:][:widest]
		end = min(end, from+widest)
	}
	number := fmt.Sprint(p.Line)
	gutter := strings.Repeat(" ", len(number))
	// Tabs are kept in the padding, so that the caret is below its character.
	var pad strings.Builder
	for i := range min(start-from, len(text)) {
		if text[i] == '\t' {
			pad.WriteByte('\t')
		} else {
			pad.WriteByte(' ')
		}
	}
	return fmt.Sprintf("%s | %s\n%s | %s%s\n", number, string(text), gutter, pad.String(),
		strings.Repeat("^", max(1, end-start)))
}

// WriteJSON prints findings as a JSON list, for editors and scripts.
func (ds Diagnostics) WriteJSON(w io.Writer) error {
	type record struct {
		File     string   `json:"file"`
		Line     int      `json:"line"`
		Col      int      `json:"col"`
		EndCol   int      `json:"end_col"`
		Severity Severity `json:"severity"`
		Code     string   `json:"code"`
		Message  string   `json:"message"`
		Help     string   `json:"help,omitempty"`
	}
	out := make([]record, len(ds))
	for i, d := range ds {
		out[i] = record{d.Pos.File, d.Pos.Line, d.Pos.Col, d.EndCol, d.Severity, d.Code, d.Message, d.Help}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// WriteGitHub prints findings as annotations of a GitHub Actions step. GitHub shows at most ten errors and ten
// warnings per step, so it prints nine and says how many are left.
func (ds Diagnostics) WriteGitHub(w io.Writer) error {
	const shown = 10
	var b bytes.Buffer
	for _, severity := range []Severity{Error, Warning} {
		of := slices.DeleteFunc(slices.Clone(ds), func(d Diagnostic) bool { return d.Severity != severity })
		rest := 0
		if len(of) > shown {
			rest = len(of) - (shown - 1)
			of = of[:shown-1]
		}
		for _, d := range of {
			message := d.Message
			if d.Help != "" {
				message += "\n" + d.Help
			}
			fmt.Fprintf(&b, "::%s file=%s", severity, annotationProperty(d.Pos.File))
			if d.Pos.Line > 0 {
				fmt.Fprintf(&b, ",line=%d,col=%d", d.Pos.Line, d.Pos.Col)
				if d.EndCol > 0 {
					fmt.Fprintf(&b, ",endColumn=%d", d.EndCol)
				}
			}
			fmt.Fprintf(&b, ",title=%s::%s\n", annotationProperty(d.Code), annotationData(message))
		}
		if rest > 0 {
			fmt.Fprintf(&b, "::%s::and %d more, see the summary\n", severity, rest)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// annotationData escapes the message of a workflow command.
func annotationData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// annotationProperty escapes a property of a workflow command.
func annotationProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
