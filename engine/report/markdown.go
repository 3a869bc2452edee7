package report

import (
	"bytes"
	"fmt"
	"strings"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// markdown renders the verdict first, then the reasons, then the numbers, for reviewers of a pull request.
func markdown(b *bytes.Buffer, r *metrics.Run, _ Options) error {
	fitting(b, func(b *bytes.Buffer, d detail) leftOut { return markdownOf(b, r, d) })
	return nil
}

func markdownOf(b *bytes.Buffer, r *metrics.Run, d detail) (left leftOut) {
	verdict, _, _ := r.Outcome()
	fmt.Fprintf(b, "## %s: %s", strings.ToUpper(string(verdict)), mdCode(r.Started.Scenario.Name))
	if on := about(r); on != "" {
		fmt.Fprintf(b, " on %s", mdCode(on))
	}
	fmt.Fprintf(b, "\n\n%s.", tally(r))
	for _, f := range r.Findings() {
		if f.Code != exit.Pass {
			fmt.Fprintf(b, " **%s**: %s.", f.Verdict, md(readable.Shorten(f.Reason, 2000)))
		}
	}
	b.WriteString("\n\n")
	if what := simulated(r); what != "" {
		fmt.Fprintf(b, "> **SIMULATED** %s\n\n", md(what))
	}
	for _, n := range r.Notes {
		if n.Code != "simulated" {
			fmt.Fprintf(b, "> Note: %s\n\n", md(readable.Shorten(n.Text, 2000)))
		}
	}
	mdOverview(b, r, d.cells)
	if c := r.AllCells(); c != nil {
		fmt.Fprintf(b, "### %s\n\n", mdCode(c.Name()))
		mdAssertions(b, c, d, &left)
	}
	for i, c := range r.Cells {
		if i == d.cells {
			left.cells = len(r.Cells) - i
			break
		}
		mdCell(b, r, c, d, &left)
	}
	mdFacts(b, "Machine", machineFacts(r))
	mdFacts(b, "Settings", runFacts(r))
	fmt.Fprintf(b, "Run %s, %s, homellm %s\n", mdCode(r.Started.ID),
		r.Started.Started.UTC().Format("2006-01-02 15:04:05 UTC"), mdCode(r.Started.Homellm))
	return left
}

func mdCell(b *bytes.Buffer, r *metrics.Run, c *metrics.Cell, d detail, left *leftOut) {
	fmt.Fprintf(b, "### %s\n\n%s.", mdCode(c.Name()), md(measured(r.Started.Scenario, c)))
	if on := playedOn(c); on != "" && about(r) == "" {
		fmt.Fprintf(b, " On %s.", mdCode(on))
	}
	switch {
	case c.Planned.Skip != "":
		fmt.Fprintf(b, " **Skipped**: %s.", md(c.Planned.Skip))
	case c.Failed != nil:
		fmt.Fprintf(b, " **Did not run**: %s.", md(c.Failed.Err))
		if c.Failed.Hint != "" {
			fmt.Fprintf(b, " Help: %s.", md(c.Failed.Hint))
		}
	case c.Done != nil && c.Done.Err != "":
		fmt.Fprintf(b, " **Ended early**: %s.", md(c.Done.Err))
	case c.Done == nil:
		b.WriteString(" **Not played to its end.**")
	}
	b.WriteString("\n\n")
	mdAssertions(b, c, d, left)
	if len(c.Measured(metrics.Group{})) > 0 {
		g := cellGrid(r, c, true)
		for _, row := range g.rows {
			for i := range g.left {
				row[i] = mdCode(row[i])
			}
		}
		mdTable(b, g.head, g.rows, g.left)
		lines := underTable(r, c)
		for _, l := range g.reasons {
			lines = append(lines, readable.Unknown+" "+l)
		}
		b.WriteString("\n")
		for _, l := range append(lines, failures(c)...) {
			fmt.Fprintf(b, "- %s\n", md(l))
		}
		b.WriteString("\n")
		mdTurns(b, r, c, d, left)
	}
	if c.Since != nil {
		fmt.Fprintf(b, "Since the last run, %s.\n\n", md(sinceText(c)))
	}
	for _, n := range c.Notes {
		fmt.Fprintf(b, "> Note: %s\n\n", md(n.Text))
	}
}

func mdAssertions(b *bytes.Buffer, c *metrics.Cell, d detail, left *leftOut) {
	if len(c.Verdicts) == 0 {
		return
	}
	var rows [][]string
	var whole []event.Verdict
	for _, v := range c.Verdicts {
		j := metrics.Judge(v)
		switch {
		case j == metrics.Passed && !d.passed:
			left.passed++
			continue
		case len(rows) >= d.rows:
			left.rows++
			continue
		}
		outcome := mdCode(outcome(c, v))
		if outcome == "" {
			outcome = readable.Unknown
			if v.Verdict.Undecided() { // it fails the run nevertheless
				outcome = string(v.Verdict)
			}
		}
		if why(j) {
			outcome = md(v.Why)
		}
		label := label(v)
		if j != metrics.Passed {
			label = "**" + label + "**"
		}
		rows = append(rows, []string{label, mdCode(v.Title()), mdCode(v.That), outcome, share(v)})
		if j == metrics.Failed || j == metrics.Unknown || j == metrics.Warned {
			whole = append(whole, v)
		}
	}
	if len(rows) == 0 {
		return
	}
	mdTable(b, []string{"verdict", "assertion", "that", "compared", "repeats"}, rows, 4)
	b.WriteString("\n")
	for n, v := range whole {
		if n == d.evidence {
			left.evidence += len(whole) - n
			break
		}
		head := heading(c, v)
		for i := range head {
			head[i] = mdCode(head[i])
		}
		fmt.Fprintf(b, "<details><summary>%s</summary>\n\n%s\n\n%s\n</details>\n\n",
			label(v)+" "+words.Replace(entities.Replace(terminal(v.Title()))), strings.Join(head, " · "),
			mdBlock(evidence(c, v)))
	}
}
