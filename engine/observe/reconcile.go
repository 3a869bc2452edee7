package observe

import (
	"maps"
	"math"
	"slices"

	"homellm/engine/event"
	"homellm/engine/server"
)

// disagreement is a difference between client and server in one figure.
type disagreement struct {
	turns, over int
	worst       float64 // relative to the larger figure
	where       string
	client      float64
	server      float64
	unit        string
}

// Figures of client and server that differ by less than this are taken as equal: it covers the local connection and
// the resolution of the server's clock.
const (
	sameShare = 0.05
	sameMs    = 2
)

// seldom is the share of turns below which a difference may come from single turns that the operating system delayed.
// It is reported all the same.
const seldom = 4

// accounts are the differences between client and server over all turns, by figure.
type accounts map[string]*disagreement

// reconcile compares the figures of client and server for one turn.
func (a accounts) reconcile(r *event.Request, d *server.Delta, report server.Report, embedded bool) {
	if r.Err != nil || r.Sent == nil || r.Warmup {
		return
	}
	where := turnOf(r)
	// An embedded simulator has the client's clock and shares its processor: a difference says nothing about a server.
	if n := len(r.Chunks); n > 0 && !embedded {
		first, last := event.Milliseconds(r.Chunks[0].At-*r.Sent), event.Milliseconds(r.Chunks[n-1].At-*r.Sent)
		if r.Finished != nil {
			// The server's clock stops at the end of sequence, which has no text.
			last = max(last, event.Milliseconds(*r.Finished-*r.Sent))
		}
		a.compare("ttft_ms", "server.ttft_ms", first, r.Timings["server.ttft_ms"], "ms", where)
		a.compare("e2e_ms", "server.e2e_ms", last, r.Timings["server.e2e_ms"], "ms", where)
		a.compare("e2e_ms", "server.total_ms", last, r.Timings["server.total_ms"], "ms", where)
	}
	if counted, _, _, _ := (server.Report{Counters: report.Counters}).Cached(server.Reply{}, d, false); counted != nil &&
		r.Cached != nil && report.InReply {
		a.compare("cache.cached_tokens", report.Counters, float64(*r.Cached), float64(*counted), "tokens", where)
	}
}

func (a accounts) compare(name, other string, client, server float64, unit, where string) {
	if server <= 0 && unit == "ms" {
		return // the server does not report it
	}
	key := name + " and " + other
	d := a[key]
	if d == nil {
		d = &disagreement{unit: unit}
		a[key] = d
	}
	d.turns++
	difference := math.Abs(client - server)
	share := difference / max(client, server)
	if difference == 0 || share <= sameShare || unit == "ms" && difference <= sameMs {
		return
	}
	d.over++
	if share > d.worst {
		d.worst, d.where, d.client, d.server = share, where, client, server
	}
}

// sum notes the differences of all turns once.
func (a accounts) sum(notes notes) {
	for _, key := range slices.Sorted(maps.Keys(a)) {
		d := a[key]
		if d.over == 0 {
			continue
		}
		single := ""
		if d.over*seldom < d.turns && d.unit == "ms" {
			single = "; so few may be turns that the operating system delayed"
		}
		notes.add("disagreement", "%s differ by more than 5 %% in %d of %d turns; most in %s: the client says %.4g %s, the "+
			"server %.4g%s", key, d.over, d.turns, d.where, d.client, d.unit, d.server, single)
	}
	clear(a)
}
