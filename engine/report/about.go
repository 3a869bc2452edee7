package report

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// playedOn describes what a cell's numbers belong to: the server with its version, the model, its quantisation, and
// its context. It is empty for a cell whose server was never reached.
func playedOn(c *metrics.Cell) string {
	if c.Started == nil {
		return ""
	}
	s := c.Started.Server
	server := strings.TrimSpace(s.Engine + " " + s.Version)
	if s.Profile != "" && s.Profile != s.Engine {
		server = s.Profile + " (" + server + ")"
	}
	parts := []string{server}
	if s.Model != "" {
		parts = append(parts, s.Model)
	}
	if s.Quant != "" {
		parts = append(parts, s.Quant)
	}
	if s.ContextTokens != nil {
		parts = append(parts, "context "+text.Count(float64(*s.ContextTokens)))
	}
	return strings.Join(parts, ", ")
}

// sideOn says what a side of a comparison was measured on, as [playedOn] does; for a baseline it says what its
// circumstances tell.
func sideOn(s compare.Source) string {
	if s.Cell != nil {
		return playedOn(s.Cell)
	}
	var parts []string
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	add(strings.TrimSpace(s.Fingerprint["server.engine"] + " " + s.Fingerprint["server.version"]))
	add(s.Fingerprint["model"])
	add(s.Fingerprint["model.quant"])
	if n, err := strconv.Atoi(s.Fingerprint["server.context_tokens"]); err == nil {
		add("context " + text.Count(float64(n)))
	}
	return strings.Join(parts, ", ")
}

// sideNames are the names of both sides of a pair, each with what it was measured on.
func sideNames(p compare.Pair) [2]string {
	out := [2]string{p.Old, p.New}
	for i, s := range p.Sides {
		if on := sideOn(s); on != "" {
			out[i] += ", on " + on
		}
	}
	return out
}

// servers lists what the cells of a run were played on, each once.
func servers(r *metrics.Run) []string {
	var out []string
	for _, c := range r.Cells {
		if on := playedOn(c); on != "" && !slices.Contains(out, on) {
			out = append(out, on)
		}
	}
	return out
}

// about describes the server of all cells of a run; empty if it is not the same.
func about(r *metrics.Run) string {
	if all := servers(r); len(all) == 1 {
		return all[0]
	}
	return ""
}

// machineFacts are the known facts of the client's machine, in the order of their names.
func machineFacts(r *metrics.Run) []fact {
	var out []fact
	for _, name := range slices.Sorted(maps.Keys(r.Started.Host)) {
		var parts []string
		list, several := r.Started.Host[name].([]any)
		if !several {
			list = []any{r.Started.Host[name]}
		}
		for _, v := range list {
			if n, ok := v.(float64); ok {
				v = strconv.FormatFloat(n, 'f', -1, 64)
			}
			parts = append(parts, fmt.Sprint(v))
		}
		out = append(out, fact{strings.ReplaceAll(name, "_", " "), strings.Join(parts, ", ")})
	}
	return out
}

// turnGrid has one row for every turn of a conversation, over all repeats.
func turnGrid(c *metrics.Cell, conversation string) grid {
	out := grid{head: []string{"step", "turn", "phase"}, left: 3}
	columns := slices.DeleteFunc(metrics.Columns(), func(col metrics.In[metrics.Column]) bool {
		return col.Name == "turns" || col.At.Stat == "p95" // a turn has one value per repeat
	})
	for _, col := range columns {
		out.head = append(out.head, fullHead(col.At))
	}
	type turn struct {
		step  string
		n     int
		phase string
	}
	var turns []turn
	seen := map[turn]bool{}
	for _, q := range c.Measured(metrics.Group{Conversation: conversation}) {
		if t := (turn{q.Step, q.Turn, q.Phase}); !seen[t] {
			seen[t] = true
			turns = append(turns, t)
		}
	}
	for _, t := range turns {
		row := []string{t.step, fmt.Sprint(t.n), t.phase}
		for _, col := range columns {
			value, _ := sound(col.Def, col.Spread(c, metrics.Group{Conversation: conversation, Step: t.step, Turn: t.n}),
				col.At.Stat)
			row = append(row, value)
		}
		out.rows = append(out.rows, row)
	}
	return out
}

// mostTurns is how many turns of a conversation are described in words; the charts and turns.csv have the others.
const mostTurns = 100

// mdTurns describes every turn of a cell, conversation by conversation.
func mdTurns(b *bytes.Buffer, r *metrics.Run, c *metrics.Cell, d detail, left *leftOut) {
	for _, id := range conversations(r, c) {
		if played := len(c.Measured(metrics.Group{Conversation: id, Repeat: c.Repeats()[0]})); !d.turns ||
			played > mostTurns {
			left.turns += played
			continue
		}
		fmt.Fprintf(b, "#### Turns of %s\n\n", mdCode(id))
		g := turnGrid(c, id)
		for _, row := range g.rows {
			row[0], row[2] = mdCode(row[0]), mdCode(row[2])
		}
		mdTable(b, g.head, g.rows, g.left)
		b.WriteString("\n")
	}
}

// mdFacts lists names and values.
func mdFacts(b *bytes.Buffer, title string, facts []fact) {
	if len(facts) == 0 {
		return
	}
	fmt.Fprintf(b, "### %s\n\n", title)
	for _, f := range facts {
		fmt.Fprintf(b, "- %s: %s\n", md(f.Name), mdCode(readable.Shorten(f.Value, 300)))
	}
	b.WriteString("\n")
}
