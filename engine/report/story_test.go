package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

func millis(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }

// story builds the events of a run with known numbers.
type story struct {
	events []event.Event
	now    time.Duration
}

func (s *story) add(cell string, b event.Body) {
	s.events = append(s.events, event.Event{Seq: uint64(len(s.events) + 1), At: s.now, Cell: cell, Body: b})
}

// turn is one request with a TTFT, a number of output tokens 5 ms apart and a cache.
type turn struct {
	conversation, step, action, phase string
	n                                 int
	ttft                              float64 // ms
	prompt, cached, reusable, output  int
	text                              string
}

func (s *story) turn(cell string, repeat int, warmup bool, t turn, change ...func(*event.Request)) {
	sent := s.now + millis(0.5)
	q := event.Request{
		Repeat: repeat, Warmup: warmup, Conversation: t.conversation, Step: t.step, Turn: max(t.n, 1), Action: t.action,
		Phase: t.phase,
		Exchange: event.Exchange{
			Due: s.now, Sent: &sent, Headers: new(sent + millis(2)), FirstEvent: new(sent + millis(3)), Status: 200,
			Text: t.text, Finish: "stop",
			Usage: event.Usage{Prompt: &t.prompt, Completion: &t.output},
			Wire:  event.Wire{Framing: "sse", Reused: true, DoneMarker: true},
		},
		Cached: &t.cached, CacheSource: "usage", Reusable: &t.reusable, ReusableSource: "tokens",
	}
	left := len(t.text)
	for i := range t.output {
		size := left / (t.output - i)
		left -= size
		q.Chunks = append(q.Chunks, event.Chunk{At: sent + millis(t.ttft+5*float64(i)), Channel: event.Answer, Bytes: size})
	}
	q.Done = q.Chunks[len(q.Chunks)-1].At + millis(1)
	for _, f := range change {
		f(&q)
	}
	s.now = q.Done + millis(10)
	s.add(cell, q)
}

func start(name string, conversations ...event.Conversation) *story {
	s := &story{}
	s.add("", event.RunStarted{
		Version: event.Version, ID: "8f2c41d0", Started: time.Date(2026, 11, 23, 12, 1, 12, 0, time.UTC), Homellm: "1.0.0",
		Digest: "d1",
		Host:   map[string]any{"os": "linux", "cores": 16, "gpus": []string{"RTX 4090"}}, Options: []string{"--repeats=5"},
		Scenario: event.Scenario{Name: name, File: name + ".yaml", SHA256: "ab12", Repeats: 5, Warmup: 1, Isolation: "salt",
			Scope: "repeat", Conversations: conversations},
	})
	return s
}

func labels2(server, model string) []event.Label {
	return []event.Label{{Name: "server", Value: server}, {Name: "model", Value: model}}
}

var longText = "Torque the bolts to 41 newton metres. Then check them again."

// ragTurns is one pass of the RAG conversation: 2 turns before, 5 with documents, 3 after the
// removal of the first of two.
func ragTurns() []turn {
	out := []turn{}
	add := func(step, action, phase string, n int, ttft float64, prompt, cached, reusable int) {
		out = append(out, turn{"main", step, action, phase, n, ttft, prompt, cached, reusable, 21, longText})
	}
	add("hello", "ask", "before", 1, 20, 120, 0, 0)
	add("more", "ask", "before", 1, 22, 200, 112, 112)
	for i := range 5 {
		add([]string{"load", "q1", "q2", "q3", "q4"}[i], "query", "with_rag", 1, 40+2*float64(i), 8000+100*i, 7900+100*i-8,
			7900+100*i)
	}
	for i := range 3 {
		prompt, cached, reusable := 8620, 4224, 4310
		if i > 0 {
			prompt, cached, reusable = 8700, 8600, 8608
		}
		add("after", "continue", "after_removal", i+1, 60-3*float64(i), prompt, cached, reusable)
	}
	return out
}

func passing() *story {
	s := start("rag-long", event.Conversation{ID: "main", Steps: []event.Step{{ID: "hello", Action: "ask", Turns: 1}}})
	s.add("", event.Note{Code: "simulated", Text: "no server found on this machine's usual ports: ran the embedded " +
		"simulator (RTX 4090, qwen2.5-3b)"})
	s.add("c1", event.CellPlanned{Labels: labels2("sim", "qwen2.5-3b"), Turns: 10})
	s.add("c1", event.CellStarted{Attempt: 1, Server: event.Server{Profile: "sim", Engine: "sim", Version: "1.0.0",
		URL:   "http://127.0.0.1:8901",
		Model: "qwen2.5-3b", ContextTokens: new(32768), Simulated: true, Simulation: "RTX 4090, qwen2.5-3b",
		Capabilities: []string{"cache_report"}, SaltMethod: "body"}})
	for _, t := range ragTurns() {
		s.turn("c1", 1, true, t)
	}
	for repeat := 1; repeat <= 5; repeat++ {
		for _, t := range ragTurns() {
			t.ttft += float64(repeat)
			s.turn("c1", repeat, false, t)
		}
	}
	s.add("c1", event.Verdict{Name: "cache-survives-removal", That: "first_turn.cache.hit_rate > vars.min_hit * 0.9",
		Scope: "step", Conversation: "main", Step: "after",
		Severity: "fail", OnUnknown: "fail", Verdict: "pass", Evaluated: 5, Passed: 5, MinPassRate: 1, File: "rag-long.yaml",
		Line: 77, Column: 19,
		Operands: []event.Operand{{Path: "first_turn.cache.hit_rate", Value: 4224.0 / 8620, Unit: "ratio", Source: "usage"},
			{Path: "vars.min_hit", Value: 0.5, Source: "vars"}}})
	s.add("c1", event.Verdict{Name: "forgot-the-manual", That: `!(turn.text contains "torque 41")`, Scope: "step",
		Conversation: "main", Step: "after",
		Severity: "fail", OnUnknown: "inconclusive", Verdict: "pass", Evaluated: 5, Passed: 5, MinPassRate: 1,
		File: "rag-long.yaml", Line: 80, Column: 13,
		Operands: []event.Operand{{Path: "turn.text", Value: longText, Source: "server"}}})
	s.add("c1", event.Verdict{Name: "power", That: "gpu.energy_j.p50 < 900", Scope: "scenario", Severity: "fail",
		OnUnknown: "skip", Verdict: "unsupported",
		Why: "no GPU telemetry on this machine", Evaluated: 1, Unknown: 1, Unsupported: 1, MinPassRate: 1, File: "rag-long.yaml", Line: 95,
		Column: 5,
		Operands: []event.Operand{{Path: "gpu.energy_j.p50", Unit: "J", Why: "no GPU telemetry on this machine",
			Unsupported: true}}})
	s.add("c1", event.CellDone{})
	s.add("c1", event.SinceLast{Run: "20261122T090000Z-rag-long-11aa",
		Started: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		Earlier: 6, Changed: []event.Changed{{Key: "driver.version", Old: "550.54", New: "560.28"}},
		Moves: []event.Move{
			{Path: "run.cache.hit_rate", Unit: "ratio", Old: 0.93, New: 0.93, Usual: 0.02, Verdict: "same"},
			{Path: "run.output_tps", Unit: "tokens/s", Old: 182, New: 200, Usual: 0.03, Verdict: "better"},
			{Path: "phases.after_removal.ttft_ms", Unit: "ms", Old: 50, New: 60, Usual: 0.05, Verdict: "worse"},
		}})
	s.add("", event.RunDone{})
	return s
}

// failing has a failed gate, an unknown one, failed requests, and text that attacks every format.
func failing() *story {
	s := start("evil | <b>", event.Conversation{ID: "main"})
	s.add("", event.Note{Code: "clock", Text: "the clock \x1b[31mjumped\x1b[0m, says @octocat in #1: see " +
		"http://example.com"})
	s.add("c1", event.CellPlanned{Labels: labels2("=cmd|' /C calc'!A0", "-model\x1b]0;title\x07"), Turns: 10})
	s.add("c1", event.CellStarted{Attempt: 1, Server: event.Server{Profile: "vllm", Engine: "vllm",
		URL: "http://127.0.0.1:8000", Model: "m"}})
	hide := func(q *event.Request) {
		q.Cached, q.CacheSource, q.CacheWhy = nil, "none", "the server reports no cached tokens"
	}
	for repeat := 1; repeat <= 2; repeat++ {
		for i, t := range ragTurns() {
			t.text = "@everyone </details> ``` | \u202e"
			s.turn("c1", repeat, false, t, func(q *event.Request) {
				hide(q)
				switch {
				case repeat == 2 && i == 5:
					q.Err = &event.Error{Class: "timeout_idle", Message: "nothing for 30 s\nafter \x1b[2Jtoken 7"}
				case i == 9:
					q.Err = &event.Error{Class: "server_error", Message: "=HYPERLINK(\"http://x\")"}
					q.Status, q.Chunks, q.Usage = 500, nil, event.Usage{}
				}
			})
		}
	}
	s.add("c1", event.Note{Code: "throttled", Text: "the GPU was throttled by heat"})
	s.add("c1", event.Verdict{Name: "fast-enough",
		That:  "first_turn.ttft_ms < vars.limit and first_turn.cache.hit_rate > 0.4",
		Scope: "step", Conversation: "main", Step: "after",
		Severity: "fail", OnUnknown: "fail", Verdict: "fail", Evaluated: 2, Passed: 1, MinPassRate: 1,
		File: "evil.yaml", Line: 31, Column: 13, Message: "a | <img src=x> must be fast",
		Operands: []event.Operand{
			{Path: "first_turn.ttft_ms", Value: 60.0004, Unit: "ms", Source: "client"},
			{Path: "vars.limit", Value: 60.0, Source: "vars"},
			{Path: "first_turn.cache.hit_rate", Value: 0.49, Unit: "ratio", Source: "usage"},
		},
		Excerpt: "31 |           - first_turn.ttft_ms < vars.limit and first_turn.cache.hit_rate > 0.4\n" +
			"   |             ~~~~~~~~~~~~~~~~~~   ~~~~~~~~~~"})
	s.add("c1", event.Verdict{Name: "prefix-reused", That: "turn.cache.hit_rate > 0.8",
		Scope: "step", Conversation: "main", Step: "q1",
		Severity: "fail", OnUnknown: "inconclusive", Verdict: "unknown", Evaluated: 2, Unknown: 2, MinPassRate: 1,
		File: "evil.yaml", Line: 20, Column: 13,
		Why:      "turn.cache.hit_rate is unknown: the server reports no cached tokens",
		Operands: []event.Operand{{Path: "turn.cache.hit_rate", Unit: "ratio", Why: "the server reports no cached tokens"}}})
	s.add("c1", event.Verdict{Name: "polite",
		That:  `turn.text contains "thank" || turn.text_len < 4 || (turn.ttft_ms > 1000 and turn.ttft_ms < 2000)`,
		Scope: "step", Conversation: "main", Step: "q1",
		Severity: "warn", OnUnknown: "inconclusive", Verdict: "fail", Evaluated: 2, MinPassRate: 1,
		File: "evil.yaml", Line: 22, Column: 13,
		Operands: []event.Operand{{Path: "turn.text", Value: "`@everyone` </details>\n| \u202e"}},
		TextSeen: "@everyone </details> ``` | \x1b[31m"})
	s.add("c1", event.Verdict{Name: "later", That: "turn.ok", Scope: "step", Severity: "fail", Verdict: "skipped",
		Why: "no turn of this step was played"})
	s.add("c1", event.CellDone{})
	s.add("c1", event.SinceLast{Run: "<b>last</b>", Started: time.Date(2026, 11, 23, 9, 1, 12, 0, time.UTC), Earlier: 1,
		Moves: []event.Move{{Path: "run.output_tps", Unit: "tokens/s", Old: 98, New: 97, Verdict: "unknown"}}})
	s.add("", event.RunDone{})
	return s
}

// gpuAt is what a card tells at a turn: it warms up, and its clock falls by a step when it is hot.
func gpuAt(repeat, turn int) map[string]float64 {
	heat := float64(12*(repeat-1) + turn)
	out := map[string]float64{"gpu.power_w": 270 + 2*float64(turn), "gpu.mem_used_mib": 9000 + 24*float64(turn),
		"gpu.sm_clock_mhz": 2610, "gpu.mem_clock_mhz": 10501,
		"gpu.temp_c": 48 + heat/2, "gpu.util_pct": 97}
	if repeat > 3 {
		out["gpu.sm_clock_mhz"], out["gpu.power_w"] = 2415, out["gpu.power_w"]-30
	}
	return out
}

// matrix has a cell of two conversations with enough turns for a p95, one that was skipped and
// one that did not start.
func matrix() *story {
	s := start("chat", event.Conversation{ID: "short"}, event.Conversation{ID: "long"})
	s.add("c1", event.CellPlanned{Labels: append(labels2("vllm-home", "qwen2.5-7b"),
		event.Label{Name: "doc_tokens", Value: "1024"}), Turns: 16})
	s.add("c2", event.CellPlanned{Labels: labels2("ollama", "phi3-mini"),
		Skip: "needs capability cache_report, which ollama does not have"})
	s.add("c3", event.CellPlanned{Labels: labels2("llamacpp", "phi3-mini"), Turns: 16})
	s.add("c1", event.CellStarted{Attempt: 1, Server: event.Server{Profile: "vllm-home", Engine: "vllm", Version: "0.11.0",
		URL: "http://127.0.0.1:8000", Model: "qwen", ContextTokens: new(32768)}})
	for repeat := 1; repeat <= 5; repeat++ {
		for i := range 4 {
			s.turn("c1", repeat, false, turn{"short", "chat", "continue", "before", i + 1, 150 + float64(10*repeat+i),
				100 * (i + 1), 96 * i, 96 * i, 11, "Yes. It is so."})
		}
		for i := range 12 {
			s.turn("c1", repeat, false, turn{"long", "talk", "continue", "before", i + 1, 11000 + float64(100*repeat+i),
				1000 * (i + 1), 1000 * i, 1000 * i, 11, "No. It is not."})
			s.add("c1", event.Sample{Values: gpuAt(repeat, i)})
		}
	}
	s.add("c1", event.Facts{Values: map[string]float64{"gpu.energy_j": 1650, "load_ms": 8123.4}, Source: "NVML counter"})
	s.add("c3", event.CellFailed{Err: "llama-server ended with code 1 before it was ready",
		Hint: "see server-llamacpp.log: CUDA out of memory"})
	s.add("c1", event.Verdict{Name: "tail", That: "conversations.long.ttft_ms.p95 < 12000", Scope: "scenario",
		Severity: "fail", OnUnknown: "inconclusive", Verdict: "pass",
		Evaluated: 1, Passed: 1, MinPassRate: 1, File: "chat.yaml", Line: 40, Column: 5,
		Operands: []event.Operand{{Path: "conversations.long.ttft_ms.p95", Value: 11509.0, Unit: "ms",
			Source: "client; n=60"}}})
	s.add("c1", event.CellDone{})
	s.add("", event.RunDone{})
	return s
}

// interrupted ends in the middle of its second cell.
func interrupted() *story {
	s := start("chat", event.Conversation{ID: "short"})
	s.add("c1", event.CellPlanned{Labels: labels2("ollama", "phi3-mini"), Turns: 2})
	s.add("c2", event.CellPlanned{Labels: labels2("ollama", "qwen2.5-3b"), Turns: 2})
	s.add("c1", event.CellStarted{Attempt: 1, Server: event.Server{Profile: "ollama", Engine: "ollama", Version: "0.33.2",
		URL: "http://127.0.0.1:11434", Model: "phi3:mini"}})
	s.turn("c1", 1, false, turn{"short", "chat", "ask", "before", 1, 4, 40, 0, 0, 1, "Hi"})
	s.add("c1", event.CellDone{Err: "the server stopped answering"})
	s.add("c2", event.CellStarted{Attempt: 1, Server: event.Server{Profile: "ollama", Engine: "ollama",
		URL: "http://127.0.0.1:11434", Model: "qwen2.5:3b"}})
	s.turn("c2", 1, false, turn{"short", "chat", "ask", "before", 1, 700000, 40, 0, 0, 3, "Hi"}, func(q *event.Request) {
		q.Err = &event.Error{Class: "cancelled", Message: "interrupted"}
	})
	s.add("", event.RunDone{Interrupted: "SIGINT"})
	return s
}

var stories = map[string]func() *story{"passing": passing, "failing": failing, "matrix": matrix,
	"interrupted": interrupted}

// journal is the file a story is recorded in.
func journal(name string) string { return filepath.Join("testdata", name+".jsonl") }

func record(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(journal(name)); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	j, err := event.Create(journal(name))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range stories[name]().events {
		if err := j.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// replay folds a recorded journal.
func replay(t *testing.T, name string) *metrics.Run {
	t.Helper()
	raw, err := os.ReadFile(journal(name))
	if err != nil {
		t.Fatal(err)
	}
	r := &metrics.Run{}
	for e, err := range event.Read(bytes.NewReader(raw)) {
		if err != nil {
			t.Fatal(err)
		}
		r.Add(e)
	}
	return r
}

// live folds a story as an engine would, without a journal.
func live(name string) *metrics.Run {
	r := &metrics.Run{}
	for _, e := range stories[name]().events {
		r.Add(e)
	}
	return r
}
