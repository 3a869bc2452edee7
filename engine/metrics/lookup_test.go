package metrics

import (
	"strings"
	"testing"

	"homellm/dsl/figure"
	"homellm/engine/event"
)

// played is a cell with three repeats of the conversation main: step load (1 turn, before), q
// (2 turns, with_rag). Turn k of repeat r has a TTFT of 100*r + 10*k ms. The second turn of q in
// repeat 3 failed.
func played() *Cell {
	r := foldAll(head("a"))
	r.Add(event.Event{Cell: "a", Body: event.CellStarted{Attempt: 1, Server: event.Server{Profile: "vllm-home",
		Engine: "vllm", ContextTokens: new(8192)}}})
	for repeat := 1; repeat <= 3; repeat++ {
		for k, step := range []string{"load", "q", "q"} {
			q := reply()
			q.Repeat, q.Step, q.Turn, q.Phase = repeat, step, max(k, 1), "with_rag"
			if step == "load" {
				q.Phase = "before"
			}
			start := at(float64(1000*repeat + 300*k))
			q.Due, q.Sent, q.Done = start, new(start), start+at(250)
			for i := range q.Chunks {
				q.Chunks[i].At = start + at(float64(100*repeat+10*k)+float64(i))
			}
			q.Timings = map[string]float64{"server.prefill_ms": float64(100*repeat + 10*k - 12)} // the way is 12 ms
			q.Usage.Prompt, q.Cached = new(100*(k+1)), new(50*k)
			if repeat == 3 && k == 2 {
				q.Err = &event.Error{Class: "truncated"}
			}
			r.Add(event.Event{Cell: "a", Body: q})
		}
		warm := reply()
		warm.Warmup, warm.Repeat, warm.Step = true, repeat, "q"
		r.Add(event.Event{Cell: "a", Body: warm})
	}
	r.Add(event.Event{Cell: "a", Body: event.Facts{Values: map[string]float64{"gpu.energy_j": 12},
		Source: "NVML counter"}})
	r.Add(event.Event{Cell: "a", Body: event.Facts{Values: map[string]float64{"gpu.energy_j": 18},
		Source: "NVML counter"}})
	return r.Cells[0]
}

func TestLookup(t *testing.T) {
	c := played()
	tests := []struct {
		scope  figure.Scope
		repeat int
		path   string
		want   any // nil: unknown
		unit   string
		source string
		why    string
	}{
		{"step", 1, "turn.ttft_ms", 120.0, "ms", "client", ""},
		{"step", 1, "first_turn.ttft_ms", 110.0, "ms", "client", ""},
		{"step", 2, "first_turn.cache.hit_rate", 0.25, "ratio", "usage", ""},
		{"step", 2, "turn.ok", true, "", "client", ""},
		{"step", 3, "turn.ok", false, "", "client", ""},
		{"step", 3, "turn.error", "truncated", "", "client", ""},
		{"step", 3, "turn.ttft_ms", nil, "ms", "client", "the request failed: truncated"},
		{"step", 1, "step.ttft_ms", 115.0, "ms", "client", ""},
		{"step", 3, "step.ttft_ms", 310.0, "ms", "client", ""},
		{"step", 1, "step.turns", 2, "turns", "client", ""},
		{"step", 1, "step.cache.hit_rate", 150.0 / 500, "ratio", "usage", ""},
		{"step", 1, "steps.load.ttft_ms", 100.0, "ms", "client", ""},
		{"step", 1, "steps.q.cache.source", "usage", "", "client", ""},
		{"step", 2, "repeat", 2, "", "plan", ""},
		{"step", 1, "server.name", "vllm-home", "", "plan", ""},
		{"step", 1, "server.context_tokens", 8192, "tokens", "server", ""},
		{"step", 1, "server.version", nil, "", "server", "the server does not report its version"},
		{"step", 4, "turn.ttft_ms", nil, "ms", "", "step q was not played in this repeat"},
		{"step", 1, "turn.nonsense", nil, "", "", "nonsense is not a metric of a turn"},
		{"step", 1, "gpu.power_w", nil, "", "", "gpu.power_w names nothing in step scope"},

		{"conversation", 1, "conv.requests", 3, "requests", "client", ""},
		{"conversation", 3, "conv.requests_failed", 1, "requests", "client", ""},
		{"conversation", 1, "conv.prompt_tokens", 600, "tokens", "usage", ""},
		{"conversation", 3, "conv.prompt_tokens", nil, "tokens", "usage", "the request failed: truncated"},
		{"conversation", 1, "conv.total_ms", 850.0, "ms", "client", ""},
		{"conversation", 3, "conv.total_ms", nil, "ms", "client", "a request failed: truncated"},
		{"conversation", 1, "conv.context_peak_tokens", 305, "tokens", "usage", ""},
		{"conversation", 1, "conv.cache.hit_rate", 150.0 / 600, "ratio", "usage", ""},
		{"conversation", 1, "phases.with_rag.cache.hit_rate", 150.0 / 500, "ratio", "usage", ""},
		{"conversation", 1, "phases.with_rag.turns", 2, "turns", "client", ""},
		{"conversation", 1, "phases.after_removal.ttft_ms", nil, "ms", "client", "phase after_removal was not played"},
		{"conversation", 1, "steps.q.ttft_ms", 110.0, "ms", "client", ""},

		{"scenario", 0, "steps.q.ttft_ms.p50", 210.0, "ms", "client; n=3 of 5 turns", ""},
		{"scenario", 0, "steps.q.ttft_ms.max", 310.0, "ms", "client; n=3 of 5 turns", ""},
		{"scenario", 0, "steps.q.ttft_ms.n", 3, "", "client; n=3 of 5 turns", ""},
		{"scenario", 0, "steps.q.cache.hit_rate.mean", (3*50 + 2*100.0) / (3*200 + 2*300), "ratio", "usage; n=3 of 5 turns",
			""},
		{"scenario", 0, "steps.q.server.queue_ms.n_unknown", 5, "", "server; n=3 of 5 turns, 5 unknown", ""},
		{"scenario", 0, "steps.q.server.queue_ms.p50", nil, "ms", "server; n=3 of 5 turns, 5 unknown",
			"the server says nothing of server.queue_ms"},
		{"scenario", 0, "phases.before.ttft_ms.p50", 200.0, "ms", "client; n=3", ""},
		{"scenario", 0, "phases.before.prompt_tokens.max", 100.0, "tokens", "usage; n=3", ""},
		{"scenario", 0, "phases.with_rag.prompt_tokens.max", 500.0, "tokens", "usage; n=2 of 4 turns", ""},
		{"scenario", 0, "conversations.main.requests.min", 3.0, "requests", "client; n=3 of 8 turns", ""},
		{"scenario", 0, "conversations.main.ttft_ms.n", 3, "", "client; n=3 of 8 turns", ""},
		{"scenario", 0, "conversations.main.ttft_ms.n_turns", 8, "", "client; n=3 of 8 turns", ""},
		{"scenario", 0, "steps.q.ttft_ms", nil, "", "", "ttft_ms needs a statistic such as .p50"},
		{"scenario", 0, "steps.none.ttft_ms.p50", nil, "ms", "client; n=0", "step none was not played"},
		{"scenario", 0, "run.repeats", 3, "repeats", "client", ""},
		{"scenario", 0, "run.requests", 9, "requests", "client", ""},
		{"scenario", 0, "run.requests_failed", 1, "requests", "client", ""},
		{"scenario", 0, "run.error_rate", 1.0 / 9, "ratio", "client", ""},
		{"scenario", 0, "run.streams_truncated", 1, "requests", "client", ""},
		{"scenario", 0, "run.duration_s", 2.85, "s", "client", ""},
		{"scenario", 0, "gpu.energy_j", 30.0, "J", "NVML counter", ""},
		{"scenario", 0, "gpu.energy_j.p50", 12.0, "J", "NVML counter; n=2", ""},
		{"scenario", 0, "gpu.power_w.p50", nil, "W", "GPU driver; n=0", noGPU},
		{"scenario", 0, "server.engine", "vllm", "", "server", ""},
		{"scenario", 0, "turn.ttft_ms", nil, "", "", "turn.ttft_ms names nothing in scenario scope"},
	}
	for _, tt := range tests {
		t.Run(string(tt.scope)+"/"+tt.path, func(t *testing.T) {
			got := c.Lookup(tt.scope, tt.repeat, "main", "q")(tt.path)
			v, unit, source, why := got.V, got.Unit, got.Source, got.Why
			if v != tt.want || unit != tt.unit || source != tt.source || why != tt.why {
				t.Errorf("got  %v %q %q %q\nwant %v %q %q %q", v, unit, source, why, tt.want, tt.unit, tt.source, tt.why)
			}
		})
	}
}

// Whatever the vocabulary offers must resolve: a name that compiles and names nothing would make
// an assertion unknown for no reason.
func TestLookup_KnowsTheWholeVocabulary(t *testing.T) {
	c := played()
	names := Vocabulary()
	check := func(scope figure.Scope, path string) {
		t.Helper()
		got := c.Lookup(scope, 1, "main", "q")(path)
		v, why := got.V, got.Why
		if (v == nil) == (why == "") {
			t.Errorf("%s %s: value %v, reason %q", scope, path, v, why)
		}
		for _, bad := range []string{"not a metric", "names nothing", "no meaning"} {
			if strings.Contains(why, bad) {
				t.Errorf("%s %s: %s", scope, path, why)
			}
		}
	}
	for _, n := range names.Turn {
		check("step", "turn."+n.Path)
		check("conversation", "steps.q."+n.Path)
		if n.Aggregate {
			check("step", "step."+n.Path)
			check("conversation", "phases.with_rag."+n.Path)
			check("conversation", "conv."+n.Path)
		}
		if n.Kind == Float || n.Kind == Int {
			check("scenario", "steps.q."+n.Path+".p50")
		}
		if n.Aggregate && (n.Kind == Float || n.Kind == Int) {
			check("scenario", "phases.with_rag."+n.Path+".p50")
			check("scenario", "conversations.main."+n.Path+".p50")
		}
	}
	of := func(path string) string { return strings.Replace(path, figure.Objective, "snappy", 1) }
	for _, n := range names.Conversation {
		check("conversation", "conv."+of(n.Path))
		check("scenario", "conversations.main."+of(n.Path)+".p50")
	}
	for _, n := range names.Run {
		check("scenario", "run."+of(n.Path))
	}
	for _, n := range names.Cell {
		check("scenario", n.Path)
		check("scenario", n.Path+".p50")
	}
}
