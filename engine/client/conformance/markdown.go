package conformance

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// columns are the figures of the table, in order, with their headings.
var columns = []struct{ figure, head string }{
	{"class", "error"},
	{"finish", "finish"},
	{"prompt tokens", "prompt"},
	{"completion tokens", "output"},
	{"cached tokens", "cached"},
	{"reasoning tokens", "reasoning"},
	{"TTFT", "TTFT"},
	{"TPOT", "TPOT"},
	{"worst instant", "worst instant"},
	{"gave up after", "gave up after"},
}

// Markdown writes a table with a row for each shape and API. A cell holds the truth and the measured value, or one
// value if both are the same. A dash is a figure that the reply does not determine and the client did not report.
// Texts and the tokens of each event are compared too and named where they differ.
func Markdown(w io.Writer, rows []Row) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "| | shape | API |")
	for _, c := range columns {
		fmt.Fprintf(out, " %s |", c.head)
	}
	fmt.Fprint(out, " text and the rest |\n|---|---|---|", strings.Repeat("---|", len(columns)+1), "\n")
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].Shape == rows[0].Shape && rows[n].API == rows[0].API {
			n++
		}
		line(out, rows[:n])
		rows = rows[n:]
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the conformance table: %w", err)
	}
	return nil
}

func line(out io.Writer, rows []Row) {
	verdict := "✓"
	if len(Failed(rows)) > 0 {
		verdict = "**✗**"
	}
	fmt.Fprintf(out, "| %s | %s | %s |", verdict, rows[0].Shape, rows[0].API)
	shown := map[string]bool{}
	for _, c := range columns {
		text := "–"
		for _, r := range rows {
			if r.Figure == c.figure {
				text = cell(r)
			}
		}
		shown[c.figure] = true
		fmt.Fprintf(out, " %s |", text)
	}
	rest := "same"
	for _, r := range rows {
		if !shown[r.Figure] && !r.OK {
			rest = r.Figure + ": " + cell(r)
		}
	}
	fmt.Fprintf(out, " %s |\n", rest)
}

func cell(r Row) string {
	text := escape(r.Truth) + " → " + escape(r.Measured)
	switch {
	case r.Truth == "unknown" && r.Measured == "unknown":
		text = "–"
	case r.Truth == r.Measured:
		text = escape(r.Truth)
	}
	if !r.OK {
		return "**" + text + "**"
	}
	return text
}

// escape makes text safe for a table cell.
func escape(text string) string {
	if text == "" {
		return "none"
	}
	const most = 60
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}
