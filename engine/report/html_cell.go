package report

import (
	"fmt"
	"strconv"

	"homellm/engine/metrics"
	"homellm/engine/report/chart"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// pageCells is how many cells of a page have charts.
const pageCells = 40

type cellPage struct {
	ID      string
	Name    string
	Setting string
	State   string
	Skipped bool
	Server  []fact
	Tiles   []tile
	Since   *sincePage // nil: there is no earlier run of the cell
	Grid    chart.Table
	Lines   []string
	Notes   []string
	Charts  []chart.Chart
	Boxes   []chart.Chart
	Machine []chart.Chart
	Time    []chart.Chart
	Absent  []string // what is not drawn, and why
}

type tile struct{ Name, Value, More string }

// cellID is the id of the section of the n-th cell.
func cellID(n int) string { return "cell-" + strconv.Itoa(n+1) }

func cellOf(r *metrics.Run, c *metrics.Cell, n int) cellPage {
	out := cellPage{ID: cellID(n), Name: c.Name(), Setting: measured(r.Started.Scenario, c),
		State: stateOf(c), Skipped: c.Planned.Skip != "", Server: serverFacts(c)}
	for _, note := range c.Notes {
		out.Notes = append(out.Notes, note.Text)
	}
	if len(c.Measured(metrics.Group{})) == 0 {
		out.Absent = append(out.Absent, "no request was measured")
		return out
	}
	out.Tiles, out.Since = tiles(c), sinceOf(out.ID+"-since", c)
	g := cellGrid(r, c, true)
	out.Grid = chart.Table{Caption: "Phases of " + c.Name(), Head: g.head, Left: g.left}
	for _, row := range g.rows {
		for i := range g.left {
			row[i] = readable.Phase(row[i])
		}
		out.Grid.Rows = append(out.Grid.Rows, chart.Row{Cells: row})
	}
	out.Lines = append(out.Lines, underTable(r, c)...)
	for _, l := range g.reasons {
		out.Lines = append(out.Lines, readable.Unknown+" "+l)
	}
	out.Lines = append(out.Lines, failures(c)...)
	if n >= pageCells {
		out.Absent = append(out.Absent, fmt.Sprintf("only the first %d cells have charts: homellm report --format csv has "+
			"every request", pageCells))
		return out
	}
	out.charts(c, min(len(r.Cells), pageCells))
	return out
}

func (p *cellPage) charts(c *metrics.Cell, cells int) {
	var absent []string
	p.Charts, absent = chart.Turns(p.ID, c, cells)
	p.Absent = append(p.Absent, absent...)
	p.Boxes = chart.Repeats(p.ID, c)
	p.Machine = chart.Machine(p.ID, c, cells)
	if len(p.Machine) == 0 {
		p.Absent = append(p.Absent, "the machine over time: it was not sampled")
	}
	p.Time = chart.Timelines(p.ID, c, cells)
}

func stateOf(c *metrics.Cell) string {
	switch {
	case c.Planned.Skip != "":
		return "Skipped: " + c.Planned.Skip
	case c.Failed != nil && c.Failed.Hint != "":
		return "Did not run: " + c.Failed.Err + ". Help: " + c.Failed.Hint
	case c.Failed != nil:
		return "Did not run: " + c.Failed.Err
	case c.Done == nil:
		return "Not played to its end"
	case c.Done.Err != "":
		return "Ended early: " + c.Done.Err
	}
	return ""
}

func serverFacts(c *metrics.Cell) []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, fact{name, value})
		}
	}
	for _, l := range c.Labels() {
		add(l.Name, l.Value)
	}
	if c.Started == nil {
		return out
	}
	s := c.Started.Server
	engine := s.Engine
	if s.Version != "" {
		engine += " " + s.Version
	}
	if s.Profile != s.Engine {
		add("profile", s.Profile)
	}
	add("engine", engine)
	add("served model", s.Model)
	add("quantisation", s.Quant)
	if s.ContextTokens != nil {
		add("context", text.Count(float64(*s.ContextTokens))+" tokens")
	}
	if s.Simulated {
		add("simulated", "yes: "+s.Simulation)
	}
	return out
}

// tiles are the figures at the head of a page.
func tiles(c *metrics.Cell) []tile {
	g, all := metrics.Group{}, c.Measured(metrics.Group{})
	var out []tile
	for _, t := range metrics.Tiles() {
		d := t.Def
		shown := tile{Name: t.At.Name, More: t.At.Note}
		switch {
		case d.At(metrics.CellLevel):
			n, ok := c.Observed(d.Name).Number()
			if !ok {
				continue // not every machine reports it
			}
			shown.Value = readable.Significant(n, 3)
		case d.At(metrics.TurnLevel):
			dist := d.Spread(c, g)
			shown.Value, _ = sound(d, dist, t.At.Stat)
			if shown.More == "" {
				shown.More = text.Plural(dist.Turns, "turn")
			}
		default:
			shown.Value = readable.Value(d.Over(c, all))
		}
		if t.At.Of != "" {
			of := metrics.Must(t.At.Of)
			could, _ := sound(of, of.Spread(c, g), t.At.Stat)
			shown.More = "of " + could + " possible"
		}
		out = append(out, shown)
	}
	return out
}
