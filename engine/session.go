package engine

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/observe"
	"homellm/engine/prompt"
	"homellm/engine/stats"
	"homellm/engine/target"
)

// Models are the sources of templates and token counts.
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
	keeps    int // the last repeat that is kept of the attempt before; 0: none
	notes    notes
	judge    *judge.Judge
	looks    stats.Looks // of a run with a budget, including the judgement at its end; none: the cell is judged once
	observer *observe.Observer

	target      *target.Target // nil: it is not open
	connections []*connection  // the first one is there while it is open
	mu          mutex          // of everything here, while lanes are played together
	maker       *prompt.Maker
	salt        string          // of the latest scope of isolation; empty: there is none
	salts       map[string]bool // that were used
	replied     string          // the model's name in the last reply before the measured ones; empty: it had none

	searcher searcher
}

func newSession(of *instruments, cell *dsl.Cell, attempt int) *session {
	s := &session{instruments: of, cell: cell, attempt: attempt, judge: judge.New(cell), mu: make(mutex, 1),
		salts: map[string]bool{}, searcher: searcher{scenario: cell.Scenario}}
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
	s.target = t
	if err := s.connect(); err != nil {
		s.close()
		return err
	}
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
	waiting := func(what string) func() { return s.progress.waiting(s.cell, what) }
	if err := s.searcher.embed(ctx, t.Embedder, waiting); err != nil {
		return err
	}
	asked := prompt.Server{Engine: t.Facts.Engine, API: cmp.Or(s.cell.API(), t.Client.API), Body: t.Body,
		Block: t.Block, Tokenize: t.Tokenize, Thoughts: t.ReadsThoughts()}
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
		Count:  t.Count(asked.API),
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

// tellUnkept notes which keys of the cell's requests have no effect, and which figures are unknown because of that.
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
	s.emit(event.CellStarted{Attempt: s.attempt, Server: t.Facts, Keeps: s.keeps})
	s.notes.begun = true
	if d := s.cell.Scenario.Run.Duration; d > 0 && s.attempt > 1 {
		s.notes.once("played_again", "attempt %d: an earlier one did not last for %v, and the windows of two attempts are "+
			"not joined, because the pause between them would let the machine cool", s.attempt, d)
	}
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

// coldAgain measures between repeats whether the server is still as fast as before, if its cached tokens are inferred
// from times. It sends nothing where a later repeat could find these prompts in the cache.
func (s *session) coldAgain(ctx context.Context, p pass) {
	run := s.cell.Scenario.Run
	if p.windows != nil {
		p.repeat = dsl.Windows
	}
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
	if s.searcher.indexes != nil {
		s.emit(event.Facts{Source: "client",
			Values: map[string]float64{metrics.IndexTime: event.Milliseconds(s.searcher.took)}})
	}
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
			s.notes.once("owner_unseen", "the process that answers at %s is not visible, as behind a container: it may not "+
				"be the one that was started", s.target.Facts.URL)
		}
	}
}

// close releases the server; start gets one again.
func (s *session) close() {
	if s.target == nil {
		return
	}
	s.disconnect()
	s.target.Shut()
	s.target = nil
}

// judgeRepeat judges the assertions of a single repeat.
func (s *session) judgeRepeat(repeat int) (abort string) {
	s.attained(repeat)
	s.out.read(func(f *metrics.Run) { abort = s.judge.Repeat(f, repeat) })
	return abort
}

// endEarly judges what was measured in a pass that was not played to its end: of one that the run ended only which
// turns met the objectives, because its repeats are not complete.
func (s *session) endEarly(ctx context.Context, p pass) {
	switch {
	case p.warmup:
	case p.windows != nil && ctx.Err() == nil:
		s.judgeWindows()
	default:
		s.attained()
	}
}

// judgeWindows judges the assertions of every window.
func (s *session) judgeWindows() (abort string) {
	var numbers []int
	s.out.read(func(f *metrics.Run) { numbers = f.Cell(s.cell.ID).Repeats() })
	for _, n := range numbers {
		if name := s.judgeRepeat(n); abort == "" {
			abort = name
		}
	}
	return abort
}

// attained emits which turns of some repeats met the objectives, of all if none is named, where that is new or has
// changed.
func (s *session) attained(repeats ...int) {
	var found []event.Body
	s.out.read(func(f *metrics.Run) { found = s.judge.Attained(f, repeats...) })
	for _, b := range found {
		s.emit(b)
	}
}

// judgeAll judges the cell over all its repeats, emits its verdicts and returns the name of the first failed gate.
func (s *session) judgeAll() (failed string) {
	s.observer.Summarise()
	s.machine.remark(s.notes.add)
	s.attained()
	var verdicts []event.Body
	s.out.read(func(f *metrics.Run) { verdicts, failed = s.judge.Cell(f, s.looks) })
	for _, v := range verdicts {
		s.emit(v)
	}
	return failed
}

// isolate starts a new scope of cache isolation if the scenario asks for one. The salts of users and conversations are
// made when these are played.
func (s *session) isolate(ctx context.Context, p pass, at dsl.Span) error {
	run := s.cell.Scenario.Run
	scope := run.Scope
	first := p.repeat == 1 && (p.warmup || run.Warmup == 0)
	if scope != at && (scope != dsl.OfRun || at != dsl.OfRepeat || !first) {
		return nil
	}
	switch run.Cache {
	case dsl.BySalt:
		if at == dsl.OfRepeat {
			s.salt = s.newSalt(p, "")
			s.unused(s.salt)
			s.observer.Salted()
		}
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

// saltOf returns the salt of a part's prompts, and whether no prompt has been sent under it yet.
func (s *session) saltOf(p pass, part dsl.Part) (salt string, fresh bool) {
	run, user := s.cell.Scenario.Run, ""
	if part.User > 0 {
		user = fmt.Sprintf("user %d", part.User)
	}
	switch {
	case run.Cache != dsl.BySalt:
		return "", false
	case run.Scope == dsl.OfUser:
		salt = s.newSalt(p, user)
	case run.Scope == dsl.OfConversation:
		name := user + part.Conversation.Name()
		if p.play > 1 {
			name += fmt.Sprintf(" play %d", p.play)
		}
		salt = s.newSalt(p, name)
	case p.windows != nil && run.Scope == dsl.OfRepeat: // conversations of several windows may be under way together
		salt = s.newSalt(p, "")
	default:
		salt = s.salt
	}
	return salt, s.unused(salt)
}

// unused reports whether a salt is used for the first time.
func (s *session) unused(salt string) bool {
	used := s.salts[salt]
	s.salts[salt] = true
	return !used
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
	s.disconnect()
	s.target.Client.BaseURL = url
	if err := s.connect(); err != nil {
		return err
	}
	s.maker.Forget()
	s.observer.Restarted()
	s.emitStart()
	return nil
}

// newSalt is a salt that no other scope, run or attempt has: the cache may still hold what an aborted attempt sent.
func (s *session) newSalt(p pass, name string) string {
	return prompt.Salt(fmt.Sprintf("%s/%s/%d/%d/%t/%s", s.id, s.cell.ID, s.attempt, p.repeat, p.warmup, name))
}
