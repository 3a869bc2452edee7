package observe

import (
	"maps"
	"math"
	"slices"

	"homellm/engine/event"
	"homellm/engine/server"
)

// disagreement is what client and server say differently of one figure.
type disagreement struct {
	turns, over int
	worst       float64 // share of the larger figure
	where       string
	client      float64
	server      float64
	unit        string
}

// Figures of client and server that differ by less than this are the same: what a connection on
// this machine takes, and the resolution of the server's clock.
const (
	sameShare = 0.05
	sameMs    = 2
)

// seldom says up to when a difference may be one of single turns that the operating system
// delayed, and not one of accounts: in less than every fourth turn. It is told all the same.
const seldom = 4

// accounts are what client and server say differently of all turns, by figure.
type accounts map[string]*disagreement

// reconcile compares what client and server say of the same turn.
func (a accounts) reconcile(r *event.Request, d *server.Delta, report server.Report, embedded bool) {
	if r.Err != nil || r.Sent == nil || r.Warmup {
		return
	}
	where := turnOf(r)
	// Of a simulator in this process the clocks are the same and the processor is shared: a
	// difference says nothing about a server.
	if n := len(r.Chunks); n > 0 && !embedded {
		first, last := event.Milliseconds(r.Chunks[0].At-*r.Sent), event.Milliseconds(r.Chunks[n-1].At-*r.Sent)
		if r.Finished != nil {
			// The server's clock stops at the end of the sequence, which has no text.
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
		return // the server does not tell
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

// sum says once for all turns what client and server say differently.
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
