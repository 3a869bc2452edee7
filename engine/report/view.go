package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// sound prints a statistic, or its limits; if it is not exact, also why.
func sound(d *metrics.Def, dist metrics.Dist, statistic string) (string, string) {
	if r, ok := dist.SoundWithin(statistic); ok {
		return readable.Range(r.Low, r.High, func(v float64) string { return readable.Quantity(v, d.Unit) }), dist.Why
	}
	v, why := dist.Sound(statistic)
	if why != "" {
		return readable.Unknown, why
	}
	return readable.Quantity(v, d.Unit), ""
}

// fullHead is the head of a column whose left neighbour does not explain it.
func fullHead(c metrics.Column) string { return cmp.Or(c.After, c.Head) }

// grid is a cell's table: head, rows, and why some of its numbers are unknown.
type grid struct {
	head    []string
	rows    [][]string
	left    int      // columns of text before the numbers
	reasons []string // "cached tok, hit rate: the server reports no cached tokens"
}

// cellGrid shows the phases of conversations that have documents and one row for each other
// conversation.
func cellGrid(r *metrics.Run, c *metrics.Cell, full bool) grid {
	groups := rowsOf(r, c)
	byPhase, several := false, conversations(r, c)
	for _, g := range groups {
		byPhase = byPhase || g.Phase != ""
	}
	var out grid
	if len(several) > 1 || !byPhase {
		out.head = append(out.head, "conversation")
	}
	if byPhase {
		out.head = append(out.head, "phase")
	}
	out.left = len(out.head)
	columns := metrics.Columns()
	for _, col := range columns {
		if full {
			out.head = append(out.head, fullHead(col.At))
		} else {
			out.head = append(out.head, col.At.Head)
		}
	}
	var missing reasons
	for i, g := range groups {
		var row []string
		if len(several) > 1 || !byPhase {
			name := g.Conversation
			if i > 0 && groups[i-1].Conversation == name {
				name = ""
			}
			row = append(row, name)
		}
		if byPhase {
			row = append(row, g.Phase)
		}
		for _, col := range columns {
			text, why := sound(col.Def, col.Spread(c, g), col.At.Stat)
			row = append(row, text)
			missing.add(fullHead(col.At), why)
		}
		out.rows = append(out.rows, row)
	}
	out.reasons = missing.lines()
	return out
}

func rowsOf(r *metrics.Run, c *metrics.Cell) []metrics.Group {
	var out []metrics.Group
	for _, id := range conversations(r, c) {
		have := map[string]bool{}
		for _, q := range c.Measured(metrics.Group{Conversation: id}) {
			have[q.Phase] = true
		}
		if len(have) == 0 || len(have) == 1 && have[string(figure.Before)] {
			out = append(out, metrics.Group{Conversation: id})
			continue
		}
		for _, p := range figure.Phases() {
			if have[p] {
				out = append(out, metrics.Group{Conversation: id, Phase: p})
			}
		}
	}
	return out
}

// conversations lists what the cell played, in the order of the scenario.
func conversations(r *metrics.Run, c *metrics.Cell) []string {
	played := map[string]bool{}
	var out []string
	for _, q := range c.Measured(metrics.Group{}) {
		played[q.Conversation] = true
	}
	for _, s := range r.Started.Scenario.Conversations {
		if played[s.ID] {
			out = append(out, s.ID)
			delete(played, s.ID)
		}
	}
	for _, q := range c.Measured(metrics.Group{}) { // conversations that the beginning of the journal did not announce
		if played[q.Conversation] {
			out = append(out, q.Conversation)
			delete(played, q.Conversation)
		}
	}
	return out
}

// reasons collects why numbers are unknown, each reason once.
type reasons struct {
	order []string
	of    map[string][]string
}

func (r *reasons) add(what, why string) {
	if why == "" {
		return
	}
	if r.of == nil {
		r.of = map[string][]string{}
	}
	if r.of[why] == nil {
		r.order = append(r.order, why)
	}
	if !slices.Contains(r.of[why], what) {
		r.of[why] = append(r.of[why], what)
	}
}

func (r *reasons) lines() []string {
	var out []string
	for _, why := range r.order {
		out = append(out, strings.Join(r.of[why], ", ")+": "+why)
	}
	return out
}

// changes lists the changes of a history after which a cache can serve only its beginning, and says which beginning.
var changes = []struct {
	phase      figure.Phase
	what, kept string
}{
	{figure.AfterRemoval, "removal", "stood before the removed document"},
	{figure.AfterEdit, "edit", "stood before the edited question"},
	{figure.AfterCompact, "compaction", "stood before the summary"},
}

// underTable is what is said of a cell under the table of its conversations.
func underTable(r *metrics.Run, c *metrics.Cell) []string {
	out := slices.Concat(afterChanges(r, c), allUsers(c), objectives(c))
	if missing := c.WithoutValues(); missing != "" {
		out = append(out, missing)
	}
	return append(out, drifts(c)...)
}

// runFigures returns a function that writes metrics of the run as a whole, each with its unit or why it is not known. A
// reason that several of them share is written with the first.
func runFigures(c *metrics.Cell) func(name string) string {
	told := map[string]bool{}
	return func(name string) string {
		d := metrics.Must(name)
		v := d.Over(c, c.Measured(metrics.Group{}))
		said := readable.Value(v)
		if d.Unit != "ratio" && !strings.HasSuffix(said, d.Unit) {
			said += " " + d.Unit
		}
		if !v.Known() && !told[v.Why] {
			said += " (" + v.Why + ")"
		}
		told[v.Why] = true
		return said
	}
}

// drifts says how figures changed over the time for which a cell was played.
func drifts(c *metrics.Cell) []string {
	var parts []string
	for _, d := range c.Drifts() {
		of := func(v float64) string { return readable.Quantity(v, d.Def.Unit) }
		parts = append(parts, fmt.Sprintf("%s %s (95 %% interval from %s to %s)", strings.TrimPrefix(d.Name, "drift."),
			readable.Value(d.Value), of(d.Within.Low), of(d.Within.High)))
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{"change from the first window to the last: " + strings.Join(parts, ", ")}
}

// objectives says, for each objective of the cell, how many turns met it.
func objectives(c *metrics.Cell) (out []string) {
	for _, o := range c.Planned.SLO {
		figure := runFigures(c)
		line := fmt.Sprintf("SLO %s (%s): share of turns %s, goodput %s", o.Name, readable.Shorten(o.That, 60),
			figure("slo."+o.Name), figure("goodput_rps."+o.Name))
		if c.Planned.Users > 1 {
			line += fmt.Sprintf(", %s per user; of the worst user %s", figure("goodput_per_user_rps."+o.Name),
				figure("slo_worst_user."+o.Name))
		}
		out = append(out, line)
	}
	return out
}

// allUsers sums up a cell that several users play, or several conversations at the same time.
func allUsers(c *metrics.Cell) []string {
	if c.Planned.Users < 2 && !c.Planned.Together {
		return nil
	}
	figure := runFigures(c)
	line := "all together: " + figure("requests_per_s") + ", " + figure("throughput_tps")
	if n := c.Planned.Users; n > 1 {
		line += fmt.Sprintf("; mean TTFT of the one of %d users who waits longest: %s", n,
			figure("ttft_worst_user_ms"))
	}
	return []string{line}
}

// afterChanges says, for each conversation that changes its history, how much of the prompt the first turn afterwards
// found in the cache, and how much it could have found.
func afterChanges(r *metrics.Run, c *metrics.Cell) []string {
	var out []string
	all := conversations(r, c)
	for _, id := range all {
		for _, change := range changes {
			var first []*event.Request
			for _, n := range c.Repeats() {
				if g := c.Measured(metrics.Group{Repeat: n, Conversation: id, Phase: string(change.phase)}); len(g) > 0 {
					first = append(first, g[0])
				}
			}
			if len(first) == 0 {
				continue
			}
			line, which := "first turn after "+change.what, change.kept
			if r.Started.Scenario.Shared() {
				which = "had been sent before" // an earlier repeat or a warm-up sent the rest of the prompt too
			}
			if len(all) > 1 {
				line += " in " + id
			}
			out = append(out, line+": "+foundAgain(c, first, which))
		}
	}
	return out
}

// foundAgain says how much of the prompts of some turns was found in the cache.
func foundAgain(c *metrics.Cell, turns []*event.Request, which string) string {
	hit, could := metrics.Must("cache.hit_rate").Over(c, turns), metrics.Must("cache.reusable_rate").Over(c, turns)
	line := readable.Value(hit) + " of " + readable.Value(could) + " possible"
	kept, prompt, known := reusable(c, turns)
	switch {
	case known:
		return line + fmt.Sprintf(" (%s of %s prompt tokens %s)", kept, prompt, which)
	case !hit.Known():
		return line + " (" + hit.Why + ")"
	}
	return line + " (" + could.Why + ")"
}

// reusable returns how many prompt tokens of some turns could be reused and how many there are, on average; false if
// any is unknown.
func reusable(c *metrics.Cell, turns []*event.Request) (kept, prompt string, known bool) {
	turns = slices.DeleteFunc(slices.Clone(turns), func(q *event.Request) bool { return q.Err != nil })
	a, knownA := metrics.Must("cache.reusable_tokens").Over(c, turns).Number()
	b, knownB := metrics.Must("prompt_tokens").Over(c, turns).Number()
	if n := float64(len(turns)); n > 0 {
		kept, prompt = text.Count(a/n), text.Count(b/n)
	}
	return kept, prompt, knownA && knownB
}

// measured describes how a cell was measured, on one line. An interruption plays fewer repeats than planned, a budget
// may play more.
func measured(s event.Scenario, c *metrics.Cell) string {
	repeats := repeatsOf(s)
	switch played := len(c.Repeats()); {
	case s.Duration > 0 && played > 0 && played < s.Repeats:
		repeats = fmt.Sprintf("%v in %d windows, %d of them with values", s.Duration, s.Repeats, played)
	case played > s.Repeats:
		repeats = fmt.Sprintf("%s (%d planned)", text.Plural(played, "repeat"), s.Repeats)
	case played > 0 && played < s.Repeats:
		repeats = fmt.Sprintf("%d of %s", played, repeats)
	}
	return setting(repeats, s)
}

// planned describes how every cell of a scenario is to be measured.
func planned(s event.Scenario) string { return setting(repeatsOf(s), s) }

// repeatsOf are the repeats of every cell.
func repeatsOf(s event.Scenario) string {
	if s.Duration > 0 {
		return fmt.Sprintf("%v in %d windows", s.Duration, s.Repeats)
	}
	return text.Plural(s.Repeats, "repeat")
}

func setting(repeats string, s event.Scenario) string {
	parts := []string{repeats}
	if s.Warmup > 0 {
		parts = append(parts, text.Plural(s.Warmup, "warm-up"))
	}
	if how, ok := isolations[s.Isolation]; ok {
		if s.Scope != "" && s.Isolated() {
			how += " per " + s.Scope
		}
		parts = append(parts, how)
	}
	return strings.Join(append(parts, given(s)...), ", ")
}

// given says which conversations begin with a history.
func given(s event.Scenario) []string {
	var out []string
	for _, c := range s.Conversations {
		if g := c.Given; g != nil {
			what := text.Plural(g.Messages, "message")
			if g.Tokens > 0 {
				what = text.Count(float64(g.Tokens)) + " tokens"
			}
			out = append(out, fmt.Sprintf("%s begins with %s of %s", c.ID, what, g.From))
		}
	}
	if len(out) > 1 {
		return []string{text.Plural(len(out), "conversation") + " begin with a given history"}
	}
	return out
}

var isolations = map[string]string{
	"salt": "cache salted", "reset": "cache reset", "restart": "server restarted", "none": "cache not isolated",
}

// simulated says what was simulated, in the words of the note "simulated" if there is one. It is empty if every cell
// was real.
func simulated(r *metrics.Run) string {
	var what, names []string
	for _, c := range r.Cells {
		if !c.Simulated() {
			continue
		}
		names = append(names, c.Name())
		if s := c.Started.Server.Simulation; s != "" && !slices.Contains(what, s) {
			what = append(what, s)
		}
	}
	if len(names) == 0 {
		return ""
	}
	line := "homellm's simulator answered, not a real server"
	for _, n := range r.Notes {
		if n.Code == "simulated" {
			line = n.Text
		}
	}
	if len(what) > 0 && !strings.Contains(line, what[0]) {
		line += " (" + strings.Join(what, "; ") + ")"
	}
	switch {
	case len(names) == len(r.Cells):
	case len(names) > fewCells:
		line += fmt.Sprintf(": %d of %d cells", len(names), len(r.Cells))
	default:
		line += ": " + strings.Join(names, ", ")
	}
	return line
}

// failures lists how requests of a cell failed: the measured ones, by class, with one example.
func failures(c *metrics.Cell) []string {
	all := c.Measured(metrics.Group{})
	var order []string
	byClass := map[string][]*event.Request{}
	bad := 0
	for _, q := range all {
		if q.Err == nil {
			continue
		}
		bad++
		if byClass[q.Err.Class] == nil {
			order = append(order, q.Err.Class)
		}
		byClass[q.Err.Class] = append(byClass[q.Err.Class], q)
	}
	if bad == 0 {
		return nil
	}
	out := []string{fmt.Sprintf("%d of %d requests failed", bad, len(all))}
	for _, class := range order {
		q := byClass[class][0]
		out = append(out, fmt.Sprintf("%d %s, first in %s/%s turn %d of repeat %d: %s",
			len(byClass[class]), class, q.Played(), q.Step, q.Turn, q.Repeat, q.Err.Message))
	}
	return out
}
