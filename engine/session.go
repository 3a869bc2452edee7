package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/server"
)

// Target is a server that is ready to be measured, whoever started it.
type Target struct {
	Facts    event.Server
	Client   client.Config                                       // how to reach it
	Body     map[string]any                                      // extra keys of every request
	Tokenize func(context.Context, []dsl.Message) ([]int, error) // as the server renders them, with the opening of the reply; nil: it cannot
	Reset    func(context.Context) error                         // empties its prefix cache; nil: it cannot
	Restart  func(context.Context) (url string, err error)       // nil: homellm did not start it
	Block    int                                                 // tokens in one block of its prefix cache; 1 where it keeps single tokens
	Close    func()
	Side     *server.Side                       // what can be asked of the server beside completing text; nil: nothing
	Started  *Running                           // nil: homellm did not start it
	Died     func(patience time.Duration) error // how a server that homellm started ended by itself; nil: not ours
	RTT      time.Duration                      // shortest round trip; 0: not known
	Context  int                                // that every request asks for (Ollama's num_ctx); 0: none does
	Embedded bool                               // it runs in this process
}

func (t *Target) close() {
	if t.Close != nil {
		t.Close()
	}
}

// errGone says that a server stopped answering in the middle of a cell.
type errGone struct{ why string }

func (e errGone) Error() string { return e.why }

// session is one attempt at a cell: what has been judged of it, and while it is open a server, a
// client, and what that server has seen.
type session struct {
	run     *run
	index   int
	cell    *dsl.Cell
	judged  judged
	attempt int          // from 1; a resumed cell begins the next one
	started bool         // the journal knows of the attempt
	early   []event.Note // notes from before that, for its beginning wipes out what the last attempt left
	seen    seen
	looks   metrics.Looks // of a run with a budget, the judgement at its end included; none: that is the only one

	target  *Target
	client  *client.Client
	clients map[string]*client.Client // for other APIs than the profile's own
	known   map[string]*prefixes      // by salt
	salt    string

	beside beside // what is learnt of the server beside its replies

	sending  rawAbout // the turn whose bytes are coming in
	measured bool     // it is not a warm-up and not a preflight
}

// open gives the session its server. A session that is opened again, because another cell's
// server had to run in between, goes on with the same attempt.
func (s *session) open(ctx context.Context) error {
	target, err := s.run.opt.Open(ctx, s.cell)
	if err != nil {
		return err
	}
	if s.run.opt.KeepRaw != nil {
		target.Client.Raw = func(x *event.Exchange, raw client.Raw) {
			if s.measured {
				s.run.raw.offer(s.sending, x, raw)
			}
		}
	}
	if s.client, err = client.New(target.Client); err != nil {
		target.close()
		return fmt.Errorf("client for %s: %w", target.Facts.URL, err)
	}
	s.target, s.known = target, map[string]*prefixes{}
	defer s.tell()
	if err := s.preflight(ctx); err != nil {
		s.close()
		return err
	}
	if s.started {
		return nil
	}
	if s.cell.Scenario.Run.Cache == "salt" {
		target.Facts.SaltMethod = "message"
		if s.cell.Server.Capabilities.CacheSalt != "" {
			target.Facts.SaltMethod = "body"
		}
	}
	target.Facts.Revision = revision(s.cell, target.Facts.Engine)
	s.run.out.emit(s.cell.ID, event.CellStarted{Attempt: s.attempt, Server: target.Facts})
	s.started = true
	s.opened(ctx)
	return nil
}

// close lets go of the server; open brings one back.
func (s *session) close() {
	if s.target == nil {
		return
	}
	s.client.CloseIdle()
	s.forgetClients()
	s.target.close()
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
			if err := s.died(); err != nil {
				return errGone{err.Error()}
			}
		}
	}
	if !p.warmup {
		if abort := s.judgeRepeat(s.run.out, p.repeat); abort != "" {
			return errAbort{"assertion " + abort + " failed and says abort"}
		}
	}
	if sent > 0 && dead == sent {
		return errGone{"the server stopped answering: no connection in a whole repeat"}
	}
	return nil
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
		s.salt = salt(s.run.opt.Header.ID, s.cell.ID, s.attempt, p, conversation)
		s.isolated(s.lead())
	case "reset":
		if s.target.Reset == nil {
			return fmt.Errorf("isolation by reset: server %s has no way to reset its prefix cache", s.cell.Server.Name)
		}
		if err := s.target.Reset(ctx); err != nil {
			return s.unisolated("isolation by reset: %w", err)
		}
		clear(s.known)
		s.isolated(0)
	case "restart":
		if s.target.Restart == nil {
			return fmt.Errorf("isolation by restart: homellm did not start server %s and cannot restart it", s.cell.Server.Name)
		}
		url, err := s.target.Restart(ctx)
		if err != nil {
			return fmt.Errorf("restarting the server: %w", err)
		}
		s.client.CloseIdle()
		s.forgetClients()
		s.target.Client.BaseURL = url
		if s.client, err = client.New(s.target.Client); err != nil {
			return fmt.Errorf("client for %s: %w", url, err)
		}
		clear(s.known)
		s.isolated(0)
		s.beside.last = nil // of the server that was stopped
		s.restarted()
	}
	return nil
}

// salt is a short text that no other scope, no other run and no other attempt has: what an
// aborted attempt left in the server's cache must not be found by the next one.
func salt(run, cell string, attempt int, p pass, conversation string) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d/%d/%t/%s", run, cell, attempt, p.repeat, p.warmup, conversation))
	return hex.EncodeToString(h[:8])
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
	prompt := s.prompt(step, t)
	known := s.known[s.salt]
	if known == nil {
		known = &prefixes{block: s.target.Block}
		s.known[s.salt] = known
	}
	known.tokenize, known.local = prompt.tokenize, s.local(prompt)
	reuse := known.before(ctx, prompt.dsl)
	s.look(ctx)
	s.run.out.settle() // everything before this request is kept: a crash loses this one at most

	s.sending = rawAbout{Cell: s.cell.ID, Repeat: p.repeat, Conversation: c.ID, Step: step.ID, Turn: t.N}
	s.measured = !p.warmup
	connect, e := s.do(ctx, step.Timeout, prompt)
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
		Reusable: reuse.tokens, ReusableSource: reuse.source, ReusableWhy: reuse.why, Estimate: reuse.estimate,
	}
	if reuse.share != nil && e.Usage.Prompt != nil {
		n := wholeBlocks(int(*reuse.share*float64(*e.Usage.Prompt)), *e.Usage.Prompt, s.target.Block)
		r.Reusable = &n
	} else if reuse.share != nil {
		r.ReusableWhy = "no tokeniser, and the server did not report how many tokens the prompt has"
	}
	if reuse.prompt != nil && e.Usage.Prompt != nil && len(reuse.prompt) != *e.Usage.Prompt {
		r.Reusable, r.ReusableWhy = nil, fmt.Sprintf("the tokeniser counts %d prompt tokens, the reply says %d", len(reuse.prompt), *e.Usage.Prompt)
	}
	r.Cached, r.CacheSource, r.CacheAssumed, r.CacheWhy = s.cached(&e, counted)
	where := whereIs(&r)
	s.cut(&r, prompt.dsl, where)
	s.check(&r)
	s.reconcile(&r, counted, where)
	s.run.out.emit(s.cell.ID, r)
	s.watch(r)
	s.shares(ctx, &r)
	known.remember(ctx, reuse, prompt.dsl, &e)
	return e
}

// do sends a prompt. Connect is how long a connection took that had to be made first.
func (s *session) do(ctx context.Context, timeout time.Duration, p prompt) (connect *time.Duration, e event.Exchange) {
	if p.err != nil {
		now := time.Since(s.run.epoch)
		return nil, event.Exchange{Due: now, Done: now, Err: &event.Error{Class: "bad_request", Message: p.err.Error()}}
	}
	connect, _ = p.client.Warm(ctx) // that it failed is for the request to tell
	turn, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return connect, p.client.Do(turn, s.run.epoch, time.Now(), p.Prompt)
}

// prompt puts a turn into the form that goes on the wire: sampling, extra keys and salt.
func (s *session) prompt(step *dsl.Step, t dsl.Turn) prompt {
	caps := s.cell.Server.Capabilities
	messages := t.Messages
	extra := maps.Clone(s.target.Body)
	if extra == nil {
		extra = map[string]any{}
	}
	if s.salt != "" {
		messages = s.salts(messages, extra, s.salt)
	}
	req := step.Request
	out := client.Prompt{
		MaxTokens: req.MaxTokens, Temperature: req.Temperature, TopP: req.TopP, Seed: req.Seed, Stop: req.Stop, Extra: extra,
	}
	if t.MaxTokens > 0 {
		out.MaxTokens = t.MaxTokens
	}
	if req.IgnoreEOS != nil && caps.IgnoreEOS != "" {
		extra[caps.IgnoreEOS] = *req.IgnoreEOS
	}
	if req.MinTokens != nil && caps.MinTokens != "" && t.MaxTokens == 0 {
		extra[caps.MinTokens] = *req.MinTokens
	}
	return s.wire(req.API, messages, out)
}

// saltLine is a salt as a line of text.
func saltLine(salt string) string { return "[session " + salt + "]" }

// saltMessages puts the salt at the head of the prompt, where it changes every cached block,
// for servers that have no salt of their own. It costs a few prompt tokens, which the journal
// says (salt_method: message).
func saltMessages(messages []dsl.Message, salt string) []dsl.Message {
	line := saltLine(salt)
	if len(messages) > 0 && messages[0].Role == "system" {
		out := slices.Clone(messages)
		out[0].Content = line + "\n" + out[0].Content
		return out
	}
	return append([]dsl.Message{{Role: "system", Content: line}}, messages...)
}
