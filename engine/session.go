package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/prompt"
	"homellm/engine/stats"
	"homellm/engine/target"
)

// errGone says that a server stopped answering in the middle of a cell.
type errGone struct{ why string }

func (e errGone) Error() string { return e.why }

// session is one attempt at a cell: what has been judged of it, and while it is open a server, a
// client, and what that server has seen.
type session struct {
	run     *run
	index   int
	cell    *dsl.Cell
	judge   *judge.Judge
	attempt int          // from 1; a resumed cell begins the next one
	started bool         // the journal knows of the attempt
	early   []event.Note // notes from before that, for its beginning wipes out what the last attempt left
	seen    seen
	looks   stats.Looks // of a run with a budget, the judgement at its end included; none: that is the only one

	target  *target.Target
	clients *target.Clients
	maker   *prompt.Maker

	beside beside // what is learnt of the server beside its replies

	sending  rawAbout // the turn whose bytes are coming in
	measured bool     // it is not a warm-up and not a preflight
}

// open gives the session its server. A session that is opened again, because another cell's
// server had to run in between, goes on with the same attempt.
func (s *session) open(ctx context.Context) error {
	t, err := s.run.opt.Open(ctx, s.cell)
	if err != nil {
		return err
	}
	if s.run.opt.KeepRaw != nil {
		t.Client.Raw = func(x *event.Exchange, raw client.Raw) {
			if s.measured {
				s.run.raw.offer(s.sending, x, raw)
			}
		}
	}
	if s.clients, err = target.NewClients(t.Client); err != nil {
		t.Shut()
		return err
	}
	s.target = t
	defer s.tell()
	if err := s.prepare(ctx); err != nil {
		s.close()
		return err
	}
	if s.started {
		return nil
	}
	if s.cell.Scenario.Run.Cache == "salt" {
		t.Facts.SaltMethod = "message"
		if s.cell.Server.Capabilities.CacheSalt != "" {
			t.Facts.SaltMethod = "body"
		}
	}
	t.Facts.Revision = target.Revision(s.cell, t.Facts.Engine)
	s.run.out.emit(s.cell.ID, event.CellStarted{Attempt: s.attempt, Server: t.Facts})
	s.started = true
	s.opened(ctx)
	return nil
}

// prepare sends what is not part of the scenario, before anything is measured.
func (s *session) prepare(ctx context.Context) error {
	if err := s.target.Prepare(ctx, s.cell, s.once); err != nil {
		return err
	}
	s.maker = s.newMaker()
	return s.preflight(ctx)
}

// newMaker makes the maker of the prompts for the server that is open.
func (s *session) newMaker() *prompt.Maker {
	server := prompt.Server{
		Engine: s.target.Facts.Engine, API: s.target.Client.API, Body: s.target.Body, Block: s.target.Block, Tokenize: s.target.Tokenize,
	}
	if s.target.Side != nil {
		server.TokenizeText = s.target.Side.TokenizeText
	}
	return prompt.New(s.cell, s.run.templates, s.run.opt.Tokenizer, server)
}

// close lets go of the server; open brings one back.
func (s *session) close() {
	if s.target == nil {
		return
	}
	s.clients.Close()
	s.target.Shut()
	s.target = nil
}

// pass plays every conversation of the cell once and judges what a single repeat can tell.
func (s *session) pass(ctx context.Context, p pass) error {
	s.beside.shot = nil // other cells may have played on the same server since
	if err := s.isolate(ctx, p, "repeat", ""); err != nil {
		return err
	}
	defer s.run.machine.measure(s, p)()
	sent, dead, lost := 0, 0, 0
	for _, c := range s.cell.Scenario.Conversations {
		if err := s.isolate(ctx, p, "conversation", c.ID); err != nil {
			return err
		}
		for _, e := range s.converse(ctx, p, c) {
			sent++
			if e.Err != nil && broken[e.Err.Class] {
				lost++
			}
			if e.Err != nil && e.Err.Class == "connect" {
				dead++
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.beside.broken != nil {
			return s.beside.broken
		}
		if lost > 0 {
			if err := s.target.Ended(); err != nil {
				return errGone{err.Error()}
			}
		}
	}
	if !p.warmup {
		if abort := s.judgeRepeat(p.repeat); abort != "" {
			return errAbort{"assertion " + abort + " failed and says abort"}
		}
	}
	if sent > 0 && dead == sent {
		return errGone{"the server stopped answering: no connection in a whole repeat"}
	}
	return nil
}

// judgeRepeat judges what a single repeat can tell.
func (s *session) judgeRepeat(repeat int) (abort string) {
	s.run.out.read(func(f *metrics.Run) { abort = s.judge.Repeat(f, repeat) })
	return abort
}

// judgeAll judges the cell over all its repeats, emits its verdicts and returns the name of the
// first failed gate.
func (s *session) judgeAll() (failed string) {
	s.remarks()
	var verdicts []event.Body
	s.run.out.read(func(f *metrics.Run) { verdicts, failed = s.judge.Cell(f, s.looks) })
	for _, v := range verdicts {
		s.run.out.emit(s.cell.ID, v)
	}
	return failed
}

// broken are the classes of errors that the end of a server's process leaves behind.
var broken = map[string]bool{"connect": true, "reset": true, "truncated": true}

// isolate starts a new scope of cache isolation where the scenario draws the line.
func (s *session) isolate(ctx context.Context, p pass, at, conversation string) error {
	run := s.cell.Scenario.Run
	scope := run.Scope
	first := p.repeat == 1 && (p.warmup || run.Warmup == 0)
	if scope != at && (scope != "run" || at != "repeat" || !first) {
		return nil
	}
	switch run.Cache {
	case "salt":
		s.maker.Use(s.newSalt(p, conversation))
		s.isolated(s.maker.Lead())
	case "reset":
		if s.target.Reset == nil {
			return fmt.Errorf("isolation by reset: server %s has no way to reset its prefix cache", s.cell.Server.Name)
		}
		if err := s.target.Reset(ctx); err != nil {
			return s.unisolated("isolation by reset: %w", err)
		}
		s.maker.Forget()
		s.isolated(0)
	case "restart":
		if s.target.Restart == nil {
			return fmt.Errorf("isolation by restart: homellm did not start server %s and cannot restart it", s.cell.Server.Name)
		}
		url, err := s.target.Restart(ctx)
		if err != nil {
			return fmt.Errorf("restarting the server: %w", err)
		}
		s.clients.Close()
		s.target.Client.BaseURL = url
		if s.clients, err = target.NewClients(s.target.Client); err != nil {
			return err
		}
		s.maker.Forget()
		s.isolated(0)
		s.beside.last = nil // of the server that was stopped
		s.restarted()
	}
	return nil
}

// newSalt is one that no other scope, no other run and no other attempt has: what an aborted
// attempt left in the server's cache must not be found by the next one.
func (s *session) newSalt(p pass, conversation string) string {
	return prompt.Salt(fmt.Sprintf("%s/%s/%d/%d/%t/%s", s.run.opt.Header.ID, s.cell.ID, s.attempt, p.repeat, p.warmup, conversation))
}

// errTurn stops a conversation whose next prompt would rest on a reply that never came.
var errTurn = errors.New("turn failed")

// converse plays one conversation and returns what its requests saw. A conversation with a live
// history ends at its first failed turn, because what would follow is another conversation.
func (s *session) converse(ctx context.Context, p pass, c *dsl.Conversation) []event.Exchange {
	h := dsl.NewHistory(c.System)
	var seen []event.Exchange
	for _, step := range c.Steps {
		err := step.Do.Play(h, func(t dsl.Turn) (string, error) {
			s.run.progress.turn(s.cell, p, c, step, t)
			e := s.send(ctx, p, c, step, t)
			seen = append(seen, e)
			s.run.progress.reply(e)
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			if c.History == "recorded" {
				return t.Reply, nil
			}
			if e.Err != nil {
				return "", errTurn
			}
			return e.Text, nil
		})
		if err != nil {
			break
		}
	}
	return seen
}

// send measures one turn. Tokenising and bookkeeping happen before it is due and after it is
// done, never while the clock runs.
func (s *session) send(ctx context.Context, p pass, c *dsl.Conversation, step *dsl.Step, t dsl.Turn) event.Exchange {
	req := s.maker.Turn(step, t)
	ceiling := s.maker.Ceiling(ctx, req)
	s.look(ctx)
	s.run.out.settle() // everything before this request is kept: a crash loses this one at most

	s.sending = rawAbout{Cell: s.cell.ID, Repeat: p.repeat, Conversation: c.ID, Step: step.ID, Turn: t.N}
	s.measured = !p.warmup
	connect, e := s.do(ctx, step.Timeout, req)
	s.measured = false
	if t.MaxTokens > 0 && e.Err != nil && e.Err.Class == "empty" && e.Finish != "" {
		e.Err = nil // a prefill asks for one token, which may be one without text, such as the start of reasoning
	}
	if connect != nil && e.Connect == nil {
		e.Connect, e.Wire.Reused = connect, false
	}

	counted := s.settle(ctx, &e)
	r := event.Request{
		Repeat: p.repeat, Warmup: p.warmup, Conversation: c.ID, Step: step.ID, Turn: t.N,
		Action: step.Action, Phase: string(t.Phase), Exchange: e,
	}
	s.maker.Tell(ceiling, &r)
	r.Cached, r.CacheSource, r.CacheAssumed, r.CacheWhy = s.cached(&e, counted)
	where := whereIs(&r)
	s.cut(&r, req.Plain(), where)
	s.check(&r)
	s.reconcile(&r, counted, where)
	s.run.out.emit(s.cell.ID, r)
	s.watch(r)
	s.shares(ctx, &r)
	s.maker.Remember(ctx, req, ceiling, &e)
	return e
}

// do sends a request. Connect is how long a connection took that had to be made first.
func (s *session) do(ctx context.Context, timeout time.Duration, req prompt.Request) (connect *time.Duration, e event.Exchange) {
	c, err := s.clients.For(req.API)
	if err = cmp.Or(req.Err, err); err != nil {
		now := time.Since(s.run.epoch)
		return nil, event.Exchange{Due: now, Done: now, Err: &event.Error{Class: "bad_request", Message: err.Error()}}
	}
	connect, _ = c.Warm(ctx) // that it failed is for the request to tell
	turn, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return connect, c.Do(turn, s.run.epoch, time.Now(), req.Prompt)
}
