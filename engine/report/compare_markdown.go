package report

import (
	"bytes"
	"fmt"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// compareMarkdown renders a comparison with the verdict first, for a comment.
func compareMarkdown(b *bytes.Buffer, c compare.Comparison, _ Options) error {
	fitting(b, func(b *bytes.Buffer, d detail) leftOut { return compareMarkdownOf(b, c, d) })
	return nil
}

func compareMarkdownOf(b *bytes.Buffer, c compare.Comparison, d detail) (left leftOut) {
	verdict, _, reason := c.Outcome()
	mark := map[event.Outcome]string{event.Pass: "✅", event.Fail: "❌"}[verdict]
	if mark == "" {
		mark = "❔"
	}
	fmt.Fprintf(b, "### %s %s: %s\n\n", mark, strings.ToUpper(string(verdict)), md(readable.Shorten(reason, 2000)))
	if moved := mostMoved(c); moved != "" {
		fmt.Fprintf(b, "%s\n\n", md(moved))
	}
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
		names := sideNames(p)
		fmt.Fprintf(b, "**%s**\n\n- old: %s\n- new: %s\n\n", md(p.Cell), md(names[0]), md(names[1]))
		var rows [][]string
		for _, delta := range p.Deltas {
			switch {
			case uneventful(delta):
				continue // the last remark has their number
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
			mdTable(b, head, rows, 2)
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
	return left
}
