package dsl

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"homellm/engine/text"
)

// requests returns the number of requests of the plan, warm-ups included, in all cells that are not skipped.
func (p *Plan) requests() int {
	n := 0
	for _, c := range p.Cells {
		if c.Skip == "" {
			n += len(c.Turns) * p.passes()
		}
	}
	return n
}

// passes is how often the conversations of a cell are played, warm-ups included; at least, if it is played for a time.
func (p *Plan) passes() int {
	if p.Duration > 0 {
		return p.Warmup + 1
	}
	return p.Warmup + p.Repeats
}

// tokens returns the prompt tokens that the plan sends and the reply tokens that it may get at most. Both are
// estimates if a turn's count is one.
func (p *Plan) tokens() (prompt, reply int) {
	for _, c := range p.Cells {
		if c.Skip != "" {
			continue
		}
		for _, t := range c.Turns {
			prompt += t.PromptTokens * p.passes()
			reply += t.ReplyTokens * p.passes()
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
	repeats := fmt.Sprintf("repeats   %d", p.Repeats)
	if p.Duration > 0 {
		repeats = fmt.Sprintf("duration  %v a cell, in %d windows", p.Duration, Windows)
	}
	fmt.Fprintf(&b, "  %s, and %s\n", repeats, text.Plural(p.Warmup, "warm-up"))
	apart := p.apart()
	if len(p.Cells) > 0 && !apart {
		run := p.Cells[0].Scenario.Run
		fmt.Fprintf(&b, "  isolation %s\n", isolation(run))
		if how := run.plays(); how != (Run{}).plays() {
			fmt.Fprintf(&b, "  play      %s\n", how)
		}
	}
	p.writeGiven(&b)
	p.writeRequests(&b)
	p.writeObjectives(&b)
	fmt.Fprintf(&b, "  digest    %s\n", p.Digest)
	for i, c := range p.Cells {
		fmt.Fprintf(&b, "\ncell %d  %s  %s\n", i+1, c, c.ID)
		if c.Skip != "" {
			fmt.Fprintf(&b, "  skipped: %s\n", c.Skip)
			continue
		}
		if apart {
			fmt.Fprintf(&b, "  %s, %s\n", c.Scenario.Run.plays(), isolation(c.Scenario.Run))
		}
		c.writeTurns(&b)
		c.writeAssertions(&b)
	}
	p.writeOverall(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// writeRequests prints how much is sent; of a cell that is played for a time, for one play of each conversation.
func (p *Plan) writeRequests(b *bytes.Buffer) {
	prompt, reply := p.tokens()
	about, more := "", ""
	if !p.exact() {
		about = "about "
	}
	if p.Duration > 0 {
		more = ", for one play of each conversation, and as many plays as fit into the time"
	}
	fmt.Fprintf(b, "  requests  %s: %s%s prompt tokens, at most %s reply tokens%s\n", thousands(p.requests()), about,
		thousands(prompt), thousands(reply), more)
}

// writeObjectives prints the objectives of turns.
func (p *Plan) writeObjectives(b *bytes.Buffer) {
	if len(p.Cells) == 0 {
		return
	}
	for _, a := range p.Cells[0].Scenario.SLO {
		fmt.Fprintf(b, "  slo       %s: %s\n", a.Name, a.That)
	}
}

// apart reports whether the cells differ in how their conversations are played.
func (p *Plan) apart() bool {
	return slices.ContainsFunc(p.Cells, func(c *Cell) bool {
		one, first := c.Scenario.Run, p.Cells[0].Scenario.Run
		return one.plays() != first.plays() || isolation(one) != isolation(first)
	})
}

// writeOverall prints the assertions over all cells.
func (p *Plan) writeOverall(b *bytes.Buffer) {
	for i, o := range p.Overall {
		if i == 0 {
			fmt.Fprint(b, "\nall cells together\n")
		}
		a := o.Assertion
		fmt.Fprintf(b, "  %s  %s  %s\n", a.Scope, a.Name, strings.Join(strings.Fields(a.That), " "))
		if a.Confidence > 0 {
			fmt.Fprintf(b, "      with %.4g %% confidence\n", 100*a.Confidence)
		}
		var of []string
		for _, c := range o.Cases {
			if c.Missing != "" {
				fmt.Fprintf(b, "      cannot be judged: %s\n", c.Missing)
			} else if len(c.Labels) > 0 {
				of = append(of, Coordinates(c.Labels))
			}
		}
		if len(of) > 0 {
			fmt.Fprintf(b, "      for each of %s\n", strings.Join(of, "; "))
		}
	}
}

// writeGiven prints the histories that conversations begin with.
func (p *Plan) writeGiven(b *bytes.Buffer) {
	if len(p.Cells) == 0 {
		return
	}
	for i, c := range p.Cells[0].Scenario.Conversations {
		if p.Cells[0].Scenario.Again(i) {
			continue
		}
		if c.Items > 0 {
			fmt.Fprintf(b, "  items     %s: %s, a conversation for each\n", c.ID, thousands(c.Items))
		}
		switch g := c.Given; {
		case g == nil:
		case g.Tokens() > 0:
			fmt.Fprintf(b, "  given     %s: %s tokens of %s open the first question\n", c.ID, thousands(g.Tokens()), g.From())
		default:
			fmt.Fprintf(b, "  given     %s: %s of %s\n", c.ID, text.Plural(len(g.Messages), "message"), g.From())
		}
	}
}

// foldedTurn is a turn, or that of all items of a data set.
type foldedTurn struct {
	PlannedTurn
	times int // items; 0: there is no data set
}

// foldItems folds the turns that only differ in their item: it keeps the one with the longest prompt.
func foldItems(turns []PlannedTurn) (out []foldedTurn) {
	type key struct {
		conversation, step string
		user, turn         int
	}
	at := map[key]int{}
	for _, t := range turns {
		k := key{t.Conversation, t.Step, t.User, t.Turn}
		i, seen := at[k]
		switch {
		case t.Item == 0:
			out = append(out, foldedTurn{PlannedTurn: t})
		case !seen:
			at[k] = len(out)
			out = append(out, foldedTurn{t, 1})
		default:
			exact := out[i].Exact && t.Exact
			if t.PromptTokens > out[i].PromptTokens {
				out[i].PlannedTurn = t
			}
			out[i].Exact = exact
			out[i].times++
		}
	}
	return out
}

func (c *Cell) writeTurns(b *bytes.Buffer) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "  \tconversation\tstep\tturn\tphase\tprompt tok\treply tok\tseen before\tceiling\t\n")
	images, items, retrieved := false, false, false
	turns, alike := c.turnsOfUsers()
	for _, turn := range foldItems(turns) {
		mark := ""
		if !turn.Exact {
			mark = "~"
		}
		prompt, seen, limit := thousands(turn.PromptTokens), thousands(turn.Reusable), hitShare(turn.Ceiling)
		if turn.Retrieved {
			retrieved = true
			prompt, seen, limit = between(thousands(turn.Least.PromptTokens), prompt),
				between(thousands(turn.Least.Reusable), seen), between(hitShare(turn.Least.Ceiling), limit)
		}
		limit = mark + limit
		if !turn.Known {
			limit = "–"
		}
		more := ""
		if turn.Images > 0 {
			more, images = "+", true
		}
		name := turn.Conversation
		if turn.times > 0 {
			name, items = fmt.Sprintf("%s ×%d", name, turn.times), true
		}
		if turn.User > 0 && !alike {
			name = fmt.Sprintf("%s of user %d", name, turn.User)
		}
		fmt.Fprintf(t, "  \t%s\t%s\t%d\t%s\t%s%s%s\t%s\t%s%s\t%s\t\n", name, turn.Step, turn.Turn, turn.Phase,
			mark, prompt, more, thousands(turn.ReplyTokens), mark, seen, limit)
	}
	_ = t.Flush() // a bytes.Buffer does not fail
	if alike && len(turns) < len(c.Turns) {
		fmt.Fprintf(b, "  each of the %d users sends these\n", c.Scenario.Run.Users)
	}
	if items {
		fmt.Fprint(b, "  × one for each item: the longest prompt of them, and its ceiling\n")
	}
	if retrieved {
		fmt.Fprint(b, "  – from the least to the most: which chunks are retrieved is not known before\n")
	}
	if images {
		fmt.Fprint(b, "  + and the tokens of images, which only the server knows\n")
	}
}

// between writes an interval; a single value if its ends are the same.
func between(low, high string) string {
	if low == high {
		return low
	}
	return low + "–" + high
}

// turnsOfUsers are the turns of one user if they are alike for all, else those of all users.
func (c *Cell) turnsOfUsers() (turns []PlannedTurn, alike bool) {
	type key struct {
		conversation, step string
		item, turn         int
	}
	first := map[key]PlannedTurn{}
	for _, t := range c.Turns {
		k, one := key{t.Conversation, t.Step, t.Item, t.Turn}, t
		one.User = 0
		switch had, ok := first[k]; {
		case !ok:
			first[k] = one
			turns = append(turns, t)
		case had != one:
			return c.Turns, false
		}
	}
	return turns, true
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
			fmt.Fprintf(b, "      the self-test decides whether the server reports it: %s\n",
				strings.Join(f.SelfTest, ", "))
		}
	}
}
