package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/prompt"
)

// errGone says that the server stopped answering in the middle of a cell.
type errGone struct{ why string }

func (e errGone) Error() string { return e.why }

// Aborted ends a run early because the scenario or the command line asks for it.
type Aborted struct{ Why string }

func (a Aborted) Error() string { return a.Why }

// errTurn ends a conversation whose next prompt needs a reply that is missing or that called a tool.
var errTurn = errors.New("turn failed")

// broken are the error classes that a crashed server causes.
var broken = map[string]bool{"connect": true, "reset": true, "truncated": true}

// pass plays every conversation of the cell once and judges the assertions of the repeat.
func (s *session) pass(ctx context.Context, p pass) error {
	s.observer.ForgetCounters() // other cells may have used the same server since
	if d := s.cell.Scenario.Run.Duration; d > 0 && !p.warmup {
		p.windows = newWindows(d)
	}
	if err := s.isolate(ctx, p, dsl.OfRepeat); err != nil {
		return err
	}
	answers, err := s.play(ctx, p)
	if err != nil {
		s.endEarly(ctx, p)
		return err
	}
	if !p.warmup {
		if answers {
			s.coldAgain(ctx, p)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		judge := func() string { return s.judgeRepeat(p.repeat) }
		if p.windows != nil {
			judge = s.judgeWindows
		}
		abort := judge()
		if p.windows != nil {
			abort = cmp.Or(p.windows.failed, abort)
		}
		if abort != "" {
			return Aborted{"assertion " + abort + " failed and has abort: true"}
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
	s.mu.lock()
	defer s.mu.unlock()
	lanes, err := s.lanes(p)
	if err != nil {
		return false, err
	}
	var seen replies
	if p.windows != nil {
		s.beginWindows(p.windows)
	}
	if s.cell.Scenario.AtOnce() {
		err = s.together(ctx, p, lanes, &seen)
	} else {
		err = s.cell.Scenario.Run.Play.Take(len(lanes), func(i int, turn func() bool) error {
			return s.playLane(ctx, p, lanes[i], &seen, turn)
		})
	}
	return seen.sent == 0 || seen.dead < seen.sent, err
}

// beginWindows begins the time for which a cell is played.
func (s *session) beginWindows(w *windows) {
	w.began = time.Now()
	s.emit(event.Windows{From: w.began.Sub(s.epoch), Each: w.each})
	s.progress.lasts(w)
}

// replies counts the requests of a pass.
type replies struct {
	sent, dead int
	lost       bool // a request ended as if the server had crashed
}

// playPart plays a conversation for a user, calls turn after each of its turns, and reports whether any request was
// answered.
func (s *session) playPart(ctx context.Context, p pass, l *lane, part dsl.Part, seen *replies,
	turn func() bool) (answered bool, err error) {
	if err := s.isolate(ctx, p, dsl.OfConversation); err != nil {
		return false, err
	}
	l.dead++
	for _, e := range s.converse(ctx, p, l, part, turn) {
		seen.sent++
		if err := s.target.Still(s.cell, e.Wire.Model); err != nil {
			return false, err
		}
		answered = answered || e.Err == nil
		seen.lost = seen.lost || e.Err != nil && broken[e.Err.Class]
		if e.Err != nil && e.Err.Class == "connect" {
			seen.dead++
		} else {
			l.dead = 0
		}
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err := s.observer.Broken(); err != nil {
		return false, err
	}
	if seen.lost {
		if err := s.target.Ended(); err != nil {
			return false, errGone{err.Error()}
		}
	}
	return answered, nil
}

// chat is one conversation while it is played.
type chat struct {
	pass
	dsl.Part
	*lane
	salt   string        // of its prompts; empty: they have none
	fresh  bool          // no prompt has been sent under the salt yet
	begun  bool          // its first request is due: it will be finished
	waited time.Duration // time that steps waited since its last request

	retrieved []event.Retrieval // since its last request
}

// converse plays one conversation, calls turn after each of its turns, and returns its requests. A conversation with a
// live history ends at its first failed turn, because the rest would be another conversation.
func (s *session) converse(ctx context.Context, p pass, l *lane, part dsl.Part, turn func() bool) []event.Exchange {
	c, own := part.Conversation, &chat{pass: p, Part: part, lane: l}
	own.salt, own.fresh = s.saltOf(p, part)
	h := c.Begin()
	h.Pause = func(d time.Duration) error { return s.pause(ctx, own, d) }
	h.Retrieve = func(step string, a dsl.Lookup) ([]*dsl.Document, error) { return s.retrieve(ctx, own, step, a) }
	var seen []event.Exchange
	for _, step := range c.Steps {
		err := step.Play(h, func(t dsl.Turn) (dsl.Reply, error) {
			s.progress.turn(s.cell, p, c, step, t)
			e, ok := s.measure(ctx, own, step, t)
			if !ok {
				return dsl.Reply{}, errTurn
			}
			seen = append(seen, e)
			s.progress.reply(e)
			if ctx.Err() != nil {
				return dsl.Reply{}, context.Cause(ctx)
			}
			if !turn() || e.Err != nil && e.Err.Class == "retrieval" {
				return dsl.Reply{}, errTurn
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
		s.check(own, step.ID)
		if err != nil {
			break
		}
	}
	s.check(own, "")
	return seen
}

// check evaluates the assertions with abort of a step that was played in a window, or without a step those of its
// conversation. They end the time as soon as one fails.
func (s *session) check(c *chat, step string) {
	if c.windows == nil || !s.judge.Aborts() {
		return
	}
	of := c.Conversation
	in := metrics.Group{Repeat: c.repeat, Play: c.play, User: c.User, Conversation: of.ID, Item: of.ItemN(), Step: step}
	failed := ""
	s.unlocked(func() { s.out.read(func(f *metrics.Run) { failed = s.judge.Play(f, in, of.Item) }) })
	if failed != "" {
		c.windows.abort(failed)
	}
}

// pause waits as a scenario says.
func (s *session) pause(ctx context.Context, c *chat, d time.Duration) (err error) {
	if !s.cell.Scenario.AtOnce() { // else others are playing
		defer s.progress.waiting(s.cell, fmt.Sprintf("%v to pass, as the scenario says", d))()
	}
	from := time.Now()
	s.unlocked(func() { err = sleep(ctx, d) })
	c.waited += time.Since(from)
	return err
}

// kept returns a reply in the form that a live history keeps.
func kept(e event.Exchange) dsl.Reply {
	return dsl.Reply{Text: e.Text, Thoughts: e.Reasoning, Calls: e.Calls}
}

// answered says how the calls of a reply were answered: the calls are the server's own, but the reply that the history
// keeps decides whether another request follows.
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
// the measurement. It is false if the turn is not sent, because no conversation begins any more.
func (s *session) measure(ctx context.Context, c *chat, step *dsl.Step, t dsl.Turn) (event.Exchange, bool) {
	if lost := lost(c.retrieved); lost != nil {
		return s.unretrieved(c, step, t, lost), true
	}
	s.maker.Use(c.salt)
	req := s.maker.Turn(step, t)
	ceiling := s.maker.Ceiling(ctx, req)
	if !s.awaitDue(ctx, c) {
		return event.Exchange{}, false
	}
	if c.fresh {
		s.observer.Salted()
		c.fresh = false
	}
	before := s.observer.Before(ctx)
	s.unlocked(s.out.flush) // everything before this request is stored: a crash loses this one at most

	if !c.warmup {
		c.sending = &rawTurn{Cell: s.cell.ID, Repeat: c.repeat, Play: c.play, User: c.User,
			Conversation: c.Conversation.ID, Item: c.Conversation.ItemN(), Step: step.ID,
			Turn: t.N}
	}
	e := s.send(ctx, c, step.Timeout, req)
	c.sending = nil
	s.maker.Use(c.salt) // another lane may have used another one
	if t.Prefill && e.Err != nil && e.Err.Class == "empty" && e.Finish != "" {
		e.Err = nil // a prefill asks for one token, which may have no text, such as the start of reasoning
	}

	r := s.request(c, step, t)
	r.Unkept, r.MaxTokens, r.Answered, r.Exchange = req.Unkept, req.MaxTokens, answered(c.Conversation.History, t, &e), e
	c.replied(s.epoch.Add(e.Done), s.cell.Scenario.Run.Think)
	untested := ""
	if !s.maker.Probes(req.API) {
		untested = string(req.API)
	}
	s.observer.CountWhole(&r, untested)
	if step.Request.Chooses() && len(t.Tools) > 0 && !slices.Contains(req.Unkept, engines.ToolChoice) {
		s.observer.CheckChoice(&r, step.Request.ToolChoice, step.Request.Disobeys(r.Text, r.Calls))
	}
	if c.Conversation.History == dsl.Live {
		s.observer.CheckKept(&r)
	}
	s.maker.Tell(ctx, req, &ceiling, &r)
	if metrics.Unplaced(&r) {
		r.Later = s.maker.Later(ctx, &r.Exchange)
	}
	s.observer.After(ctx, before, &r, req.Plain())
	s.emit(r)
	s.observer.CheckJournaled(ctx, &r)
	s.maker.Remember(ctx, req, ceiling, &r.Exchange)
	return r.Exchange, true
}

// retrieve searches for a step when the next request is due, which is then sent at once. If the search fails, that
// request is not sent, and fails with the reason.
func (s *session) retrieve(ctx context.Context, c *chat, step string, l dsl.Lookup) (found []*dsl.Document, err error) {
	if !s.wait(ctx, c, time.Until(c.due)) {
		return nil, errTurn
	}
	var r event.Retrieval
	s.unlocked(func() { found, r = s.searcher.find(ctx, s.target, step, l) })
	c.due, c.retrieved = time.Time{}, append(c.retrieved, r)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return found, nil
}

// unretrieved emits a request that is not sent, because a search before it failed.
func (s *session) unretrieved(c *chat, step *dsl.Step, t dsl.Turn, lost *event.Retrieval) event.Exchange {
	now := time.Since(s.epoch)
	r := s.request(c, step, t)
	r.Exchange = event.Exchange{Due: now, Done: now, Err: &event.Error{Class: "retrieval",
		Message: fmt.Sprintf("step %s: %s", lost.Step, lost.Failed)}}
	s.emit(r)
	return r.Exchange
}

// request begins the record of a request, with what has happened in its conversation since the one before.
func (s *session) request(c *chat, step *dsl.Step, t dsl.Turn) event.Request {
	r := event.Request{
		Repeat: c.repeat, Warmup: c.warmup, Play: c.play, User: c.User, Conversation: c.Conversation.ID,
		Item: c.Conversation.ItemN(), Step: step.ID, Turn: t.N, Action: step.Action, Prefill: t.Prefill,
		Phase:  string(t.Phase),
		Images: images(t.Messages), Waited: c.waited, Round: t.Round, Retrieved: c.retrieved,
	}
	c.waited, c.retrieved = 0, nil
	return r
}

// ahead is how long before a request is due the last things are done that must not be done while it is under way.
const ahead = 250 * time.Millisecond

// wait waits until a chat may send. It is false if its conversation has not begun, and none begins any more.
func (s *session) wait(ctx context.Context, c *chat, d time.Duration) (begins bool) {
	var over chan struct{} // nothing comes from it: what has begun is finished
	if c.windows != nil && !c.begun {
		over = c.windows.over
	}
	if d > 0 {
		s.unlocked(func() {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-ctx.Done(): // the request reports the end of the run
			case <-timer.C:
			case <-over:
			}
		})
	}
	c.begun = over == nil || c.windows.failed == ""
	return c.begun
}

// awaitDue waits until shortly before a request is due. It is false if no conversation begins any more, and this one
// has not.
func (s *session) awaitDue(ctx context.Context, c *chat) (begins bool) {
	wait := time.Until(c.due.Add(-ahead))
	if begins = s.wait(ctx, c, wait); wait > 0 {
		s.observer.ForgetCounters() // somebody else may have used the server since
	}
	return begins
}

// send sends a request when it is due, over a connection that is made before.
func (s *session) send(ctx context.Context, c *chat, timeout time.Duration, req prompt.Request) (e event.Exchange) {
	due := c.due
	c.waited += c.thought
	c.due, c.thought = time.Time{}, 0
	to, err := c.clients.For(req.API)
	if err = cmp.Or(req.Err, err); err != nil {
		return s.unsent(err)
	}
	s.unlocked(func() {
		connect, _ := to.Warm(ctx) // the request reports the failure
		late := time.Until(due) < 0
		if due.IsZero() || late && !s.cell.Scenario.AtOnce() { // else its turn came later
			due = time.Now()
		}
		turn, cancel := context.WithTimeout(ctx, timeout+max(0, time.Until(due)))
		defer cancel()
		e = to.Do(turn, s.epoch, due, req.Prompt)
		if connect != nil && e.Connect == nil {
			e.Connect, e.Wire.Reused = connect, false
		}
	})
	return e
}

// probe sends a text that is not a turn in the same way as the turns, and asks for one token.
func (s *session) probe(ctx context.Context, text, salt string) event.Exchange {
	return s.test(ctx, s.maker.Probe(text, salt, 1))
}

// ask does the same without a salt, and asks for a number of tokens.
func (s *session) ask(ctx context.Context, text string, tokens int) event.Exchange {
	return s.test(ctx, s.maker.Probe(text, "", tokens))
}

// test sends a request that is not a turn, and takes no longer than a turn may.
func (s *session) test(ctx context.Context, req prompt.Request) event.Exchange {
	c, err := s.connections[0].clients.For(req.API)
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
