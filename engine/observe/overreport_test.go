package observe

import (
	"context"
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/server"
)

// A server that reports more cached tokens than any cache can have kept is not believed from then on.
func TestCheckCeiling(t *testing.T) {
	for name, c := range map[string]struct {
		cached, reusable int
		block            int
		source           string
		spread           float64 // of an estimate
		cache            dsl.Isolation
		first            bool // the first prompt behind an isolation
		shared           int
		drafted          float64 // tokens that were proposed for an earlier reply
		lie              bool
	}{
		"the ceiling":                   {cached: 64, reusable: 64, block: 1},
		"a token more":                  {cached: 65, reusable: 64, block: 1},
		"twice as much":                 {cached: 96, reusable: 48, block: 16, lie: true},
		"all but one of the prompt":     {cached: 99, reusable: 64, block: 16, lie: true},
		"a block more":                  {cached: 80, reusable: 64, block: 16},
		"within the error of a guess":   {cached: 80, reusable: 64, block: 1, source: "estimated", spread: 0.1},
		"beyond the error of a guess":   {cached: 99, reusable: 64, block: 1, source: "estimated", spread: 0.1, lie: true},
		"an unproven guess":             {cached: 99, reusable: 10, block: 1, source: "estimated"},
		"a cache that all share":        {cached: 99, reusable: 10, block: 1, cache: dsl.NotIsolated},
		"a server that others use":      {cached: 99, reusable: 10, block: 1, shared: 1},
		"a draft beyond the last reply": {cached: 81, reusable: 77, block: 1, drafted: 24},
		"more than was drafted":         {cached: 81, reusable: 77, block: 1, drafted: 2, lie: true},
		"more than any draft":           {cached: 99, reusable: 10, block: 1, drafted: 4000, lie: true},
		"the first behind an isolation": {cached: 30, reusable: 0, block: 1, first: true},
	} {
		t.Run(name, func(t *testing.T) {
			o, notes := alone(Server{Block: c.block})
			o.cell.Scenario.Run.Cache = dsl.BySalt
			if c.cache != "" {
				o.cell.Scenario.Run.Cache = c.cache
			}
			if c.first {
				o.isolate(32)
			}
			o.traffic.shared = c.shared
			o.addDrafts(reply(0, map[string]float64{"spec.draft_tokens": c.drafted}))
			r := reply(time.Millisecond, nil)
			r.Usage.Prompt, r.Cached, r.CacheSource = new(100), &c.cached, "usage"
			r.Reusable, r.ReusableSource = &c.reusable, "tokens"
			if c.source != "" {
				r.ReusableSource = c.source
			}
			if c.spread > 0 {
				r.Estimate = &event.Estimate{Spread: c.spread}
			}
			o.checkCeiling(o.Before(t.Context()), r)
			if withdrawn := r.Cached == nil && strings.HasPrefix(notes.String(), "cache_report_withdrawn: ") &&
				strings.Contains(notes.String(), "c/q turn 1"); withdrawn != c.lie {
				t.Fatalf("withdrawn %v, notes %q", withdrawn, notes)
			}
			o.report = server.Report{InReply: true, Source: "usage"}
			e := &event.Exchange{}
			e.Usage.Cached = new(5)
			if n, _, _, why := o.cached(e, nil); (n == nil) != c.lie || n == nil && why != r.CacheWhy {
				t.Errorf("the next reply has %v cached tokens (%s)", n, why)
			}
		})
	}
}

// What is proven to be nothing is told as a finding, and the flag that makes a server report only where it does not.
func TestPreflight_ReportOfNothing(t *testing.T) {
	for name, c := range map[string]struct {
		cached *int
		note   string
		why    string
	}{
		"nothing is cached": {cached: new(0), note: "cache_off: self-test: 0 of a repeated prompt was cached"},
		"it is silent":      {why: "; start vLLM with --enable-prompt-tokens-details"},
	} {
		t.Run(name, func(t *testing.T) {
			side, err := server.NewSide(server.Config{BaseURL: "http://127.0.0.1:9/v1", Engine: "vllm", Model: "m"})
			if err != nil {
				t.Fatal(err)
			}
			o, notes := alone(Server{})
			o.cell.Server.Capabilities.CacheReport = dsl.CacheReport{Source: "usage", Verify: true}
			e := event.Exchange{Usage: event.Usage{Prompt: new(99), Completion: new(1), Cached: c.cached}}
			proven, err := o.Preflight(t.Context(), Server{Side: side, Engine: "vllm",
				Send: func(context.Context, string, string) event.Exchange { return e }})
			if err != nil || proven != (c.why == "") || !strings.HasPrefix(notes.String(), c.note) ||
				!strings.HasSuffix(o.report.Why, c.why) {
				t.Errorf("proven %v, %v, notes %q, %q", proven, err, notes, o.report.Why)
			}
		})
	}
}
