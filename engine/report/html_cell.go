package report

import (
	"fmt"
	"strconv"

	"homellm/engine/metrics"
)

func cellOf(r *metrics.Run, c *metrics.Cell, n int) cellPage {
	out := cellPage{ID: "cell-" + strconv.Itoa(n+1), Name: c.Name(), Setting: measured(r.Started.Scenario, c), State: stateOf(c), Skipped: c.Planned.Skip != "", Server: serverFacts(c)}
	for _, note := range c.Notes {
		out.Notes = append(out.Notes, note.Text)
	}
	if len(c.Measured(metrics.Group{})) == 0 {
		out.Absent = append(out.Absent, "no request was measured")
		return out
	}
	out.Tiles = tiles(c)
	g := cellGrid(r, c, true)
	out.Grid = dataTable{Caption: "Phases of " + c.Name(), Head: g.head, Left: g.left}
	for _, row := range g.rows {
		for i := range g.left {
			row[i] = phaseName(row[i])
		}
		out.Grid.Rows = append(out.Grid.Rows, dataRow{Cells: row})
	}
	out.Lines = append(out.Lines, afterRemoval(r, c)...)
	for _, l := range g.reasons {
		out.Lines = append(out.Lines, unknown+" "+l)
	}
	out.Lines = append(out.Lines, failures(c)...)
	if n >= pageCells {
		out.Absent = append(out.Absent, fmt.Sprintf("only the first %d cells have charts: homellm report --format csv has every request", pageCells))
		return out
	}
	out.charts(c, min(len(r.Cells), pageCells))
	return out
}

func (p *cellPage) charts(c *metrics.Cell, cells int) {
	places := placesOf(c, max(fewestPlaces, pagePlaces/cells))
	passes := len(c.Repeats())
	detail := passes > 1 && passes <= shownRepeats && passes*len(places) <= pagePoints/cells
	for i, chart := range turnCharts {
		var tracks []track
		main := ""
		for _, l := range chart.lines {
			t := trackOf(c, places, l.metric, l.label, l.class)
			t.single = l.single
			if t.known() {
				tracks = append(tracks, t)
			} else {
				main = l.metric
			}
		}
		if len(tracks) < len(chart.lines) {
			p.Absent = append(p.Absent, fmt.Sprintf("%s, %s: %s", chart.title, main, whyUnknown(c, def(main))))
		}
		if len(tracks) > 0 {
			p.Charts = append(p.Charts, perTurn(fmt.Sprintf("%s-t%d", p.ID, i), chart.title, chart.caption, places, tracks, detail))
		}
	}
	for i, s := range []struct{ title, metric, class string }{{"TTFT of each repeat", "ttft_ms", "c1"}, {"Decode speed of each repeat", "output_tps", "c2"}} {
		if f, ok := perRepeatFigure(fmt.Sprintf("%s-d%d", p.ID, i), s.title, "Every dot is one turn.", s.metric, s.class, c); ok {
			p.Spread = append(p.Spread, f)
		}
	}
	p.Machine = machineFigures(p.ID, c, cells)
	if len(p.Machine) == 0 {
		p.Absent = append(p.Absent, "the machine over time: it was not sampled")
	}
	p.Time = timelines(p.ID+"-chunks", c, max(fewestInChart, pageRequests/cells))
}

// turnCharts is what is drawn turn by turn.
var turnCharts = []struct {
	title, caption string
	lines          []chartLine
}{
	{"Time to first token", "Lower is better. Median of the repeats; the band is their range.",
		[]chartLine{{"ttft_ms", "TTFT", "c1", false}}},
	{"Decode speed", "Tokens a second after the first; higher is better.",
		[]chartLine{{"output_tps", "decode tokens/s", "c2", false}}},
	{"Context", "Tokens of each prompt, and how many of them came from the prefix cache.",
		[]chartLine{{"prompt_tokens", "prompt", "c3", false}, {"cache.cached_tokens", "cached", "c1", false}}},
	{"Cache hit rate and its ceiling", "Share of the prompt that came from the prefix cache, and the most that any prefix cache could serve.",
		[]chartLine{{"cache.reusable_rate", "ceiling", "ceiling", true}, {"cache.hit_rate", "hit rate", "c1", false}}},
}

type chartLine struct {
	metric, label, class string
	single               bool
}

func whyUnknown(c *metrics.Cell, d *metrics.Def) string {
	if w := d.Dist(c, c.Measured(metrics.Group{})).Why; w != "" {
		return w
	}
	return "nothing was measured"
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
	for _, l := range c.Planned.Labels {
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
	add("engine", engine)
	add("served model", s.Model)
	if s.ContextTokens != nil {
		add("context", count(float64(*s.ContextTokens))+" tokens")
	}
	if s.Simulated {
		add("simulated", "yes: "+s.Simulation)
	}
	return out
}

// tiles are the figures a reader looks for first.
func tiles(c *metrics.Cell) []tile {
	g := c.Measured(metrics.Group{})
	value := func(metric, statistic string) string {
		v, _ := sound(def(metric), def(metric).Dist(c, g), statistic)
		return v
	}
	out := []tile{
		{"TTFT, median", value("ttft_ms", "p50"), plural(def("ttft_ms").Dist(c, g).N, "turn")},
		{"decode tokens/s", value("output_tps", "mean"), "token-weighted"},
		{"cache hit rate", value("cache.hit_rate", "mean"), "of " + value("cache.reusable_rate", "mean") + " possible"},
		{"longest context", text(def("context_peak_tokens").Over(c, g)), "tokens"},
	}
	if v := c.Observed("j_per_token"); v.Known() {
		n, _ := v.Number()
		out = append(out, tile{"energy", significant(n, 3), v.Unit + ", prefill included"})
	}
	return out
}
