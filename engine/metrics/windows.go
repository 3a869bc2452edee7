package metrics

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"homellm/engine/event"
)

// windowsOf is the number of windows of a time for which a cell is played.
func (c *Cell) windowsOf() int {
	if c.Windows == nil || c.run == nil {
		return 0
	}
	return int(c.run.Started.Scenario.Duration / c.Windows.Each)
}

// window is when a window begins and ends. The last one ends when the last conversation has ended.
func (c *Cell) window(n int) (from, to time.Duration) {
	from = c.Windows.From + time.Duration(n-1)*c.Windows.Each
	to = from + c.Windows.Each
	if _, last, _ := c.Window(); n == c.windowsOf() {
		to = max(to, last)
	}
	return from, to
}

// inTime is the time in which requests were played: the whole time, or that of the one window to which they belong. In
// a window the requests are those that ended in it, whenever their conversations began.
func (c *Cell) inTime(g []*event.Request) (of []*event.Request, took time.Duration) {
	if len(g) == 0 {
		return nil, 0
	}
	_, end, _ := c.Window()
	if all := c.windowsOf(); all > 0 && c.cutWindow(all) == "" {
		_, end = c.window(all)
	}
	one := !slices.ContainsFunc(g, func(q *event.Request) bool { return q.Repeat != g[0].Repeat })
	if !one || len(c.Repeats()) == 1 {
		return g, end - c.Windows.From
	}
	from, to := c.window(g[0].Repeat)
	for _, q := range c.Measured(Group{}) {
		if q.Done > from && q.Done <= to {
			of = append(of, q)
		}
	}
	return of, to - from
}

// cutWindow says why a window has no values: the run ended in it. The conversations of a window that is over count as
// far as they were played, as failed turns are counted separately.
func (c *Cell) cutWindow(n int) string {
	if c.Done != nil && c.Done.Err == "" {
		return ""
	}
	if _, last, _ := c.Window(); last < c.Windows.From+time.Duration(n)*c.Windows.Each {
		return fmt.Sprintf("the run ended in window %d", n)
	}
	return ""
}

// WithoutValues says which windows of a cell that is played for a time have no values, and why; empty: all have.
func (c *Cell) WithoutValues() string {
	all := c.windowsOf()
	if all == 0 {
		return ""
	}
	var out, empty []string
	for n := 1; n <= all; n++ {
		if c.cutWindow(n) != "" {
			_, last, _ := c.Window()
			out = append(out, fmt.Sprintf("played for %v of %v: windows %d to %d have no values",
				max(0, last-c.Windows.From).Round(time.Second), c.run.Started.Scenario.Duration, n, all))
			break
		}
		if !slices.Contains(c.indexed().repeats, n) {
			empty = append(empty, fmt.Sprint(n))
		}
	}
	if len(empty) > 0 {
		out = append(out, "no conversation began in these windows: "+strings.Join(empty, ", "))
	}
	return strings.Join(out, "; ")
}

// Plays is how often a conversation was begun in a repeat; 1 unless the repeat is a window.
func (c *Cell) Plays(g Group) int {
	if c.Windows == nil {
		return 1
	}
	most := 0
	for _, q := range c.Measured(g) {
		most = max(most, q.Play)
	}
	return most
}
