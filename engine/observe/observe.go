// Package observe records what the server reports about the requests, in addition to what the client measured.
//
// The input is the server's side channels, and every request with its reply. The output is what the server reports of
// each request, and remarks on contradictions. None of this happens while a turn is being timed.
package observe

import (
	"context"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/server"
)

// Send sends a text in the same way as the run sends its prompts, under a salt if there is one, and asks for one
// token.
type Send func(ctx context.Context, text, salt string) event.Exchange

// Server describes the server to the observer.
type Server struct {
	URL         string
	Engine      string
	Side        *server.Side // what can be asked besides completions; nil: nothing
	Block       int          // tokens in one block of its prefix cache
	BlockKnown  bool         // the server reports Block, or its engine caches single tokens
	ContextSize int          // context size it is served with, in tokens; 0: unknown
	TruncatesAt int          // the server truncates prompts to this many tokens; 0: it does not, or this is unknown
	Embedded    bool         // it runs inside this process
	Resets      bool         // its prefix cache can be emptied
	Salt        string       // a new salt, under which no prompt was sent
	Lead        int          // cached tokens that are allowed for a prompt under a new salt
	// error classes of a first request that end the cell, with what to do; for other classes the server is measured all
	// the same
	Hints map[string]string
	// the sliding window of some of the model's layers in tokens, and who says so; 0: it has no effect on the cache
	Window func() (tokens int, source string)
	Ended  func() error // how a server that homellm started ended; nil if it runs, or homellm did not start it
	Send   Send
	// the server's own count of a text as Send sends it, without a salt; nil: the server cannot count
	Count func(ctx context.Context, text string) (int, error)
	Ask   Ask // nil: streaming is not tested
	// homellm's count of the prompt that Send makes of a text; nil where the server tokenises
	Expect func(text, salt string) *event.Estimate
}

// Observer observes the server of one cell.
type Observer struct {
	cell   *dsl.Cell
	clocks *Clocks
	notes  notes
	server Server

	report    server.Report // what the self-test proved
	told      replyFacts    // what the replies to the preflight report
	withdrawn string        // why the server's report of cached tokens is no longer used; empty: it is used
	flow      flow
	drafted   int // most tokens drafted for one reply, which may extend beyond its end
	counters  counters
	isolation isolation
	traffic   traffic
	signs     signs
	accounts  accounts
	window    window
	together  together
	cold      cold
	choice    choice
	wordless  wordless
}

// New returns an observer of a cell. It observes nothing before its first preflight.
func New(cell *dsl.Cell, clocks *Clocks, note Note) *Observer {
	return &Observer{cell: cell, clocks: clocks, notes: notes{add: note, said: map[string]bool{}}, accounts: accounts{}}
}

// Block is the block size of the server's cache in tokens: as reported or measured, else from the profile.
func (o *Observer) Block() int { return o.server.Block }

// tested reports whether the self-test checks the server's cache report: always, unless its profile vouches for it.
func (o *Observer) tested() bool {
	rule := o.cell.Server.Capabilities.CacheReport
	return o.server.Side != nil && (!rule.Told() || rule.Verify || rule.Source == "counters")
}

// Turn is what the observer knows of a turn before it is sent.
type Turn struct {
	most *int // most cached tokens that its prompt may have; nil: any number
}

// Before reads the counters before a turn.
func (o *Observer) Before(ctx context.Context) Turn {
	t := Turn{most: o.isolation.most}
	o.isolation.most = nil
	if o.cell.Scenario.Raced() {
		t.most = nil // others under the same isolation may be computed first
	}
	if !o.cell.Scenario.AtOnce() {
		o.scrape(ctx)
	}
	return t
}

// After reads the counters after a turn and adds to its request what the server reports of it, and what contradicts
// it. Plain is the prompt without its template.
func (o *Observer) After(ctx context.Context, t Turn, r *event.Request, plain string) {
	d := &server.Delta{Why: countedTogether}
	if o.cell.Scenario.AtOnce() {
		o.together.add(r, replyOf(&r.Exchange))
	} else {
		d = o.awaitCounters(ctx, &r.Exchange)
	}
	r.Cached, r.CacheSource, r.CacheAssumed, r.CacheWhy = o.cached(&r.Exchange, d)
	o.checkCeiling(t, r)
	o.addDrafts(r)
	o.signs.checkContext(r, plain, o.server.TruncatesAt, o.notes)
	o.signs.checkText(r, plain, o.server.Engine, o.notes)
	o.flow.check(r, o.notes)
	o.isolation.check(t.most, r, o.cell.Scenario.Run.Cache)
	if !o.cell.Scenario.AtOnce() { // else a request waits for others, and not every server counts that among its own times
		o.accounts.reconcile(r, d, o.report, o.server.Embedded)
	}
	if o.cell.Scenario.Run.Play == dsl.OneByOne { // else another conversation may have taken its place in the cache
		o.window.check(r)
	}
}

// CheckChoice records whether the reply of a turn follows tool_choice; why is empty if it does.
func (o *Observer) CheckChoice(r *event.Request, asked, why string) { o.choice.check(r, asked, why) }

// CheckKept records what a live history keeps of a reply.
func (o *Observer) CheckKept(r *event.Request) { o.wordless.check(r) }

// CheckJournaled makes the remarks on a request that is in the journal.
func (o *Observer) CheckJournaled(ctx context.Context, r *event.Request) {
	o.signs.check(r, o.clocks.jumped(), o.notes)
	if !o.cell.Scenario.AtOnce() { // else the counters tell of the whole pass
		o.traffic.check(r, o.counters.on && ctx.Err() == nil, o.notes)
	}
}

// Summarise makes the remarks on all turns of the cell together.
func (o *Observer) Summarise() {
	o.accounts.sum(o.notes)
	o.choice.sum(o.notes)
	o.wordless.sum(o.notes)
	o.flow.sum(o.notes)
	o.traffic.sum(o.notes)
	o.window.sum(o.server.Engine, o.server.Window, o.notes)
}

// ForgetCounters discards the last reading of the counters: others may have used the server since.
func (o *Observer) ForgetCounters() { o.counters.before = nil }

// Salted says that the next prompt is under a new salt.
func (o *Observer) Salted() { o.isolate(o.server.Lead) }

// Emptied says that the server's prefix cache was emptied.
func (o *Observer) Emptied() { o.isolate(0) }

// Restarted says that homellm restarted the server.
func (o *Observer) Restarted() {
	o.isolate(0)
	o.counters.last = nil
}

func (o *Observer) isolate(most int) {
	o.isolation.most = &most
	o.ForgetCounters()
}

// Broken is the error of an isolation that failed, or nil.
func (o *Observer) Broken() error { return o.isolation.broken }
