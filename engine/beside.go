package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"homellm/engine/event"
	"homellm/engine/server"
)

// beside is what a session learns of its server beside the replies. Nothing of it happens while
// the clock of a turn runs.
type beside struct {
	report   server.Report    // what the self-test proved
	counters bool             // the server's counters are read around every turn
	shot     *server.Snapshot // the latest scrape, in which every request so far is counted
	fresh    *int             // cached tokens that the next request may have at most: the cache was just emptied or salted
	broken   error            // an isolation that did not isolate
	last     *server.Snapshot // the latest scrape of all, to notice a restart
	traffic  traffic
	noted    map[string]bool // codes of notes that are said once
	disagree map[string]*disagreement
}

// isolated remembers that the next prompt must find an empty cache.
func (s *session) isolated(lead int) {
	s.beside.fresh = &lead
	s.beside.shot = nil
}

// look scrapes the counters before a turn, unless the scrape after the last one still holds.
func (s *session) look(ctx context.Context) {
	b := &s.beside
	if !b.counters || b.shot != nil {
		return
	}
	shot, err := s.target.Side.Metrics(ctx)
	if err != nil {
		if ctx.Err() == nil {
			profile := s.cell.Server
			s.once("metrics_unreadable", "%v", profile.Errorf("its counters cannot be read, and what rests on them is unknown: %w; homellm doctor --url %s says what is missing", err, s.target.Facts.URL))
			b.counters = false
		}
		return
	}
	s.restarts(shot)
	s.waits(shot)
	b.shot = shot
}

// settle reads the counters after a turn and adds to the reply what the server says of it. The
// delta is nil if there were none to read.
func (s *session) settle(ctx context.Context, e *event.Exchange) *server.Delta {
	b := &s.beside
	before := b.shot
	if before == nil {
		return nil
	}
	b.shot = nil
	if e.Err != nil || ctx.Err() != nil {
		return nil // what the server counts of a failed request is its own business
	}
	after, err := s.target.Side.AwaitCounters(ctx, before)
	if err != nil {
		return nil // the next look says so
	}
	s.restarts(after)
	s.during(before, after, e)
	if busy, ok := s.target.Side.InFlight(after); ok && busy == 0 {
		b.shot = after // else who is being served is looked at again when the next turn begins
		b.traffic.given = 0
	}
	d := s.target.Side.Between(before, after, replyOf(e))
	for name, v := range d.Values {
		if _, told := e.Timings[name]; told {
			continue // the reply itself knows better
		}
		if e.Timings == nil {
			e.Timings = map[string]float64{}
		}
		e.Timings[name] = v
	}
	return &d
}

// replyOf is what a reply says of its tokens.
func replyOf(e *event.Exchange) server.Reply {
	r := server.Reply{Prompt: e.Usage.Prompt, Completion: e.Usage.Completion, Cached: e.Usage.Cached, Source: e.Wire.CachedIn}
	if r.Source == "" && r.Cached != nil {
		r.Source = "usage"
	}
	return r
}

// cached decides how many prompt tokens came from the prefix cache, by what the self-test proved
// and by the profile's rule for a report that is silent.
func (s *session) cached(e *event.Exchange, d *server.Delta) (n *int, source string, assumed bool, why string) {
	if e.Err != nil {
		return nil, "none", false, "the request failed"
	}
	r := replyOf(e)
	rule := s.cell.Server.Capabilities.CacheReport
	if !s.tested() && !s.beside.report.Proven() {
		if r.Cached != nil {
			return r.Cached, r.Source, false, ""
		}
		if rule.Source == "none" || rule.Source == "" {
			return nil, "none", false, fmt.Sprintf("server %s reports no cached tokens", s.cell.Server.Name)
		}
	}
	return s.beside.report.Cached(r, d, rule.NullMeans == "zero")
}

// check holds the first prompt after an isolation against what isolation means.
func (s *session) check(r *event.Request) {
	b := &s.beside
	lead := b.fresh
	// After a request that failed nothing is fresh any more: the server may have read its prompt.
	b.fresh = nil
	if lead == nil || r.Err != nil {
		return
	}
	if r.Cached == nil || *r.Cached <= *lead {
		return
	}
	b.broken = server.WithHint(
		fmt.Errorf("isolation by %s: the first prompt of its scope (%s/%s) had %d cached tokens: %w", s.cell.Scenario.Run.Cache, r.Conversation, r.Step, *r.Cached, server.ErrNotReset),
		"use another isolation: run.isolation.cache: restart is certain",
	)
}

// grown is by how many characters a prompt must have grown before the same count of tokens says
// that the server cut it.
const grown = 64

// cut notices a server that silently drops the head of a prompt: one that begins with all of the
// one before it and says more cannot have as few tokens. What rests on such a prompt is unknown.
func (s *session) cut(r *event.Request, text, where string) {
	if r.Err != nil {
		return
	}
	before, tokens := s.seen.prompt, s.seen.tokens
	s.seen.prompt, s.seen.tokens = text, r.Usage.Prompt
	if r.Usage.Prompt == nil {
		return
	}
	n := *r.Usage.Prompt
	why := ""
	switch {
	case before != "" && tokens != nil && strings.HasPrefix(text, before) && (n < *tokens || n == *tokens && len(text) >= len(before)+grown):
		why = fmt.Sprintf("the prompt grew and the server counts %d tokens after %d: it seems to drop the beginning of the context", n, *tokens)
	case s.target.Context > 0 && n >= s.target.Context:
		why = fmt.Sprintf("the server counts %d prompt tokens, all of its context of %d: it seems to drop the beginning of the context", n, s.target.Context)
	default:
		return
	}
	s.note("context_truncated", "%s: %s", where, why)
	r.Cached, r.CacheSource, r.CacheAssumed, r.CacheWhy = nil, "none", false, why
	r.Reusable, r.ReusableWhy = nil, why
}

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

// reconcile compares what client and server say of the same turn.
func (s *session) reconcile(r *event.Request, d *server.Delta, where string) {
	if r.Err != nil || r.Sent == nil || r.Warmup {
		return
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	// Of a simulator in this process the clocks are the same and the processor is shared: a
	// difference says nothing about a server.
	if n := len(r.Chunks); n > 0 && !s.target.Embedded {
		first, last := ms(r.Chunks[0].At-*r.Sent), ms(r.Chunks[n-1].At-*r.Sent)
		if r.Finished != nil {
			last = max(last, ms(*r.Finished-*r.Sent)) // the server's clock stops at the end of sequence, which has no text
		}
		s.compare("ttft_ms", "server.ttft_ms", first, r.Timings["server.ttft_ms"], "ms", where)
		s.compare("e2e_ms", "server.e2e_ms", last, r.Timings["server.e2e_ms"], "ms", where)
		s.compare("e2e_ms", "server.total_ms", last, r.Timings["server.total_ms"], "ms", where)
	}
	if counted, _, _, _ := (server.Report{Counters: s.beside.report.Counters}).Cached(server.Reply{}, d, false); counted != nil && r.Cached != nil && s.beside.report.InReply {
		s.compare("cache.cached_tokens", s.beside.report.Counters, float64(*r.Cached), float64(*counted), "tokens", where)
	}
}

func (s *session) compare(name, other string, client, server float64, unit, where string) {
	if server <= 0 && unit == "ms" {
		return // the server does not tell
	}
	if s.beside.disagree == nil {
		s.beside.disagree = map[string]*disagreement{}
	}
	key := name + " and " + other
	d := s.beside.disagree[key]
	if d == nil {
		d = &disagreement{unit: unit}
		s.beside.disagree[key] = d
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

// remarks puts beside a cell what was noticed over all its turns.
func (s *session) remarks() {
	for _, key := range slices.Sorted(maps.Keys(s.beside.disagree)) {
		d := s.beside.disagree[key]
		if d.over == 0 {
			continue
		}
		single := ""
		if d.over*seldom < d.turns && d.unit == "ms" {
			single = "; so few may be turns that the operating system delayed"
		}
		s.note("disagreement", "%s differ by more than 5 %% in %d of %d turns; most in %s: the client says %.4g %s, the server %.4g%s", key, d.over, d.turns, d.where, d.client, d.unit, d.server, single)
	}
	s.beside.disagree = nil
	s.sharedTurns()
	s.run.machine.remarks(s)
}

// once puts a note beside the cell, unless it has one of this code.
func (s *session) once(code, format string, args ...any) {
	if s.beside.noted[code] {
		return
	}
	if s.beside.noted == nil {
		s.beside.noted = map[string]bool{}
	}
	s.beside.noted[code] = true
	s.note(code, format, args...)
}

// refusal is a request of a canary that failed.
type refusal struct{ cause *event.Error }

func (r refusal) Error() string { return r.cause.Message }

// canary returns a function that sends a prompt as the run sends its prompts, under a salt if
// there is one, and asks for one token.
func (s *session) canary(salt string) server.Send {
	return func(ctx context.Context, text string) (server.Reply, error) {
		req := s.maker.Probe(text, salt)
		c, err := s.clients.For(req.API)
		if err = cmp.Or(req.Err, err); err != nil {
			return server.Reply{}, refusal{&event.Error{Class: "bad_request", Message: err.Error()}}
		}
		e := c.Do(ctx, s.run.epoch, time.Now(), req.Prompt)
		switch {
		case ctx.Err() != nil:
			return server.Reply{}, context.Cause(ctx)
		case e.Err != nil && e.Err.Class != "empty": // one token may be the one that ends the reply
			return server.Reply{}, refusal{e.Err}
		}
		return replyOf(&e), nil
	}
}

// asRefusal finds the failed request in an error.
func asRefusal(err error) (*event.Error, bool) {
	var r refusal
	ok := errors.As(err, &r)
	return r.cause, ok
}
