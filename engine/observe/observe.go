// Package observe records what the server itself says of the requests, next to what the client measured.
//
// In come what a server can be asked, and every request with its reply. Out come what the server
// says of each of them, and remarks on what does not fit. None of this happens while a turn is
// being timed.
package observe

import (
	"context"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/server"
)

// Send sends a text as the run sends its prompts, under a salt or under none, and asks for one
// token.
type Send func(ctx context.Context, text, salt string) event.Exchange

// Server is what an observer has to know of a server.
type Server struct {
	URL      string
	Engine   string
	Side     *server.Side // what can be asked beside completing text; nil: nothing
	Block    int          // tokens in one block of its prefix cache
	Told     bool         // it says so itself, or its engine keeps single tokens
	Takes    int          // tokens of context that it is served with; 0: not known
	Context  int          // tokens that it takes where it cuts longer prompts; 0: it does not, or that is not known
	Embedded bool         // it runs in this process
	Resets   bool         // its prefix cache can be emptied
	Salt     string       // no prompt was sent under it
	Lead     int          // cached tokens that a prompt under a new salt may have
	// what to do about a first request that fails, by the class of its error; none: the server is measured all the same
	Hints map[string]string
	// how many tokens some layers of its model look back, and where that is said; 0: it makes no difference to its cache
	Window func() (tokens int, source string)
	Ended  func() error // how a server that homellm started ended by itself; nil if it runs, or is not ours
	Send   Send
	Ask    Ask // nil: how it streams is not tested
	// homellm's own count of the prompt that Send makes of a text; nil where the server tokenises
	Expect func(text, salt string) *event.Estimate
}

// Observer observes the server of one cell.
type Observer struct {
	cell   *dsl.Cell
	clocks *Clocks
	notes  notes
	server Server

	report    server.Report // what the self-test proved
	told      told          // what the replies to the preflight say
	withdrawn string        // why the server's report of cached tokens is believed no more; empty: it is
	flow      flow
	drafted   int // most tokens that were proposed for one reply, as far as they can be beyond its end
	counters  counters
	isolation isolation
	traffic   traffic
	signs     signs
	accounts  accounts
	window    window
}

// New returns an observer of a cell. It observes nothing before its first preflight.
func New(cell *dsl.Cell, clocks *Clocks, note Note) *Observer {
	return &Observer{cell: cell, clocks: clocks, notes: notes{add: note, said: map[string]bool{}}, accounts: accounts{}}
}

// Block is the size of the blocks of the server's cache: as it was told or learnt, else as the profile says.
func (o *Observer) Block() int { return o.server.Block }

// tested reports whether the cache report of this server is put to the test: it is, unless its profile vouches for it.
func (o *Observer) tested() bool {
	rule := o.cell.Server.Capabilities.CacheReport
	return o.server.Side != nil && (!rule.Told() || rule.Verify || rule.Source == "counters")
}

// Before reads the counters before a turn.
func (o *Observer) Before(ctx context.Context) { o.scrape(ctx) }

// After reads the counters after a turn and adds to its request what the server says of it and
// what contradicts it. Plain is the prompt without its template.
func (o *Observer) After(ctx context.Context, r *event.Request, plain string) {
	d := o.awaitCounters(ctx, &r.Exchange)
	o.countWhole(r)
	r.Cached, r.CacheSource, r.CacheAssumed, r.CacheWhy = o.cached(&r.Exchange, d)
	o.checkCeiling(r)
	o.sawDrafts(r)
	o.signs.checkContext(r, plain, o.server.Context, o.notes)
	o.signs.checkText(r, plain, o.server.Engine, o.notes)
	o.flow.check(r, o.notes)
	o.isolation.check(r, o.cell.Scenario.Run.Cache)
	o.accounts.reconcile(r, d, o.report, o.server.Embedded)
	o.window.check(r)
}

// Kept remarks on a request that is in the journal.
func (o *Observer) Kept(ctx context.Context, r *event.Request) {
	o.signs.check(r, o.clocks.jumped(), o.notes)
	o.traffic.check(r, o.counters.on && ctx.Err() == nil, o.notes)
}

// Sum remarks on all turns of the cell together.
func (o *Observer) Sum() {
	o.accounts.sum(o.notes)
	o.flow.sum(o.notes)
	o.traffic.sum(o.notes)
	o.window.sum(o.server.Engine, o.server.Window, o.notes)
}

// Forget says that others may have used the server since the counters were read.
func (o *Observer) Forget() { o.counters.before = nil }

// Salted remembers that the next prompt is under a new salt.
func (o *Observer) Salted() { o.isolate(o.server.Lead) }

// Emptied remembers that the server's prefix cache was emptied.
func (o *Observer) Emptied() { o.isolate(0) }

// Restarted remembers that the server was started anew on purpose.
func (o *Observer) Restarted() {
	o.isolate(0)
	o.counters.last = nil
}

func (o *Observer) isolate(most int) {
	o.isolation.most = &most
	o.Forget()
}

// Broken is an isolation that did not isolate; nil if there is none.
func (o *Observer) Broken() error { return o.isolation.broken }
