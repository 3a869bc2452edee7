package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"homellm/engine/engines"
)

// Send sends one user message with this text, asks for one token, and returns what the reply reports. It must send
// the prompt in the same way as the run: same API, same options.
type Send func(ctx context.Context, prompt string) (Reply, error)

// Report is the result of the self-test of a server's report of cached tokens.
type Report struct {
	InReply  bool   // replies report cached tokens, and the reports were right
	Source   string // usage or timings, if InReply
	Blank    bool   // the reply to the new prompt had no cached tokens, if InReply: this server reports 0 so
	Counters string // the metric whose growth gives the cached tokens; empty if none was proven
	Off      bool   // the server says that its prefix cache is switched off: every prompt has 0
	Zero     bool   // the report is proven, and nothing of the repeated prompt was cached
	Silent   bool   // replies report no cached tokens at all
	Doubtful bool   // not proven although it should be: figures contradict each other, or there were other clients
	Partial  bool   // replies count only the computed part of a prompt
	// the part of a prompt that replies count apart from the cached tokens includes them too: the sum has them twice
	Twice bool
	// how the replies contradict the server's own count of a prompt; empty: they agree, or the server has no such count
	Odd string
	// counters tell local from offloaded tokens, and of the repeated prompt their sum was what was cached
	Tiers bool
	Why   string // why nothing is proven
	Block int    // measured block size of the cache in tokens; 0: known before, or not found

	prompt string // the prompt that is in the server's cache when SelfTest returns
}

// Proven reports whether cached tokens are known for every request.
func (r Report) Proven() bool { return r.InReply || r.Counters != "" || r.Off }

// How describes the report in one clause, for doctor and reports.
func (r Report) How() string {
	switch {
	case r.Off:
		return "the prefix cache is switched off: 0 for every request"
	case r.Zero:
		return "0 of a repeated prompt was cached, by " + r.accounts() + ": the prefix cache is switched off, or the model " +
			"cannot use it"
	case r.InReply || r.Counters != "":
		return r.accounts()
	}
	return r.Why
}

// accounts names the source of cached tokens.
func (r Report) accounts() string {
	switch {
	case !r.InReply:
		return "growth of " + r.Counters
	case r.Counters != "":
		return r.Source + " of every reply, checked by " + r.Counters
	}
	return r.Source + " of every reply"
}

// canaryBlock is the assumed block size of a server that does not report its own.
const canaryBlock = 16

// Known is what is known of a server's cache before the self-test.
type Known struct {
	Block   int  // tokens in one block; 0: unknown
	Told    bool // the server itself reports it
	Context int  // context size in tokens; 0: unknown

	// Count has the server count the tokens of a prompt as Send sends it; nil: the server cannot count.
	Count func(ctx context.Context, prompt string) (int, error)
}

// enough is the length in tokens of a repeated prompt from which "nothing cached" means that the server caches
// nothing: no block is so long.
const enough = 2048

// SelfTest finds out whether the server's report of cached tokens is true: the same new prompt is sent twice, and the
// second time the server must report that most of it was cached. If the block size is uncertain, a prompt may be
// shorter than one block, so it is doubled until something was cached, or until [enough] tokens were not; and the
// block size is measured. It returns an error if requests fail. A server that reports nothing is a result in the
// Report.
func (s *Side) SelfTest(ctx context.Context, known Known, send Send) (Report, error) {
	t := selfTest{side: s, send: send, count: known.Count}
	off := false
	t.before, t.scrapeErr = s.scrapeIfAny(ctx)
	if t.before != nil {
		off = s.engine.Metrics.Config.Off(t.before)
		if told, ok := s.engine.Metrics.Config.BlockTokens(t.before); ok {
			known.Block, known.Told = told, true
		}
	}
	words := wordsOf(max(known.Block, canaryBlock))
	report, size, err := t.twice(ctx, canary(s.config.Draw, words))
	switch {
	case err != nil:
		return Report{}, err
	case off:
		return Report{Off: true, prompt: report.prompt}, nil
	case known.Told:
		return report, nil
	}
	if report.Silent && s.engine.API.Mute {
		return report, nil
	}
	for report.nothing() && size < enough && words < enough {
		if known.Context > 0 && 2*max(size, words) >= known.Context {
			break
		}
		longer := min(2*words, enough)
		if size > 0 {
			longer = min(longer, enough*words/size+words/8) // a word is at least one token
		}
		words = longer
		again, n, err := t.twice(ctx, canary(s.config.Draw, words))
		if ctx.Err() != nil {
			return Report{}, context.Cause(ctx)
		}
		if err != nil {
			break // it may exceed the server's context
		}
		report, size = again, n
	}
	if report.Proven() && !report.Zero {
		if err := t.learnBlock(ctx, &report, known.Context); err != nil {
			return Report{}, err
		}
	}
	return report, nil
}

// selfTest is the state of a self-test.
type selfTest struct {
	side      *Side
	send      Send
	count     func(context.Context, string) (int, error) // from Known
	before    *Snapshot                                  // includes every request so far; nil: there are no counters
	scrapeErr error                                      // why there are no counters
}

// once sends a prompt. The delta is that of the counters, if there are any.
func (t *selfTest) once(ctx context.Context, prompt string) (Reply, *Delta, error) {
	reply, err := t.send(ctx, prompt)
	if err != nil || t.before == nil {
		return reply, nil, err
	}
	var after *Snapshot
	if after, t.scrapeErr = t.side.AwaitCounters(ctx, t.before); t.scrapeErr != nil {
		t.before = nil
		return reply, nil, nil //nolint:nilerr // that there are no counters is a finding: scrapeErr has it
	}
	d := t.side.Between(t.before, after, reply)
	t.before = after
	return reply, &d, nil
}

// twice sends a new prompt twice and judges the reports. Size is the prompt's token count; 0: unknown.
func (t *selfTest) twice(ctx context.Context, prompt string) (report Report, size int, err error) {
	report.prompt = prompt
	var replies [2]Reply
	var deltas [2]Delta
	for i := range replies {
		var d *Delta
		if replies[i], d, err = t.once(ctx, prompt); err != nil {
			return Report{}, 0, fmt.Errorf("testing the cache report: request %d of 2: %w", i+1, err)
		}
		if d != nil {
			deltas[i] = *d
		}
	}
	if n := replies[1].Prompt; n != nil {
		size = *n
	}
	whole := 0
	if t.count != nil {
		whole, _ = t.count(ctx, prompt) // without a count, the replies decide
	}
	report.judge(replies, whole, deltas, t.side.engine.Metrics, t.scrapeErr)
	return report, size, nil
}

// nothing reports that no source showed cached tokens for the repeated prompt.
func (r Report) nothing() bool { return r.Zero || !r.Proven() && !r.Doubtful }

// scrapeIfAny scrapes a server that has metrics; the error says why there is no scrape.
func (s *Side) scrapeIfAny(ctx context.Context) (*Snapshot, error) {
	if !s.HasMetrics() {
		return nil, fmt.Errorf("%s has no metrics endpoint", s.engine.Title)
	}
	return s.Metrics(ctx)
}

// judge decides from both replies and the counters which report is true. "Nothing of the repeated prompt was cached"
// is a report too, if the server says so or if its counters account for the whole prompt and show no hit.
//
// Whole is the server's own count of the prompt; 0: unknown.
func (r *Report) judge(replies [2]Reply, whole int, deltas [2]Delta, n *engines.Metrics, scrapeErr error) {
	first, repeated := replies[0].usage(), replies[1].usage()
	r.Partial, r.Twice = partial(first, repeated), doubled(first, repeated)
	twice, known, odd := compareCounts(first, repeated, whole)
	if r.Odd = odd; known {
		r.Partial, r.Twice = false, twice
	}
	for i := range replies {
		if n, why := r.Whole(replies[i]); why == "" {
			replies[i].Prompt = n
		}
	}
	second := replies[1]
	r.Silent = second.Cached == nil
	why := wrong(replies)
	if why == "" && *second.Cached > 0 {
		r.InReply, r.Source, r.Blank = true, second.Source, replies[0].Cached == nil
	}
	whys := []string{why}
	switch {
	case scrapeErr != nil:
		whys = append(whys, "there are no counters: "+scrapeErr.Error())
	case deltas[1].Why != "":
		whys = append(whys, "counters: "+deltas[1].Why)
	case n != nil:
		if r.Counters = counted(n, deltas, r.InReply, second.Cached); r.Counters == "" {
			whys = append(whys, "none of its counters showed the repetition ("+n.Families()+")")
		}
		r.Tiers = deltas[1].tiered(second.Cached, r.Counters)
	}
	if r.InReply || r.Counters != "" {
		return
	}
	if n == nil {
		n = &engines.Metrics{}
	}
	zero := zeroBy(n, deltas[1])
	switch {
	case why == "": // the reply says 0
		r.Zero, r.InReply, r.Source, r.Counters = true, true, second.Source, zero
	case r.Silent && zero != "":
		r.Zero, r.Counters = true, zero
	default:
		r.Why = strings.Join(whys, "; ")
		r.Doubtful = !r.Silent || deltas[1].Why != "" && scrapeErr == nil
	}
}

// Whole is a prompt's token count, cached or not; nil with the reason if the reply does not have it.
func (r Report) Whole(reply Reply) (tokens *int, why string) {
	switch {
	case r.Twice && reply.Input != nil:
		return reply.Input, ""
	case !r.Partial:
		return reply.Prompt, ""
	case reply.Prompt == nil || reply.Cached == nil:
		return nil, "the server counts what it computed of a prompt, and does not say how much of it was cached"
	}
	if reply.Input != nil { // the prompt's count is a sum that includes the cached tokens
		return reply.Prompt, ""
	}
	return new(*reply.Prompt + *reply.Cached), ""
}

// usage returns the prompt counts of a reply.
func (r Reply) usage() usage { return usage{r.Prompt, r.Input, r.Cached} }

// wrong says why the cached tokens of both replies are not a valid report; empty if they are.
func wrong(replies [2]Reply) string {
	first, second := replies[0], replies[1]
	switch {
	case second.Cached == nil:
		return "the reply to a repeated prompt reports no cached tokens"
	case *second.Cached < 0 || second.Prompt != nil && *second.Cached > *second.Prompt:
		return fmt.Sprintf("the reply reports %d cached tokens of a prompt of %d", *second.Cached, *second.Prompt)
	case second.Computed != nil && second.Prompt != nil && *second.Computed+*second.Cached != *second.Prompt:
		return fmt.Sprintf("the reply reports %d cached and %d computed tokens of a prompt of %d", *second.Cached,
			*second.Computed, *second.Prompt)
	case first.Cached != nil && *first.Cached > 0 && *first.Cached >= *second.Cached:
		return fmt.Sprintf("the reply to a new prompt reports %d cached tokens, as many as to its repetition", *first.Cached)
	}
	return ""
}

// counted is the counter that showed the repetition; empty if none did. It must not contradict the replies.
func counted(n *engines.Metrics, deltas [2]Delta, inReply bool, cached *int) string {
	for _, by := range n.Cached {
		c1, ok1 := deltas[0].cached[by.Family]
		c2, ok2 := deltas[1].cached[by.Family]
		if ok2 && c2 > 0 && (!ok1 || c1 < c2) && (!inReply || c2 == *cached) {
			return by.Family
		}
	}
	return ""
}

// zeroBy is a counter that accounts for the repeated prompt and shows that nothing of it was cached; empty if there
// is none, or if another counter disagrees.
func zeroBy(n *engines.Metrics, d Delta) string {
	out := ""
	for _, by := range n.Cached {
		switch c, ok := d.cached[by.Family]; {
		case ok && c > 0:
			return ""
		case ok && out == "":
			out = by.Family
		}
	}
	return out
}

// Cached is the number of a request's prompt tokens that came from the server's cache, its source, and whether it was
// assumed (no report after a proven one means none). An unknown number has a reason.
//
// nullMeansZero is the profile's rule for a reply without a report. d may be nil.
func (r Report) Cached(reply Reply, d *Delta, nullMeansZero bool) (n *int, source string, assumed bool, why string) {
	none := 0
	switch {
	case r.Off:
		return &none, "counters", false, ""
	case reply.Cached != nil && r.InReply:
		return reply.Cached, reply.Source, false, ""
	}
	if r.Counters != "" && d != nil {
		if c, ok := d.cached[r.Counters]; ok {
			return &c, "counters", false, ""
		}
		why = d.Why
	}
	switch {
	case reply.Cached == nil && r.InReply && (nullMeansZero || r.Blank):
		return &none, r.Source, true, ""
	case reply.Cached == nil && r.InReply:
		return nil, "none", false, "the reply reports no cached tokens, which may mean 0"
	case r.Why != "":
		return nil, "none", false, r.Why
	case why != "":
		return nil, "none", false, why
	case r.Counters != "":
		return nil, "none", false, r.Counters + " could not be read around this request"
	}
	return nil, "none", false, "the cache report was not tested"
}

// ErrNotReset is wrapped by the error of a reset that had no effect.
var ErrNotReset = errors.New("the server still had the prompt in its cache")

// VerifyReset resets the cache and repeats the prompt of the self-test: nothing of it may be cached. A reset that had
// no effect, and one that cannot be verified, is an error.
func (s *Side) VerifyReset(ctx context.Context, r Report, send Send) error {
	if !r.Proven() || r.prompt == "" {
		return fmt.Errorf("verifying the cache reset: without a proven cache report it cannot be verified (%s)", r.How())
	}
	if err := s.ResetCache(ctx); err != nil {
		return err
	}
	if r.Off {
		return nil
	}
	n, err := s.repeat(ctx, r, send)
	if err != nil {
		return fmt.Errorf("verifying the cache reset: %w", err)
	}
	if n > 0 {
		return fmt.Errorf(
			"verifying the cache reset: %w: %d tokens of a repeated prompt; was another request running?",
			ErrNotReset,
			n,
		)
	}
	return nil
}

// VerifySalt repeats the prompt of the self-test under a salt: nothing after the salt may be cached. salted sends
// like the self-test's send, with its own salt. lead is how many tokens may precede the salt: 0 for a salt in the
// body, a few for one at the start of the first message, after the template's beginning.
func (s *Side) VerifySalt(ctx context.Context, r Report, salted Send, lead int) error {
	if !r.Proven() || r.prompt == "" {
		return fmt.Errorf("verifying the cache salt: without a proven cache report it cannot be verified (%s)", r.How())
	}
	if r.Off {
		return nil
	}
	n, err := s.repeat(ctx, r, salted)
	if err != nil {
		return fmt.Errorf("verifying the cache salt: %w", err)
	}
	if n > lead {
		return fmt.Errorf("verifying the cache salt: %w: %d tokens of a prompt repeated under another salt", ErrNotReset, n)
	}
	return nil
}

// repeat sends the self-test's prompt once more and returns its cached tokens.
func (s *Side) repeat(ctx context.Context, r Report, send Send) (int, error) {
	var before *Snapshot
	if r.Counters != "" && !r.InReply {
		var err error
		if before, err = s.Metrics(ctx); err != nil {
			return 0, err
		}
	}
	reply, err := send(ctx, r.prompt)
	if err != nil {
		return 0, err
	}
	var delta *Delta
	if before != nil {
		after, err := s.AwaitCounters(ctx, before)
		if err != nil {
			return 0, err
		}
		d := s.Between(before, after, reply)
		delta = &d
	}
	// The report showed this same prompt as cached, so a missing report now means none.
	n, _, _, why := r.Cached(reply, delta, true)
	if n == nil {
		return 0, fmt.Errorf("the cached tokens of the repeated prompt are unknown: %s", why)
	}
	return *n, nil
}

// NewText returns a text with a number of words that is new to every server.
func (s *Side) NewText(words int) string { return canary(s.config.Draw, words) }
