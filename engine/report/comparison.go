package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// CompareSchema is the kind and version of a comparison's JSON.
const CompareSchema = "homellm.compare/v1"

// CompareFormat renders a comparison.
type CompareFormat struct {
	Name, Doc string
	Write     func(io.Writer, compare.Comparison, Options) error
}

// CompareFormats lists how a comparison can be shown.
var CompareFormats = []CompareFormat{
	{"table", "for the terminal", compareTable},
	{"json", "for machines: " + CompareSchema, compareJSON},
	{"markdown", "the verdict first, fit for a comment on a pull request", compareMarkdown},
	{"html", "a page with the verdicts and charts of both sides; loads nothing", compareHTML},
	{"github", "annotations of a GitHub Actions step", compareGitHub},
}

// compareHead is the header of a comparison's rows.
var compareHead = []string{"verdict", "gate", "old", "new", "change", "95 % interval", "p", "n"}

// compareRow is one gate in words.
func compareRow(d compare.Delta) []string {
	verdict := string(d.Verdict)
	if d.Judged() == metrics.Warned || d.Judged() == metrics.Allowed {
		verdict += " (allowed)"
	}
	center := func(s compare.Side) string {
		if s.Center == nil {
			return unknown
		}
		if d.Unit == "tokens/s" {
			return show(*s.Center, d.Unit) + " " + d.Unit
		}
		return show(*s.Center, d.Unit)
	}
	row := []string{verdict, d.Gate.Name, center(d.Old), center(d.New), unknown, unknown, unknown, fmt.Sprintf("%d/%d", d.Old.N, d.New.N)}
	if d.Old.N+d.New.N == 0 {
		row[7] = unknown
	}
	if d.Change == nil {
		return row
	}
	base := 0.0
	if d.Relative != nil && *d.Relative != 0 {
		base = *d.Change / *d.Relative
	} else if d.Old.Center != nil {
		base = *d.Old.Center
	}
	change := func(v float64) string {
		if base == 0 {
			return signed(v, func(v float64) string { return fmt.Sprintf("%.3g", v) })
		}
		return percent(v / math.Abs(base))
	}
	row[4] = change(*d.Change)
	if d.Lo != nil && d.Hi != nil {
		row[5] = change(*d.Lo) + " … " + change(*d.Hi)
	}
	if d.P != nil {
		row[6] = fmt.Sprintf("%.3f", *d.P)
		if *d.P < 0.0005 {
			row[6] = "<0.001"
		}
	}
	return row
}

// remarks are the lines below the rows: why a gate is unknown, and what else to know.
func remarks(p compare.Pair) []string {
	var out []string
	if p.Missing != "" {
		out = append(out, p.Missing)
	}
	out = append(append(out, circumstances(p)...), p.Warnings...)
	for _, d := range p.Deltas {
		if d.Why != "" && !strings.HasPrefix(d.Why, "not comparable") {
			out = append(out, d.Gate.Name+": "+d.Why)
		}
		for _, w := range d.Warnings {
			out = append(out, d.Gate.Name+": "+w)
		}
	}
	return out
}

// circumstances says what makes the two sides incomparable.
func circumstances(p compare.Pair) []string {
	var out []string
	for _, m := range p.Mismatches {
		out = append(out, "differs: "+m.String())
	}
	if p.Stale != "" {
		out = append(out, p.Stale)
	}
	return out
}

func compareTable(w io.Writer, c compare.Comparison, opt Options) error {
	var b bytes.Buffer
	s := &screen{b: &b, width: opt.Width, color: opt.Color}
	if s.width <= 0 {
		s.width = 100
	}
	if what := simulatedSides(c); what != "" {
		s.line("%s  %s", s.paint("SIMULATED", yellow), terminal(what))
		s.line("")
	}
	for _, p := range c.Pairs {
		s.line("%s", terminal(p.Cell))
		s.prose(2, "old  "+p.Old)
		s.prose(2, "new  "+p.New)
		var rows [][]string
		for _, d := range p.Deltas {
			row := compareRow(d)
			if j := d.Judged(); j != metrics.Passed || d.Verdict == compare.Better {
				row[0] = s.paint(row[0], colors[j])
			}
			rows = append(rows, row)
		}
		if len(rows) > 0 {
			if err := s.grid(compareHead, rows, 2); err != nil {
				return err
			}
		}
		for _, r := range remarks(p) {
			s.prose(2, r)
		}
		s.line("")
	}
	verdict, _, reason := c.Outcome()
	color := map[event.Outcome]int{event.Pass: green, event.Fail: red}[verdict]
	if color == 0 {
		color = yellow
	}
	s.line("%s  %s", s.paint(strings.ToUpper(string(verdict)), color), terminal(reason))
	_, err := w.Write(b.Bytes())
	return err
}

func compareMarkdown(w io.Writer, c compare.Comparison, _ Options) error {
	return whole(func(b *bytes.Buffer, _ *metrics.Run, _ Options) error {
		return fitting(b, func(b *bytes.Buffer, d detail) (leftOut, error) { return compareMarkdownOf(b, c, d) })
	})(w, nil, Options{})
}

func compareMarkdownOf(b *bytes.Buffer, c compare.Comparison, d detail) (left leftOut, err error) {
	verdict, _, reason := c.Outcome()
	mark := map[event.Outcome]string{event.Pass: "✅", event.Fail: "❌"}[verdict]
	if mark == "" {
		mark = "❔"
	}
	fmt.Fprintf(b, "### %s %s: %s\n\n", mark, strings.ToUpper(string(verdict)), md(Shorten(reason, 2000)))
	if what := simulatedSides(c); what != "" {
		fmt.Fprintf(b, "> **SIMULATED** %s\n\n", md(what))
	}
	head := make([]string, len(compareHead))
	for i, h := range compareHead {
		head[i] = md(h)
	}
	for i, p := range c.Pairs {
		if i == d.cells {
			left.cells = len(c.Pairs) - i
			break
		}
		fmt.Fprintf(b, "**%s**: %s → %s\n\n", md(p.Cell), md(p.Old), md(p.New))
		var rows [][]string
		for _, delta := range p.Deltas {
			switch {
			case delta.Judged() == metrics.Passed && !d.passed:
				left.passed++
				continue
			case len(rows) >= d.rows:
				left.rows++
				continue
			}
			row := compareRow(delta)
			for i := range row {
				row[i] = md(row[i])
			}
			if delta.Verdict == compare.Worse || delta.Verdict == compare.Better {
				row[0] = "**" + row[0] + "**"
			}
			rows = append(rows, row)
		}
		if len(rows) > 0 {
			if err := mdTable(b, head, rows, 2); err != nil {
				return left, err
			}
			b.WriteString("\n")
		}
		for n, r := range remarks(p) {
			if n == d.evidence {
				left.evidence += len(remarks(p)) - n
				break
			}
			fmt.Fprintf(b, "- %s\n", md(r))
		}
		b.WriteString("\n")
	}
	return left, nil
}

func compareJSON(w io.Writer, c compare.Comparison, _ Options) error {
	verdict, code, reason := c.Outcome()
	out := struct {
		Schema    string `json:"schema"`
		Simulated bool   `json:"simulated"`
		compare.Comparison
		Verdict  event.Outcome `json:"verdict"`
		ExitCode int           `json:"exit_code"`
		Reason   string        `json:"reason"`
	}{CompareSchema, simulatedSides(c) != "", c, verdict, code, reason}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	_, err = w.Write(append(jsonText(text), '\n'))
	return err
}
