package metrics

import (
	"slices"

	"homellm/dsl/figure"
	"homellm/engine/event"
)

// The codes of the notes that withdraw a server's cache report and the verdicts that rest on it.
const (
	// Withdrawn withdraws a server's report of cached tokens for the whole run.
	Withdrawn = "cache_report_withdrawn"
	// JudgedAgain says that a cell was judged before its server's report was withdrawn: the verdicts that follow
	// replace the earlier ones, up to the next [event.CellDone].
	JudgedAgain = "judged_again"
)

// withdrawal is the withdrawal of one server's report.
type withdrawal struct {
	of  event.CellStarted
	why string
}

// same says whether two cells were played on one server: on the same machine they name the same server, or the same
// address of one that homellm did not start.
func same(a, b event.CellStarted) bool {
	return boxOf(a) == boxOf(b) && (a.Server.Profile != "" && a.Server.Profile == b.Server.Profile ||
		a.Server.URL == b.Server.URL && a.Server.Flags == "" && b.Server.Flags == "")
}

// boxOf is the name of the box of the fleet that a cell is played on; empty: it is the machine of the run.
func boxOf(s event.CellStarted) string {
	if s.Box == nil {
		return ""
	}
	return s.Box.Name
}

// withdrawnFrom is why a server's report was withdrawn; "" if it was not.
func (r *Run) withdrawnFrom(s event.CellStarted) (why string) {
	for _, w := range r.withdrawn {
		if same(w.of, s) {
			why = w.why
		}
	}
	return why
}

// withdraw removes every count of cached tokens of a server, including those of earlier turns and other cells.
func (r *Run) withdraw(s event.CellStarted, why string) {
	r.withdrawn = append(r.withdrawn, withdrawal{s, why})
	for _, c := range r.Cells {
		if c.Started == nil || !same(*c.Started, s) {
			continue
		}
		c.withdrawn = why
		for _, q := range c.Requests {
			if c.disbelieve(q) && c.Done != nil {
				c.stale = true
			}
		}
	}
}

// disbelieve removes the cached tokens from a request of a server whose report is withdrawn, and says whether it had
// any.
func (c *Cell) disbelieve(q *event.Request) bool {
	if c.withdrawn == "" || q.Cached == nil {
		return false
	}
	q.Cached, q.CacheSource, q.CacheAssumed, q.CacheWhy = nil, "none", false, c.withdrawn
	return true
}

// Disbelieved says why the server's report of cached tokens was withdrawn, also for turns that were judged before; ""
// if it was not.
func (c *Cell) Disbelieved() (why string) { return c.withdrawn }

// Stale says whether the cell's verdicts rest on a report that was withdrawn after they were found.
func (c *Cell) Stale() bool { return c.stale }

// note adds a note unless it exists.
func (c *Cell) note(n event.Note) {
	if !slices.Contains(c.Notes, n) {
		c.Notes = append(c.Notes, n)
	}
}

// Judged lists the repeats behind the cell's verdicts, in the order played: a repeat in which the server was lost has
// no verdict.
func (c *Cell) Judged() []int {
	var out []int
	for _, q := range c.Requests {
		if !q.Warmup && !Cancelled(q) && !slices.Contains(out, q.Repeat) {
			out = append(out, q.Repeat)
		}
	}
	if c.Windows != nil { // in some of them nothing may be evaluated
		return out
	}
	for _, v := range c.Verdicts {
		if v.Scope != string(figure.ScenarioScope) {
			return out[:min(v.Evaluated, len(out))]
		}
	}
	return out
}
