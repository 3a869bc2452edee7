package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/observe"
	"homellm/engine/prompt"
	"homellm/engine/target"
)

// errGone says that the server stopped answering in the middle of a cell.
type errGone struct{ why string }

func (e errGone) Error() string { return e.why }

// errAbort ends a run early because the scenario or the command line asks for it.
type errAbort struct{ why string }

func (e errAbort) Error() string { return e.why }

// errTurn ends a conversation whose next prompt needs a reply that is missing or that called a tool.
var errTurn = errors.New("turn failed")

// broken are the error classes that a crashed server causes.
var broken = map[string]bool{"connect": true, "reset": true, "truncated": true}

// pass plays every conversation of the cell once and judges the assertions of the repeat.
func (s *session) pass(ctx context.Context, p pass) error {
	s.observer.ForgetCounters() // other cells may have used the same server since
	if err := s.isolate(ctx, p, dsl.OfRepeat, ""); err != nil {
		return err
	}
	answers, err := s.play(ctx, p)
	if err != nil {
		return err
	}
	if !p.warmup {
		if answers {
			s.coldAgain(ctx, p)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if abort := s.judgeRepeat(p.repeat); abort != "" {
			return errAbort{"assertion " + abort + " failed and has abort: true"}
		}
	}
	if !answers {
		return errGone{"the server stopped answering: no connection in a whole repeat"}
	}
	return nil
}

// play plays every conversation of the cell once, and says whether the server answers at all.
func (s *session) play(ctx context.Context, p pass) (answers bool, err error) {
	defer s.machine.measure(s.cell.ID, p, s.target.Embedded)()
	sent, dead, lost := 0, 0, false
	for _, c := range s.cell.Scenario.Conversations {
		if err := s.isolate(ctx, p, dsl.OfConversation, c.ID); err != nil {
			return false, err
		}
		for _, e := range s.converse(ctx, p, c) {
			sent++
			if err := s.target.Still(s.cell, e.Wire.Model); err != nil {
				return false, err
			}
			lost = lost || e.Err != nil && broken[e.Err.Class]
			if e.Err != nil && e.Err.Class == "connect" {
				dead++
			}
		}
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if err := s.observer.Broken(); err != nil {
			return false, err
		}
		if lost {
			if err := s.target.Ended(); err != nil {
				return false, errGone{err.Error()}
			}
		}
	}
	return sent == 0 || dead < sent, nil
}

// isolate starts a new scope of cache isolation where the scenario asks for one.
func (s *session) isolate(ctx context.Context, p pass, at dsl.Span, conversation string) error {
	run := s.cell.Scenario.Run
	scope := run.Scope
	first := p.repeat == 1 && (p.warmup || run.Warmup == 0)
	if scope != at && (scope != dsl.OfRun || at != dsl.OfRepeat || !first) {
		return nil
	}
	switch run.Cache {
	case dsl.BySalt:
		s.maker.Use(s.newSalt(p, conversation))
		s.observer.Salted()
	case dsl.ByReset:
		if s.target.Reset == nil {
			return fmt.Errorf("isolation by reset: server %s has no way to reset its prefix cache", s.cell.Server.Name)
		}
		if err := s.target.Reset(ctx); err != nil {
			return observe.Unisolated(s.cell.Server, "isolation by reset: %w", err)
		}
		s.maker.Forget()
		s.observer.Emptied()
	case dsl.ByRestart:
		return s.restart(ctx)
	}
	return nil
}

// restart restarts the server, with an empty cache.
func (s *session) restart(ctx context.Context) error {
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
	s.observer.Restarted()
	s.emitStart()
	return nil
}

// newSalt is a salt that no other scope, run or attempt has: the cache may still hold what an aborted attempt sent.
func (s *session) newSalt(p pass, conversation string) string {
	return prompt.Salt(fmt.Sprintf("%s/%s/%d/%d/%t/%s", s.id, s.cell.ID, s.attempt, p.repeat, p.warmup, conversation))
}

// converse plays one conversation and returns its requests. A conversation with a live history ends at its first
// failed turn, because the rest would be another conversation.
func (s *session) converse(ctx context.Context, p pass, c *dsl.Conversation) []event.Exchange {
	h := c.Begin()
	h.Pause = func(d time.Duration) error { return s.pause(ctx, d) }
	s.waited = 0
	var seen []event.Exchange
	for _, step := range c.Steps {
		err := step.Play(h, func(t dsl.Turn) (dsl.Reply, error) {
			s.progress.turn(s.cell, p, c, step, t)
			e := s.measure(ctx, p, c, step, t)
			seen = append(seen, e)
			s.progress.reply(e)
			if ctx.Err() != nil {
				return dsl.Reply{}, context.Cause(ctx)
			}
			if c.History == dsl.Recorded {
				return t.Recorded(), nil
			}
			if e.Err != nil {
				return dsl.Reply{}, errTurn
			}
			if e.Tools != "" && t.Answer == nil {
				s.notes.once("tool_call_unanswered", "%s/%s turn %d: the reply calls a tool, and a scenario has no answers of "+
					"tools: the conversation ends here", c.ID, step.ID, t.N)
				return dsl.Reply{}, errTurn
			}
			return kept(e), nil
		})
		if err != nil {
			break
		}
	}
	return seen
}

// pause waits as a scenario says.
func (s *session) pause(ctx context.Context, d time.Duration) error {
	defer s.progress.waiting(s.cell, fmt.Sprintf("%v to pass, as the scenario says", d))()
	from := time.Now()
	err := sleep(ctx, d)
	s.waited += time.Since(from)
	return err
}

// kept is what a live history keeps of a reply.
func kept(e event.Exchange) dsl.Reply {
	return dsl.Reply{Text: e.Text, Thoughts: e.Reasoning, Calls: e.Calls}
}

// answered is what becomes of the calls of a reply: they are the server's own, and whether another request follows is
// for the reply that the history keeps.
func answered(mode dsl.HistoryMode, t dsl.Turn, e *event.Exchange) *event.Answered {
	if t.Answer == nil || e.Err != nil {
		return nil
	}
	own := t.Answer(kept(*e))
	out := event.Answered{Valid: own.Valid, Unmatched: own.Unmatched, Stopped: own.Stopped}
	if mode == dsl.Recorded {
		out.Stopped = t.Answer(t.Recorded()).Stopped
	}
	return &out
}

// measure measures one turn. Tokenising and bookkeeping happen before it is due and after it is done, never during
// the measurement.
func (s *session) measure(ctx context.Context, p pass, c *dsl.Conversation, step *dsl.Step, t dsl.Turn) event.Exchange {
	req := s.maker.Turn(step, t)
	ceiling := s.maker.Ceiling(ctx, req)
	s.observer.Before(ctx)
	s.out.flush() // everything before this request is stored: a crash loses this one at most

	if !p.warmup {
		s.sending = &rawTurn{Cell: s.cell.ID, Repeat: p.repeat, Conversation: c.ID, Step: step.ID, Turn: t.N}
	}
	e := s.send(ctx, step.Timeout, req)
	s.sending = nil
	if t.Prefill && e.Err != nil && e.Err.Class == "empty" && e.Finish != "" {
		e.Err = nil // a prefill asks for one token, which may have no text, such as the start of reasoning
	}

	r := event.Request{
		Repeat: p.repeat, Warmup: p.warmup, Conversation: c.ID, Step: step.ID, Turn: t.N,
		Unkept: req.Unkept, Action: step.Action, Prefill: t.Prefill, MaxTokens: req.MaxTokens, Phase: string(t.Phase),
		Images: images(t.Messages), Waited: s.waited, Round: t.Round, Answered: answered(c.History, t, &e), Exchange: e,
	}
	s.waited = 0
	s.observer.CountWhole(&r)
	s.maker.Tell(ctx, req, &ceiling, &r)
	if metrics.Unplaced(&r) {
		r.Later = s.maker.Later(ctx, &r.Exchange)
	}
	s.observer.After(ctx, &r, req.Plain())
	s.emit(r)
	s.observer.CheckJournaled(ctx, &r)
	s.maker.Remember(ctx, req, ceiling, &r.Exchange)
	return r.Exchange
}

// images are those of messages, as the journal has them.
func images(messages []dsl.Message) (out []event.Image) {
	for _, m := range messages {
		for _, i := range m.Images {
			out = append(out, event.Image{SHA256: i.SHA256, Media: i.Media, Bytes: len(i.Data)})
		}
	}
	return out
}

// send sends a request over a connection that is made before it is due.
func (s *session) send(ctx context.Context, timeout time.Duration, req prompt.Request) event.Exchange {
	c, err := s.clients.For(req.API)
	if err = cmp.Or(req.Err, err); err != nil {
		return s.unsent(err)
	}
	connect, _ := c.Warm(ctx) // the request reports the failure
	turn, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	e := c.Do(turn, s.epoch, time.Now(), req.Prompt)
	if connect != nil && e.Connect == nil {
		e.Connect, e.Wire.Reused = connect, false
	}
	return e
}

// probe sends a text that is not a turn in the same way as the turns, and asks for one token.
func (s *session) probe(ctx context.Context, text, salt string) event.Exchange {
	return s.test(ctx, s.maker.Probe(text, salt, 1))
}

// ask does the same without a salt, and asks for so many tokens.
func (s *session) ask(ctx context.Context, text string, tokens int) event.Exchange {
	return s.test(ctx, s.maker.Probe(text, "", tokens))
}

// test sends a request that is not a turn, and takes no longer than a turn may.
func (s *session) test(ctx context.Context, req prompt.Request) event.Exchange {
	c, err := s.clients.For(req.API)
	if err = cmp.Or(req.Err, err); err != nil {
		return s.unsent(err)
	}
	limit := min(s.cell.Server.HTTP.Whole(), s.cell.LongestTimeout())
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer s.progress.waiting(s.cell, fmt.Sprintf("a reply of %s to a test, for %v at most", s.target.Facts.URL, limit))()
	e := c.Do(ctx, s.epoch, time.Now(), req.Prompt)
	s.replied = cmp.Or(e.Wire.Model, s.replied)
	return e
}

// unsent is the exchange of a request that cannot be sent.
func (s *session) unsent(err error) event.Exchange {
	now := time.Since(s.epoch)
	return event.Exchange{Due: now, Done: now, Err: &event.Error{Class: "bad_request", Message: err.Error()}}
}
