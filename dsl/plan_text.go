package dsl

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"homellm/engine/text"
)

// requests returns the number of requests of the plan, warm-ups included, in all cells that are not skipped.
func (p *Plan) requests() int {
	n := 0
	for _, c := range p.Cells {
		if c.Skip == "" {
			n += len(c.Turns) * (p.Repeats + p.Warmup)
		}
	}
	return n
}

// tokens returns the prompt tokens that the plan sends and the reply tokens that it may get at most. Both are
// estimates if a turn's count is one.
func (p *Plan) tokens() (prompt, reply int) {
	for _, c := range p.Cells {
		if c.Skip != "" {
			continue
		}
		for _, t := range c.Turns {
			prompt += t.PromptTokens * (p.Repeats + p.Warmup)
			reply += t.ReplyTokens * (p.Repeats + p.Warmup)
		}
	}
	return prompt, reply
}

// Skipped returns how many cells cannot be played.
func (p *Plan) Skipped() int {
	n := 0
	for _, c := range p.Cells {
		if c.Skip != "" {
			n++
		}
	}
	return n
}

// exact reports whether every count of the plan is exact.
func (p *Plan) exact() bool {
	for _, c := range p.Cells {
		for _, t := range c.Turns {
			if !t.Exact {
				return false
			}
		}
	}
	return true
}

// orders describe the orders of cells.
var orders = map[Order]string{
	Interleaved: "one repeat of each cell in turn",
	Sequential:  "cell after cell",
	ABBA:        "repeats of the cells forwards and backwards in turn",
}

// isolations describe the isolation of repeats.
var isolations = map[Isolation]string{
	BySalt:      "cache salted per %s",
	ByReset:     "cache reset before each %s",
	ByRestart:   "server restarted before each %s",
	NotIsolated: "cache shared by all",
}

func isolation(r Run) string {
	form := isolations[r.Cache]
	if !strings.Contains(form, "%s") {
		return form
	}
	return fmt.Sprintf(form, r.Scope)
}

// WriteText prints the plan: what is played in which order, and the turns and assertions of every cell.
func (p *Plan) WriteText(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s  %s\n", p.Name, p.File)
	if p.Description != "" {
		fmt.Fprintf(&b, "  %s\n", strings.Join(strings.Fields(p.Description), " "))
	}
	skipped := ""
	if n := p.Skipped(); n > 0 {
		skipped = fmt.Sprintf(" (%d skipped)", n)
	}
	fmt.Fprintf(&b, "\n  cells     %d%s, %s\n", len(p.Cells), skipped, orders[p.Order])
	fmt.Fprintf(&b, "  repeats   %d, and %s\n", p.Repeats, text.Plural(p.Warmup, "warm-up"))
	if len(p.Cells) > 0 {
		fmt.Fprintf(&b, "  isolation %s\n", isolation(p.Cells[0].Scenario.Run))
	}
	p.writeGiven(&b)
	prompt, reply := p.tokens()
	about := ""
	if !p.exact() {
		about = "about "
	}
	fmt.Fprintf(&b, "  requests  %s: %s%s prompt tokens, at most %s reply tokens\n", thousands(p.requests()), about,
		thousands(prompt), thousands(reply))
	fmt.Fprintf(&b, "  digest    %s\n", p.Digest)
	for i, c := range p.Cells {
		fmt.Fprintf(&b, "\ncell %d  %s  %s\n", i+1, c, c.ID)
		if c.Skip != "" {
			fmt.Fprintf(&b, "  skipped: %s\n", c.Skip)
			continue
		}
		c.writeTurns(&b)
		c.writeAssertions(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writeGiven prints the histories that conversations begin with.
func (p *Plan) writeGiven(b *bytes.Buffer) {
	if len(p.Cells) == 0 {
		return
	}
	for _, c := range p.Cells[0].Scenario.Conversations {
		switch g := c.Given; {
		case g == nil:
		case g.Tokens() > 0:
			fmt.Fprintf(b, "  given     %s: %s tokens of %s open the first question\n", c.ID, thousands(g.Tokens()), g.From())
		default:
			fmt.Fprintf(b, "  given     %s: %s of %s\n", c.ID, text.Plural(len(g.Messages), "message"), g.From())
		}
	}
}

func (c *Cell) writeTurns(b *bytes.Buffer) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "  \tconversation\tstep\tturn\tphase\tprompt tok\treply tok\tseen before\tceiling\t\n")
	images := false
	for _, turn := range c.Turns {
		mark := ""
		if !turn.Exact {
			mark = "~"
		}
		limit := fmt.Sprintf("%s%s", mark, hitShare(turn.Ceiling))
		if !turn.Known {
			limit = "–"
		}
		more := ""
		if turn.Images > 0 {
			more, images = "+", true
		}
		fmt.Fprintf(t, "  \t%s\t%s\t%d\t%s\t%s%s%s\t%s\t%s%s\t%s\t\n", turn.Conversation, turn.Step, turn.Turn, turn.Phase,
			mark, thousands(turn.PromptTokens), more, thousands(turn.ReplyTokens), mark, thousands(turn.Reusable), limit)
	}
	_ = t.Flush() // a bytes.Buffer does not fail
	if images {
		fmt.Fprint(b, "  + and the tokens of images, which only the server knows\n")
	}
}

func (c *Cell) writeAssertions(b *bytes.Buffer) {
	if len(c.forecasts) == 0 {
		fmt.Fprint(b, "  no assertions\n")
		return
	}
	for _, f := range c.forecasts {
		a := f.Assertion
		fmt.Fprintf(b, "  %s  %s  %s\n", a.Scope, a.Name, strings.Join(strings.Fields(a.That), " "))
		fmt.Fprintf(b, "      reads %s\n", strings.Join(a.Paths(), ", "))
		if len(f.SelfTest) > 0 {
			fmt.Fprintf(b, "      decided by the self-test, whether the server can tell it: %s\n",
				strings.Join(f.SelfTest, ", "))
		}
	}
}
