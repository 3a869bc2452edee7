package report

import (
	"cmp"
	"fmt"
	"slices"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/chart"
	"homellm/engine/report/readable"
)

// liveNow is the progress of a run that is being played.
type liveNow struct {
	Done, Planned int // measured turns
	Text          string
	Latest        chart.Table
}

// latestShown is the number of latest turns on the page of a run that is being played.
const latestShown = 8

// goesOn turns the page into that of a run that is being played, which has no verdict yet.
func (p *pageData) goesOn(r *metrics.Run) {
	s := r.Started.Scenario
	p.Verdict, p.Class, p.Title = "RUNNING", "skipped", "RUNNING: "+cmp.Or(s.Name, "a run")+" · homellm"
	p.Findings = nil
	now := &liveNow{Latest: chart.Table{Caption: "The latest turns", Left: 3,
		Head: []string{"turn", "cell", "repeat", "TTFT", "decode tok/s", "cached tok"}}}
	where := "it is being prepared"
	type of struct {
		c *metrics.Cell
		q *event.Request
	}
	var latest []of
	for _, c := range r.Cells {
		if c.Planned.Skip != "" || c.Failed != nil {
			continue
		}
		now.Planned += c.Planned.Turns * s.Repeats
		now.Done += len(c.Measured(metrics.Group{}))
		for _, q := range c.Requests {
			latest = append(latest, of{c, q})
		}
	}
	slices.SortStableFunc(latest, func(a, b of) int { return cmp.Compare(b.q.Done, a.q.Done) })
	for i, l := range latest[:min(len(latest), latestShown)] {
		name, pass := l.q.Played()+"/"+l.q.Step, fmt.Sprint(l.q.Repeat)
		if l.q.Warmup {
			pass = "warm-up"
		}
		if i == 0 {
			where = fmt.Sprintf("%s, repeat %s: %s was answered", l.c.Name(), pass, name)
		}
		value := func(metric string) string { return readable.Value(metrics.Must(metric).Each(l.c, l.q)) }
		now.Latest.Rows = append(now.Latest.Rows, chart.Row{Cells: []string{name, l.c.Name(), pass, value("ttft_ms"),
			value("output_tps"), value("cache.cached_tokens")}})
	}
	now.Planned = max(now.Planned, now.Done)
	now.Text = fmt.Sprintf("%d of %d turns; %s", now.Done, now.Planned, where)
	p.Now = now
}
