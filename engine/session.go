package engine

import (
	"context"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/observe"
	"homellm/engine/prompt"
	"homellm/engine/stats"
	"homellm/engine/target"
)

// Models are the sources of what is known of models besides the plan.
type Models struct {
	Templates *prompt.Templates // nil: the templates shipped with homellm
	Tokenizer prompt.Counters   // for servers that do not tokenise; nil: estimates
}

// instruments are shared by all sessions of a run.
type instruments struct {
	id       string // of the run
	epoch    time.Time
	out      *collector
	progress *progress
	clocks   *observe.Clocks
	machine  *machine
	raw      *rawKeeper // nil: raw replies are discarded
	models   Models
	open     func(context.Context, *dsl.Cell) (*target.Target, error)
}

// session is one attempt at a cell: its judge and its observer, and while it is open a server with its clients and
// the maker of its prompts. None of these knows another.
type session struct {
	*instruments
	cell     *dsl.Cell
	attempt  int // from 1; a resumed cell starts the next one
	notes    notes
	judge    *judge.Judge
	looks    stats.Looks // of a run with a budget, including the judgement at its end; none: the cell is judged once
	observer *observe.Observer

	target  *target.Target // nil: it is not open
	clients *target.Clients
	maker   *prompt.Maker
	waited  time.Duration // by steps that wait, since the last request of the conversation
	sending *rawTurn      // the measured turn whose reply is being read; nil: none
	replied string        // the model's name in the last reply before the measured ones; empty: it had none
}

func newSession(of *instruments, cell *dsl.Cell, attempt int) *session {
	s := &session{instruments: of, cell: cell, attempt: attempt, judge: judge.New(cell)}
	s.notes.emit = s.emit
	s.observer = observe.New(cell, of.clocks, s.notes.add)
	return s
}

func (s *session) emit(body event.Body) { s.out.emit(s.cell.ID, body) }

func (s *session) isOpen() bool { return s.target != nil }

// start opens the session's server. If another cell's server had to run in between, the session is started again and
// continues the same attempt.
func (s *session) start(ctx context.Context) error {
	t, err := s.open(ctx, s.cell)
	if err != nil {
		return err
	}
	if s.raw != nil {
		t.Client.Raw = func(x *event.Exchange, raw client.Raw) {
			if s.sending != nil {
				s.raw.offer(*s.sending, x, raw)
			}
		}
	}
	if s.clients, err = target.NewClients(t.Client); err != nil {
		t.Shut()
		return err
	}
	s.target = t
	defer s.notes.flush()
	if err := s.prepare(ctx); err != nil {
		s.close()
		return err
	}
	if !s.notes.begun {
		s.begin(ctx)
	}
	return nil
}

// prepare sends the requests that are not part of the scenario, before anything is measured.
func (s *session) prepare(ctx context.Context) error {
	t := s.target
	if err := t.Prepare(ctx, s.cell, s.notes.once); err != nil {
		return err
	}
	asked := prompt.Server{Engine: t.Facts.Engine, API: t.Client.API, Body: t.Body, Block: t.Block, Tokenize: t.Tokenize,
		Thoughts: t.ReadsThoughts()}
	if t.Side != nil {
		asked.TokenizeText = t.Side.TokenizeText
	}
	s.maker = prompt.New(s.cell, s.models.Templates, s.models.Tokenizer, asked)
	proven, err := s.observer.Preflight(ctx, observe.Server{
		URL: t.Facts.URL, Engine: t.Facts.Engine, Side: t.Side, Block: t.Block, BlockKnown: t.BlockTold,
		TruncatesAt: t.Context, ContextSize: t.Takes(), Embedded: t.Embedded, Resets: t.Reset != nil,
		Salt: s.newSalt(pass{}, "canary"),
		Lead: s.maker.Lead(), Hints: t.Hints(s.cell.Server), Ended: t.Ended, Send: s.probe,
		Ask:    s.ask,
		Window: func() (int, string) { return t.Window(s.cell) },
		Expect: func(text, salt string) *event.Estimate { return s.maker.Estimate(s.maker.Probe(text, salt, 1)) },
	})
	if learnt := s.observer.Block(); learnt != t.Block {
		t.Block, t.Facts.BlockTokens = learnt, learnt
		s.maker.Blocks(learnt)
	}
	t.Facts.Unsupported = s.observer.Unsupported()
	s.tellUnkept()
	proof := s.observer.Proof()
	t.Facts.Capabilities = nil
	for _, c := range proof.Refine(t.Capabilities()) {
		if c.OK {
			t.Facts.Capabilities = append(t.Facts.Capabilities, c.Name)
		}
	}
	if proven {
		t.Facts.Capabilities = append(t.Facts.Capabilities, "cache_report_proven")
	}
	if err != nil {
		return err
	}
	if err := proof.Lacking(s.cell.Scenario.Requires.Capabilities, s.cell.Server.Name); err != nil {
		return err
	}
	return t.Answered(s.cell, s.replied)
}

// tellUnkept says which keys of the cell's requests have no effect, and what cannot be known for that.
func (s *session) tellUnkept() {
	keys := s.cell.Unkept()
	if len(keys) == 0 {
		return
	}
	why := s.cell.WhyUnkept(keys)
	s.notes.once("request_key_unknown", "%s", why)
	facts := &s.target.Facts
	if facts.Unsupported == nil {
		facts.Unsupported = map[string]string{}
	}
	for _, key := range metrics.Ignored(keys) {
		facts.Unsupported[key] = why
	}
}

// begin emits the start of the attempt.
func (s *session) begin(ctx context.Context) {
	t := s.target
	if s.cell.Scenario.Run.Cache == dsl.BySalt {
		t.Facts.SaltMethod = "message"
		if s.cell.Server.Capabilities.CacheSalt != "" {
			t.Facts.SaltMethod = "body"
		}
	}
	t.Facts.Revision = target.Revision(s.cell, t.Facts.Engine)
	s.emit(event.CellStarted{Attempt: s.attempt, Server: t.Facts})
	s.notes.begun = true
	s.measureTarget(ctx)
	if !s.observer.TellsByTime() {
		return
	}
	defer s.progress.waiting(s.cell, "replies to new prompts, which tell how fast the server computes them: it reports "+
		"no cached tokens")()
	if cold := s.observer.ColdPrompts(ctx, s.cell.LongestPrompt()); cold != nil {
		s.emit(*cold)
	}
}

// coldAgain measures between repeats whether the server is still as fast as before, where times tell what it
// cached, and where what it caches of that is found by no later repeat.
func (s *session) coldAgain(ctx context.Context, p pass) {
	run := s.cell.Scenario.Run
	if p.warmup || p.repeat < run.Repeats && (run.Cache == dsl.NotIsolated || run.Scope == dsl.OfRun) {
		return
	}
	if cold := s.observer.ColdAgain(ctx, p.repeat); cold != nil {
		s.emit(*cold)
	}
}

// measureTarget emits what is measured once per server: the cost of its start, its round trip time, and the GPU's
// idle power.
func (s *session) measureTarget(ctx context.Context) {
	t := s.target
	s.emitStart()
	if t.RTT > 0 {
		s.emit(event.Facts{Source: "client",
			Values: map[string]float64{"client.rtt_floor_ms": event.Milliseconds(t.RTT)}})
	}
	if t.Embedded {
		return
	}
	if watts, ok := s.machine.rest(ctx); ok {
		s.emit(event.Facts{Source: "GPU driver", Values: map[string]float64{"gpu.idle_w": watts}})
	}
}

// emitStart emits the cost of a start of the server.
func (s *session) emitStart() {
	if r := s.target.Started; r != nil {
		s.emit(r.Facts())
		if r.Unseen() {
			s.notes.once("owner_unseen", "which process answers at %s cannot be seen, as behind a container: that it is the "+
				"one that was started is not certain", s.target.Facts.URL)
		}
	}
}

// close releases the server; start gets one again.
func (s *session) close() {
	if s.target == nil {
		return
	}
	s.clients.Close()
	s.target.Shut()
	s.target = nil
}

// judgeRepeat judges the assertions of a single repeat.
func (s *session) judgeRepeat(repeat int) (abort string) {
	s.out.read(func(f *metrics.Run) { abort = s.judge.Repeat(f, repeat) })
	return abort
}

// judgeAll judges the cell over all its repeats, emits its verdicts and returns the name of the first failed gate.
func (s *session) judgeAll() (failed string) {
	s.observer.Summarise()
	s.machine.remark(s.notes.add)
	var verdicts []event.Body
	s.out.read(func(f *metrics.Run) { verdicts, failed = s.judge.Cell(f, s.looks) })
	for _, v := range verdicts {
		s.emit(v)
	}
	return failed
}
