// Package observe keeps the server's own account beside the replies.
//
// In come what a server can be asked, and every request with its reply. Out come what the server
// says of each of them, and remarks on what does not fit. Nothing of it happens while the clock of
// a turn runs.
package observe

import (
	"context"
	"fmt"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/server"
)

// Note puts a remark beside a cell.
type Note func(code, format string, args ...any)

// Send sends a text as the run sends its prompts, under a salt or under none, and asks for one
// token.
type Send func(ctx context.Context, text, salt string) event.Exchange

// Server is what an observer has to know of a server.
type Server struct {
	URL      string
	Engine   string
	Side     *server.Side      // what can be asked beside completing text; nil: nothing
	Block    int               // tokens in one block of its prefix cache
	Context  int               // tokens that it takes where it cuts longer prompts; 0: it does not, or that is not known
	Embedded bool              // it runs in this process
	Resets   bool              // its prefix cache can be emptied
	Salt     string            // no prompt was sent under it
	Lead     int               // cached tokens that a prompt under a new salt may have
	Hints    map[string]string // what to do about a first request that fails, by the class of its error; none: the server is measured all the same
	Ended    func() error      // how a server that homellm started ended by itself; nil if it runs, or is not ours
	Send     Send
}

// Observer observes the server of one cell.
type Observer struct {
	cell   *dsl.Cell
	clocks *Clocks
	note   Note
	said   map[string]bool // codes of remarks that are made once
	server Server

	report    server.Report // what the self-test proved
	counters  counters
	isolation isolation
	traffic   traffic
	signs     signs
	disagree  map[string]*disagreement
}

// New returns an observer of a cell. It observes nothing before its first preflight.
func New(cell *dsl.Cell, clocks *Clocks, note Note) *Observer {
	return &Observer{cell: cell, clocks: clocks, note: note, said: map[string]bool{}}
}

// once makes a remark, unless one of its code was made.
func (o *Observer) once(code, format string, args ...any) {
	if !o.said[code] {
		o.said[code] = true
		o.note(code, format, args...)
	}
}

// Before reads the counters before a turn.
func (o *Observer) Before(ctx context.Context) { o.scrape(ctx) }

// After reads the counters after a turn and adds to its request what the server says of it and
// what contradicts it. Plain is the prompt without its template.
func (o *Observer) After(ctx context.Context, r *event.Request, plain string) {
	d := o.awaitCounters(ctx, &r.Exchange)
	r.Cached, r.CacheSource, r.CacheAssumed, r.CacheWhy = o.cached(&r.Exchange, d)
	o.checkContext(r, plain)
	o.checkIsolation(r)
	o.reconcile(r, d)
}

// Kept remarks on a request that is in the journal.
func (o *Observer) Kept(ctx context.Context, r *event.Request) {
	o.checkSigns(r)
	o.checkTraffic(ctx, r)
}

// Sum remarks on all turns of the cell together.
func (o *Observer) Sum() {
	o.sumDisagreements()
	o.sumTraffic()
}

// turnOf names a turn for people.
func turnOf(r *event.Request) string {
	kind := "repeat"
	if r.Warmup {
		kind = "warm-up"
	}
	return fmt.Sprintf("%s/%s turn %d, %s %d", r.Conversation, r.Step, r.Turn, kind, r.Repeat)
}
