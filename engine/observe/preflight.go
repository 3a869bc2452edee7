package observe

import (
	"context"
	"fmt"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/server"
)

// Preflight sends requests that are not part of the scenario, before anything is measured. It checks that the model
// answers, that the server's report of cached tokens is true, and that isolation between repeats works: a new prompt
// that is sent twice must be found in the cache, and must not be found after a reset or under another salt. Proven
// says whether the report of cached tokens passed.
func (o *Observer) Preflight(ctx context.Context, s Server) (proven bool, err error) {
	if s.Expect != nil {
		send := s.Send
		s.Send = func(ctx context.Context, text, salt string) event.Exchange {
			e := send(ctx, text, salt)
			if e.Err == nil {
				o.signs.calibrate(s.Expect(text, salt), e.Usage.Prompt)
			}
			return e
		}
	}
	if proven, err = o.proveReport(ctx, s); err != nil || s.Ask == nil || o.told.replies == 0 {
		return proven, err
	}
	o.proveStream(ctx)
	return proven, context.Cause(ctx)
}

// proveStream finds out whether the server sends replies as it generates them. It comes last, because its prompt may
// evict the others from the cache.
func (o *Observer) proveStream(ctx context.Context) {
	p := Proof{told: o.told}
	p.ProveStream(ctx, o.server.Side, o.server.Ask)
	o.flow.stream = p.stream
	if held := p.stream.held; held != "" {
		o.notes.once("buffered", "the server, or what is in front of it, holds replies back: of a reply before the "+
			"measured ones %s; decode speed is unknown, and a first token was made at any time before it arrived", held)
	}
}

// proveReport checks the report of cached tokens and the isolation.
func (o *Observer) proveReport(ctx context.Context, s Server) (proven bool, err error) {
	o.server = s
	o.report, o.counters, o.isolation, o.told = server.Report{}, counters{}, isolation{}, replyFacts{}
	o.flow = flow{}
	if !o.tested() {
		if _, err := o.canary("")(ctx, "Hello"); err != nil {
			return false, o.refused(ctx, err)
		}
		if rule := o.cell.Server.Capabilities.CacheReport; rule.Told() {
			o.report = server.Report{InReply: true, Source: rule.Source} // the profile vouches for it
		}
		o.chooseCounters()
		o.noteUnproven()
		return false, nil
	}
	known := server.Known{Block: s.Block, Told: s.BlockKnown, Context: s.ContextSize, Count: s.Count}
	proof, err := Prove(ctx, s.Side, known, s.Send)
	o.told = proof.told
	if err != nil {
		return false, o.refused(ctx, err)
	}
	o.report = proof.Report
	report := proof.Report
	proven = report.Proven()
	if report.Odd != "" {
		o.notes.once("prompt_contradicted", "self-test: %s", report.Odd)
	}
	if report.Zero || report.Off {
		o.notes.once("cache_off", "self-test: %s", report.How())
	}
	if !proven {
		o.report.Why = "self-test: " + report.Why
		if report.Silent {
			o.report.Why += reportHint(s.Engine)
		}
	}
	o.adoptBlock()
	o.chooseCounters()
	return proven, o.proveIsolation(ctx)
}

// adoptBlock replaces the profile's block size by the measured one.
func (o *Observer) adoptBlock() {
	learnt := o.report.Block
	if learnt == 0 || learnt == o.server.Block {
		return
	}
	if said := o.server.Block; said > 0 {
		o.notes.once("block_learnt", "the prefix cache keeps blocks of %d tokens, and the profile says %d: what was "+
			"seen counts", learnt, said)
	}
	o.server.Block = learnt
}

// Proof returns what the replies to the preflight showed.
func (o *Observer) Proof() *Proof {
	return &Proof{Report: o.report, told: o.told, stream: o.flow.stream}
}

// chooseCounters decides whether the counters are read around every turn. They are not needed where every reply
// reports the same figures.
func (o *Observer) chooseCounters() {
	side := o.server.Side
	o.counters.on = side != nil && side.HasMetrics() && o.cell.Server.Capabilities.Metrics != "" &&
		(!side.Engine().Metrics.InReply || !o.report.InReply)
}

// proveIsolation checks that the scenario's isolation works on this server.
func (o *Observer) proveIsolation(ctx context.Context) error {
	if !o.report.Proven() {
		o.noteUnproven()
		return nil
	}
	var err error
	cache := o.cell.Scenario.Run.Cache
	switch {
	case cache == dsl.BySalt:
		err = o.server.Side.VerifySalt(ctx, o.report, o.canary(o.server.Salt), o.server.Lead)
	case cache == dsl.ByReset && o.server.Resets:
		err = o.server.Side.VerifyReset(ctx, o.report, o.canary(""))
	}
	if err == nil {
		return nil
	}
	if _, failed := asRefusal(err); failed || ctx.Err() != nil {
		return o.refused(ctx, err)
	}
	return Unisolated(o.cell.Server, "%s: isolation by %s does not work: %w", o.server.URL, cache, err)
}

// noteUnproven notes that the isolation could not be checked, because there is no report of cached tokens.
func (o *Observer) noteUnproven() {
	if cache := o.cell.Scenario.Run.Cache; cache == dsl.ByReset && o.server.Resets {
		o.notes.once("isolation_unproven",
			"isolation by %s was not proven: that takes a report of cached tokens that can be relied on, and "+
				"the server has none", cache)
	}
}

// reportHint says how to make an engine report cached tokens.
func reportHint(engine string) string {
	if e := engines.Of(engine); e.Hints.ReportFlag != "" {
		return "; start " + e.Title + " with " + e.Hints.ReportFlag
	}
	return ""
}

// refused decides whether a failed preflight request ends the cell. A server that answers with errors is measured all
// the same: its failures are a result of the run.
func (o *Observer) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e, ok := asRefusal(err)
	if !ok {
		return err
	}
	if e.Class == "connect" || e.Class == "reset" {
		if died := o.server.Ended(); died != nil {
			return died
		}
	}
	if hint, fatal := o.server.Hints[e.Class]; fatal {
		what := "does not answer"
		if e.Class != "connect" {
			what = "refuses to reply"
		}
		return server.WithHint(fmt.Errorf("%s %s: %s", o.server.URL, what, e.Message), hint)
	}
	o.report = server.Report{Why: "the cache self-test failed: " + e.Message}
	o.chooseCounters()
	return nil
}
