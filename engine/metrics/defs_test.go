package metrics

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// at is an instant in milliseconds.
func at(millis float64) time.Duration { return time.Duration(millis * float64(time.Millisecond)) }

// reply is a good turn: due at 0, sent at 10 ms, four deltas at 110, 130, 150 and 250 ms, 5
// output tokens of which the first delta held 2, 100 prompt tokens of which 80 were cached and
// 90 could have been.
func reply() event.Request {
	return event.Request{
		Repeat: 1, Conversation: "main", Step: "q", Turn: 1, Action: "query", Phase: "with_rag",
		Exchange: event.Exchange{
			Sent: new(at(10)), Connect: new(at(3)), Headers: new(at(12)), FirstEvent: new(at(20)), Done: at(260), Status: 200,
			Chunks: []event.Chunk{
				{At: at(110), Channel: event.Reasoning, Bytes: 3, Tokens: new(2)},
				{At: at(130), Channel: event.Answer, Bytes: 5},
				{At: at(150), Channel: event.Answer, Bytes: 3},
				{At: at(250), Channel: event.Answer, Bytes: 6},
			},
			Text: "Hello you. Bye", Reasoning: "hm.", Finish: "stop",
			Usage:   event.Usage{Prompt: new(100), Completion: new(5), Reasoning: new(2)},
			Timings: map[string]float64{"server.prefill_ms": 88.5},
			Wire:    event.Wire{Framing: "sse"},
		},
		Cached: new(80), CacheSource: "usage", Reusable: new(90), ReusableSource: "tokens",
	}
}

func TestDefs_EachIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for i := range Defs {
		d := &Defs[i]
		if seen[d.Name] {
			t.Errorf("%s is defined twice", d.Name)
		}
		seen[d.Name] = true
		if d.Doc == "" || d.Formula == "" || d.Source == "" || len(d.Levels) == 0 {
			t.Errorf("%s lacks a doc, formula, source or level", d.Name)
		}
		if d.Numeric() != (d.Unit != "") && d.Name != "status" {
			t.Errorf("%s: kind %s, unit %q", d.Name, d.Kind, d.Unit)
		}
		if (d.parts != nil) != (d.Fold == Ratio) {
			t.Errorf("%s: a ratio needs a numerator and a denominator, and only a ratio", d.Name)
		}
		if d.At(TurnLevel) && (d.each == nil) == (d.parts == nil) {
			t.Errorf("%s: a metric of a turn has either a value or two parts", d.Name)
		}
		if d.At(CellLevel) && d.absent == "" && d.over == nil {
			t.Errorf("%s: it does not say why it may be absent", d.Name)
		}
		if !d.At(TurnLevel) && !d.At(CellLevel) && d.over == nil && d.Of("any").over == nil {
			t.Errorf("%s cannot be computed", d.Name)
		}
	}
}

// The first sentence ends with "you.", whose last character came with the delta at 250 ms:
// "Hello" and " yo" came before it.
func TestEach_GoodTurn(t *testing.T) {
	want := map[string]any{
		"ok": true, "status": 200, "error": "", "finish_reason": "stop", "text": "Hello you. Bye", "text_len": 14,
		"text_empty": false, "text_is_json": false,
		"ttft_ms": 100.0, "ttft_due_ms": 110.0, "ttft_answer_ms": 120.0, "ttfs_ms": 240.0, "ttfr_ms": 10.0,
		"e2e_ms": 240.0, "e2e_due_ms": 250.0, "connect_ms": 3.0, "dispatch_delay_ms": 10.0,
		"tpot_ms":      140.0 / 3,
		"output_tps":   3 / 0.14,
		"prefill_tps":  20 / 0.1,
		"icl_p50_ms":   20.0,
		"icl_p95_ms":   100.0,
		"icl_p99_ms":   100.0,
		"icl_max_ms":   100.0,
		"stalls":       0,
		"chunk_tokens": 5.0 / 4,

		"prompt_tokens": 100, "output_tokens": 5, "reasoning_tokens": 2,
		"rounds": 1, "stopped": "answer", "thinking_ms": 20.0, "tool_calls": 0, "tool_calls_unmatched": 0,
		"tool_calls_valid":    0,
		"cache.cached_tokens": 80, "cache.hit_rate": 0.8, "cache.reusable_tokens": 90, "cache.reusable_rate": 0.9,
		"cache.efficiency": 80.0 / 90, "cache.source": "usage",
		"server.prefill_ms": 88.5,
	}
	q := reply()
	got := map[string]any{}
	for i := range Defs {
		if d := &Defs[i]; d.At(TurnLevel) {
			if v := d.Each(&Cell{}, &q); v.Known() {
				got[d.Name] = v.V
			} else if v.V != nil {
				t.Errorf("%s is unknown and has a value", d.Name)
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

var trapTests = []struct {
	name, metric string
	change       func(*event.Request)
	want         any // nil: unknown
	why          string
}{
	{"one token", "tpot_ms", func(q *event.Request) { q.Usage.Completion, q.Chunks = new(1), q.Chunks[1:2] }, nil,
		"the first chunk held every token"},
	{"every token in the first chunk", "output_tps", func(q *event.Request) {
		q.Usage.Completion, q.Chunks = new(2),
			q.Chunks[:1]
	}, nil, "the first chunk held every token"},
	{"a count that cannot be", "tpot_ms", func(q *event.Request) { q.Usage.Completion = new(2) }, nil, tooFew},
	{"a count that cannot be", "output_tokens", func(q *event.Request) { q.Usage.Completion = new(2) }, nil, tooFew},
	{"a count that cannot be", "chunk_tokens", func(q *event.Request) { q.Usage.Completion = new(2) }, nil, tooFew},
	{"a token in two channels", "output_tokens", func(q *event.Request) { q.Usage.Completion = new(3) }, 3, ""},
	{"text after the last token", "tpot_ms", func(q *event.Request) {
		q.Usage.Completion, q.Chunks = new(1),
			q.Chunks[:2]
	}, nil, "text went on arriving after the last token that the server counts"},
	{"a count that cannot be", "icl_max_ms", func(q *event.Request) { q.Usage.Completion = new(1) }, 100.0, ""},
	{"k1 is 1 unless said", "tpot_ms", func(q *event.Request) { q.Chunks[0].Tokens = nil }, 35.0, ""},
	{"no usage", "tpot_ms", func(q *event.Request) { q.Usage.Completion = nil }, nil, noUsage},
	{"no usage", "output_tokens", func(q *event.Request) { q.Usage.Completion = nil }, nil, noUsage},
	{"no usage", "chunk_tokens", func(q *event.Request) { q.Usage.Completion = nil }, nil, noUsage},
	{"no usage", "cache.hit_rate", func(q *event.Request) { q.Usage.Prompt = nil }, nil, noUsage},
	{"one arrival", "output_tps", func(q *event.Request) { q.Chunks[3].At = q.Chunks[0].At }, nil, oneArrival},
	// 2 + 1 came at once, 2 in 140 ms
	{"tokens of the first read", "tpot_ms", func(q *event.Request) { q.Chunks[1].At = q.Chunks[0].At }, 70.0, ""},
	{"text that no token is counted for", "tpot_ms", func(q *event.Request) { q.Chunks[0].Tokens = new(0) }, 35.0, ""},
	{"hidden reasoning", "output_tps", func(q *event.Request) { q.Reasoning, q.Chunks = "", q.Chunks[1:] }, nil,
		"the server counts reasoning tokens that it does not send"},
	{"hidden reasoning in the running count", "tpot_ms", func(q *event.Request) {
		q.Reasoning, q.Chunks = "", q.Chunks[1:]
		q.Chunks[0].Tokens = new(3)
	}, 60.0, ""},
	{"the end is a token", "tpot_ms", func(q *event.Request) { q.Usage.Completion, q.Finished = new(6), new(at(302)) },
		48.0, ""},
	{"the end of a tool call is a token", "tpot_ms", func(q *event.Request) {
		q.Finish, q.Usage.Completion, q.Finished = "tool_calls", new(6), new(at(302))
	}, 48.0, ""},
	{"the end is a token, and comes late", "tpot_ms", func(q *event.Request) {
		q.Usage.Completion, q.Finished = new(6), new(at(900))
	}, 140.0 / 3, ""},
	{"the end is no token", "tpot_ms", func(q *event.Request) { q.Finished = new(at(302)) }, 140.0 / 3, ""},
	{"a reply cut at max_tokens has no end", "tpot_ms", func(q *event.Request) {
		q.Finish, q.Finished = "length",
			new(at(260))
	}, 140.0 / 3, ""},
	{"one token", "stalls", func(q *event.Request) { q.Usage.Completion, q.Chunks = new(1), q.Chunks[:1] }, 0, ""},
	{"one token", "icl_max_ms", func(q *event.Request) { q.Usage.Completion, q.Chunks = new(1), q.Chunks[:1] }, nil,
		oneToken},
	{"one token without text", "stalls", func(q *event.Request) { q.Usage.Completion, q.Chunks = new(1), nil }, 0, ""},
	{"held back", "stalls", func(q *event.Request) { q.Chunks = q.Chunks[:1] }, nil, oneArrival},
	{"a read of several deltas", "icl_p50_ms", func(q *event.Request) { q.Wire.CoalescedMax = 2 }, nil, coalesced},
	{"a read of several deltas", "stalls", func(q *event.Request) { q.Wire.CoalescedMax = 2 }, nil, coalesced},
	{"the first read of several deltas", "ttft_ms", func(q *event.Request) {
		q.Chunks[1].At, q.Wire.CoalescedMax = q.Chunks[0].At, 2
	}, nil, coalesced},
	{"a later read of several deltas", "ttft_ms", func(q *event.Request) {
		q.Chunks[2].At, q.Wire.CoalescedMax = q.Chunks[1].At, 2
	}, 100.0, ""},
	{"the last delta of a read", "ttft_answer_ms", func(q *event.Request) {
		q.Chunks[1].At, q.Wire.CoalescedMax = q.Chunks[0].At, 2
	}, 100.0, ""},
	{"refusal", "ttft_answer_ms", func(q *event.Request) { q.Chunks[1].Channel = event.Refusal }, 120.0, ""},
	{"refusal", "ttfs_ms", func(q *event.Request) {
		for i := range q.Chunks[1:] {
			q.Chunks[i+1].Channel = event.Refusal
		}
	}, 240.0, ""},
	{"tool call", "ttft_answer_ms", func(q *event.Request) {
		for i := range q.Chunks {
			q.Chunks[i].Channel = event.Tool
		}
	}, nil, "no answer text arrived"},
	{"several choices", "output_tokens", func(q *event.Request) { q.Wire.Several = true }, nil, several},
	{"several choices", "tpot_ms", func(q *event.Request) { q.Wire.Several = true }, nil, several},
	{"not streamed", "ttft_ms", func(q *event.Request) { q.Wire.Framing = "json" }, nil, noStream},
	{"not streamed", "ttfs_ms", func(q *event.Request) { q.Wire.Framing = "json" }, nil, noStream},
	{"not streamed", "icl_p50_ms", func(q *event.Request) { q.Wire.Framing = "json" }, nil, noStream},
	{"not streamed", "tpot_ms", func(q *event.Request) { q.Wire.Framing = "json" }, nil, noStream},
	{"not streamed", "e2e_ms", func(q *event.Request) { q.Wire.Framing = "json" }, 250.0, ""},
	{"no text", "ttft_ms", func(q *event.Request) { q.Chunks = nil }, nil, noToken},
	{"reasoning alone", "ttft_answer_ms", func(q *event.Request) { q.Chunks = q.Chunks[:1] }, nil,
		"no answer text arrived"},
	{"one read", "icl_p50_ms", func(q *event.Request) { q.Chunks[2].At = at(130) }, 20.0, ""},
	{"one read", "icl_max_ms", func(q *event.Request) { q.Chunks[2].At = at(130) }, 120.0, ""},
	{"two reads", "icl_p50_ms", func(q *event.Request) { q.Chunks[2].At, q.Chunks[3].At = at(130), at(130) }, 20.0, ""},
	{"stall", "stalls", func(q *event.Request) { q.Chunks[3].At = at(251) }, 1, ""},
	{"cached nothing", "cache.hit_rate", func(q *event.Request) { q.Cached = new(0) }, 0.0, ""},
	{"not reported", "cache.hit_rate", func(q *event.Request) { q.Cached, q.CacheSource = nil, "none" }, nil, noCached},
	{"not reported, without a reason", "cache.cached_tokens", func(q *event.Request) {
		q.Cached, q.CacheWhy = nil,
			"two requests at once"
	}, nil, "two requests at once"},
	{"empty prompt", "cache.hit_rate", func(q *event.Request) { q.Usage.Prompt, q.Cached = new(0), new(0) }, nil,
		"the server counted no prompt tokens"},
	{"nonsense", "cache.hit_rate", func(q *event.Request) { q.Cached = new(101) }, nil,
		"the server reports more cached tokens than prompt tokens"},
	{"all cached", "prefill_tps", func(q *event.Request) { q.Cached = new(100) }, nil,
		"every prompt token came from the cache"},
	{"not reported", "prefill_tps", func(q *event.Request) { q.Cached = nil }, nil, noCached},
	{"nothing reusable", "cache.efficiency", func(q *event.Request) { q.Reusable = new(0) }, nil,
		"less than 1 % of the prompt could be reused"},
	{"barely reusable", "cache.efficiency", func(q *event.Request) { q.Reusable, q.Cached = new(1), new(1) }, 1.0, ""},
	{"other blocks", "cache.efficiency", func(q *event.Request) { q.Reusable, q.Cached = new(16), new(80) }, 5.0, ""},
	{"contaminated", "cache.efficiency", func(q *event.Request) { q.Reusable, q.Cached = new(15), new(80) }, nil,
		"more was cached than homellm has sent to this cache: other clients' prompts, or an isolation that does not " +
			"isolate"},
	{"not compared", "cache.reusable_rate", func(q *event.Request) { q.Reusable, q.ReusableWhy = nil, "no tokenizer" },
		nil, "no tokenizer"},
	{"reused connection", "connect_ms", func(q *event.Request) { q.Connect = nil }, nil, "the connection was reused"},
	{"no reason", "finish_reason", func(q *event.Request) { q.Finish = "" }, nil, "the server gave no finish reason"},
	{"no status", "status", func(q *event.Request) { q.Status = 0 }, nil, "no HTTP status was received"},
	{"failed", "ttft_ms", func(q *event.Request) { q.Err = &event.Error{Class: "reset"} }, nil,
		"the request failed: reset"},
	{"failed", "text", func(q *event.Request) { q.Err = &event.Error{Class: "reset"} }, nil, "the request failed: reset"},
	{"failed", "ok", func(q *event.Request) { q.Err = &event.Error{Class: "reset"} }, false, ""},
	{"failed", "error", func(q *event.Request) { q.Err = &event.Error{Class: "reset"} }, "reset", ""},
	{"failed", "dispatch_delay_ms", func(q *event.Request) { q.Err = &event.Error{Class: "reset"} }, 10.0, ""},
	{"no server timings", "server.queue_ms", func(*event.Request) {}, nil, "the server says nothing of server.queue_ms"},
	{"no sentence", "ttfs_ms", func(q *event.Request) { q.Text = "Hello you, bye" }, nil,
		"the answer holds no whole sentence"},
}

func TestEach_Traps(t *testing.T) {
	for _, tt := range trapTests {
		t.Run(tt.metric+"/"+tt.name, func(t *testing.T) {
			q := reply()
			tt.change(&q)
			d, ok := Lookup(tt.metric)
			if !ok {
				t.Fatal("no such metric")
			}
			v := d.Each(&Cell{}, &q)
			if v.V != tt.want || v.Why != tt.why {
				t.Errorf("got %v (%q), want %v (%q)", v.V, v.Why, tt.want, tt.why)
			}
		})
	}
}

func TestPrefill_SubtractsTheRoundTrip(t *testing.T) {
	var r Run
	r.Add(event.Event{Cell: "a", Body: event.Facts{Values: map[string]float64{"client.rtt_floor_ms": 20},
		Source: "client"}})
	d, _ := Lookup("prefill_tps")
	q := reply()
	if v := d.Each(r.Cells[0], &q); v.V != 20/0.08 {
		t.Errorf("got %v", v)
	}
	q.Chunks[0].At = at(29)
	if v := d.Each(r.Cells[0], &q); v.Known() {
		t.Errorf("a first token within the round trip gave %v", v.V)
	}
}

func TestCacheSource_SaysWhatWasAssumed(t *testing.T) {
	d, _ := Lookup("cache.hit_rate")
	q := reply()
	q.CacheAssumed = true
	if v := d.Each(&Cell{}, &q); v.Source != "usage, absent means 0" {
		t.Errorf("source %q", v.Source)
	}
}

func TestEfficiencySource_SaysWhatWasEstimated(t *testing.T) {
	d, _ := Lookup("cache.efficiency")
	q := reply()
	q.ReusableSource = "estimated"
	if v := d.Each(&Cell{}, &q); v.Source != "usage, ceiling estimated" {
		t.Errorf("source %q", v.Source)
	}
}

// A prefill is a reply of one token. It must not make unknown what a conversation knows.
func TestOver_RepliesOfOneToken(t *testing.T) {
	long, short := reply(), reply()
	short.Usage.Completion, short.Chunks = new(1), short.Chunks[:1]
	g := []*event.Request{&short, &long}
	for name, want := range map[string]any{"stalls": 0, "icl_max_ms": 100.0} {
		d, _ := Lookup(name)
		if v := d.Over(&Cell{}, g); v.V != want {
			t.Errorf("%s: got %v (%s), want %v", name, v.V, v.Why, want)
		}
		short.Usage.Completion = nil // now it may have been held back
		if v := d.Over(&Cell{}, g); v.Known() {
			t.Errorf("%s: got %v although a turn is unknown", name, v.V)
		}
		short.Usage.Completion = new(1)
	}
}

func TestSentenceEnd(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Hello you. Bye", "Hello you."},
		{"Yes", ""},
		{"Yes.", "Yes."},
		{"It is 3.14 or so. Then", "It is 3.14 or so."},
		{"He said \"No!\" and left", "He said \"No!\""},
		{"v1.2 is out", ""},
		{"Really?! Yes", "Really?!"},
		{"1. First point. More", "1. First point."},
		{"1. First point\n2. Second", "1. First point\n"},
		{"- 2. x", ""},
		{"It is 42. Good", "It is 42."},
		{"42.", "42."},
		{"7 * 6 = 42. Good", "7 * 6 = 42."},
		{"\n\nTitle\nText.", "\n\nTitle\n"},
		{"---\n", ""},
		{"...", ""},
		{"これは文です。次", "これは文です。"},
		{"", ""},
	} {
		end := sentenceEnd(tt.text)
		got := ""
		if end >= 0 {
			got = tt.text[:end]
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestWriteMetricDocs_MatchesThePage(t *testing.T) {
	var b bytes.Buffer
	if err := WriteMetricDocs(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "metrics.md")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("docs/metrics.md is not what the table says; run go test ./engine/metrics -update (-page +table):\n%s", d)
	}
	for i := range Defs {
		if !strings.Contains(b.String(), "| `"+Defs[i].Name+"` |") {
			t.Errorf("%s is not in the docs", Defs[i].Name)
		}
	}
}
