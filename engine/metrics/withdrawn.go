package metrics

import (
	"slices"

	"homellm/dsl/figure"
	"homellm/engine/event"
)

// The codes of the notes that take back what a server said of its cache, and the verdicts that rest on it.
const (
	// Withdrawn withdraws a server's report of cached tokens for the whole run.
	Withdrawn = "cache_report_withdrawn"
	// JudgedAgain says that a cell was judged before its server's report was withdrawn: the verdicts that follow
	// stand for the earlier ones, and another [event.CellDone] closes them.
	JudgedAgain = "judged_again"
)

// withdrawal is that of one server's report.
type withdrawal struct {
	of  event.Server
	why string
}

// same says whether two cells were played on one server: they name the same one, or asked the same address of
// one that homellm did not start.
func same(a, b event.Server) bool {
	return a.Profile != "" && a.Profile == b.Profile || a.URL == b.URL && a.Flags == "" && b.Flags == ""
}

// withdrawnFrom is why a server's report is believed no more; "" if it is.
func (r *Run) withdrawnFrom(s event.Server) (why string) {
	for _, w := range r.withdrawn {
		if same(w.of, s) {
			why = w.why
		}
	}
	return why
}

// withdraw takes back every count of cached tokens of a server, those of earlier turns and other cells as well.
func (r *Run) withdraw(s event.Server, why string) {
	r.withdrawn = append(r.withdrawn, withdrawal{s, why})
	for _, c := range r.Cells {
		if c.Started == nil || !same(c.Started.Server, s) {
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

// disbelieve takes the cached tokens off a request of a server whose report is withdrawn, and says whether it had any.
func (c *Cell) disbelieve(q *event.Request) bool {
	if c.withdrawn == "" || q.Cached == nil {
		return false
	}
	q.Cached, q.CacheSource, q.CacheAssumed, q.CacheWhy = nil, "none", false, c.withdrawn
	return true
}

// Disbelieved says why the server's report of cached tokens was withdrawn, for turns that were judged before as well;
// "" if it is believed.
func (c *Cell) Disbelieved() (why string) { return c.withdrawn }

// Stale says whether the cell's verdicts rest on a report of its server that was withdrawn after they were found.
func (c *Cell) Stale() bool { return c.stale }

// note adds a remark that may have been made before.
func (c *Cell) note(n event.Note) {
	if !slices.Contains(c.Notes, n) {
		c.Notes = append(c.Notes, n)
	}
}

// Judged lists the repeats that the cell's verdicts are of, in the order in which they were played: a server that was
// lost in the middle of one leaves it without a judgement.
func (c *Cell) Judged() []int {
	var out []int
	for _, q := range c.Requests {
		if !q.Warmup && !Cancelled(q) && !slices.Contains(out, q.Repeat) {
			out = append(out, q.Repeat)
		}
	}
	for _, v := range c.Verdicts {
		if v.Scope != string(figure.ScenarioScope) {
			return out[:min(v.Evaluated, len(out))]
		}
	}
	return out
}
