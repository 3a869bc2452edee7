package observe

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/server"
)

func TestUnsupported(t *testing.T) {
	whole := event.Exchange{Usage: event.Usage{Prompt: new(9), Completion: new(1), Reasoning: new(0), Cached: new(0)},
		Timings: map[string]float64{}}
	for _, name := range []string{"queue_ms", "load_ms", "prefill_ms", "decode_ms", "ttft_ms", "e2e_ms", "total_ms",
		"itl_ms", "prompt_tokens", "cached_tokens"} {
		whole.Timings["server."+name] = 1
	}
	whole.Timings["spec.draft_tokens"], whole.Timings["cache.local_tokens"] = 0, 0
	for name, c := range map[string]struct {
		reply  func(e *event.Exchange)
		report server.Report
		want   string // the keys
	}{
		"it tells everything": {report: server.Report{InReply: true, Source: "usage"}},
		"it is silent of its cache": {reply: func(e *event.Exchange) { e.Usage.Cached = nil },
			report: server.Report{Silent: true, Why: "no cached tokens"}, want: "cache"},
		"its counters tell": {reply: func(e *event.Exchange) { e.Usage.Cached = nil },
			report: server.Report{Counters: "f"}},
		"it contradicts itself": {report: server.Report{Doubtful: true, Why: "500 of 99"}},
		"somebody else uses it": {reply: func(e *event.Exchange) { e.Usage.Cached = nil },
			report: server.Report{Silent: true, Doubtful: true, Why: "somebody else"}},
		"it counts no tokens": {reply: func(e *event.Exchange) { e.Usage = event.Usage{Cached: new(0)} },
			report: server.Report{InReply: true}, want: "reasoning_tokens usage"},
		"it has no queue": {reply: func(e *event.Exchange) { delete(e.Timings, "server.queue_ms") },
			report: server.Report{InReply: true}, want: "server.queue_ms"},
		"it does not draft": {reply: func(e *event.Exchange) { delete(e.Timings, "spec.draft_tokens") },
			report: server.Report{InReply: true}, want: "speculation"},
		"it has one cache": {reply: func(e *event.Exchange) { delete(e.Timings, "cache.local_tokens") },
			report: server.Report{InReply: true}, want: "cache_tiers"},
		"its counters tell its caches apart": {reply: func(e *event.Exchange) { delete(e.Timings, "cache.local_tokens") },
			report: server.Report{InReply: true, Tiers: true}},
		"it fails": {reply: func(e *event.Exchange) { e.Err = &event.Error{Class: "server_error"} }},
	} {
		t.Run(name, func(t *testing.T) {
			e := whole
			e.Timings = maps.Clone(whole.Timings)
			if c.reply != nil {
				c.reply(&e)
			}
			o, _ := alone(Server{Send: func(context.Context, string, string) event.Exchange { return e }})
			_, _ = o.canary("")(t.Context(), "Hello")
			o.report = c.report
			got := o.Unsupported()
			if keys := strings.Join(slices.Sorted(maps.Keys(got)), " "); keys != c.want {
				t.Errorf("it cannot tell %q, want %q", keys, c.want)
			}
			if got["cache"] != "" && got["cache"] != c.report.Why {
				t.Errorf("reason %q", got["cache"])
			}
		})
	}
	delete(whole.Timings, "cache.local_tokens")
	o, _ := alone(Server{Send: func(context.Context, string, string) event.Exchange { return whole }})
	o.cell.Scenario = &dsl.Scenario{Run: dsl.Run{Play: dsl.Together, Users: 2}, Conversations: []*dsl.Conversation{{}}}
	_, _ = o.canary("")(t.Context(), "Hello")
	o.report = server.Report{InReply: true, Tiers: true}
	if got := o.Unsupported(); got["cache_tiers"] != countedTogether {
		t.Errorf("counters tell the caches of requests at once apart: %v", got)
	}
	o, _ = alone(Server{Send: func(context.Context, string, string) event.Exchange { return event.Exchange{} }})
	_, _ = o.canary("")(t.Context(), "Hello")
	if got := o.Unsupported(); got["server_timings"] == "" || got["server.ttft_ms"] == "" ||
		got["cache"] != "server s reports no cached tokens" {
		t.Errorf("of a server that tells nothing: %v", got)
	}
}
