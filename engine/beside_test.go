package engine

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/event"
	"homellm/engine/prompt"
	"homellm/engine/server"
	"homellm/engine/target"
)

// alone is a session that has not started: its notes wait in it.
func alone(t *target.Target) *session {
	return &session{run: &run{}, cell: &dsl.Cell{ID: "x", Server: &dsl.Server{Name: "s"}, Scenario: &dsl.Scenario{}}, target: t}
}

// notes are the session's notes, one a line.
func (s *session) notes() string {
	var b strings.Builder
	for _, n := range s.early {
		fmt.Fprintf(&b, "%s: %s\n", n.Code, n.Text)
	}
	return b.String()
}

// reply is a request that was sent at once and whose first and only token came after first, with
// what the server said of it.
func reply(first time.Duration, timings map[string]float64) *event.Request {
	r := &event.Request{Conversation: "c", Step: "q", Turn: 1}
	r.Sent = new(time.Duration(0))
	r.Chunks = []event.Chunk{{At: first, Channel: event.Answer, Bytes: 1}}
	r.Timings = timings
	return r
}

// A web page in the place of the counters is told with the profile's place and the next step, once.
func TestLook_CountersThatAreNone(t *testing.T) {
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!DOCTYPE html><title>Welcome</title>")
	}))
	defer hs.Close()
	side, err := server.NewSide(server.Config{BaseURL: hs.URL + "/v1", Engine: "vllm", Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	s := alone(&target.Target{Side: side, Facts: event.Server{URL: hs.URL + "/v1"}})
	s.cell.Server.Pos = syntax.Pos{File: "servers.yaml", Line: 7}
	s.beside.counters = true
	s.look(t.Context())
	s.look(t.Context())
	got := s.notes()
	for _, want := range []string{"metrics_unreadable: servers.yaml:7: server s: ", "scraping /metrics", "unknown", "homellm doctor --url " + hs.URL + "/v1"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("notes %q, want %q in them once", got, want)
		}
	}
}

func TestReconcile(t *testing.T) {
	const ms = time.Millisecond
	says := func(v float64) map[string]float64 { return map[string]float64{"server.ttft_ms": v} }
	for name, c := range map[string]struct {
		replies  []*event.Request
		embedded bool
		want     string // the note; empty: none
	}{
		"the same":                     {replies: []*event.Request{reply(100*ms, says(100))}},
		"five percent":                 {replies: []*event.Request{reply(100*ms, says(95))}},
		"more than five":               {replies: []*event.Request{reply(100*ms, says(94))}, want: "ttft_ms and server.ttft_ms differ by more than 5 % in 1 of 1 turns; most in c: the client says 100 ms, the server 94\n"},
		"the server says more":         {replies: []*event.Request{reply(90*ms, says(100))}, want: "the client says 90 ms, the server 100\n"},
		"two milliseconds":             {replies: []*event.Request{reply(5*ms, says(3))}},
		"the server does not tell":     {replies: []*event.Request{reply(100*ms, nil)}},
		"the clocks are the same":      {replies: []*event.Request{reply(100*ms, says(50))}, embedded: true},
		"one of five is told, as such": {replies: []*event.Request{reply(100*ms, says(100)), reply(100*ms, says(100)), reply(200*ms, says(100)), reply(100*ms, says(100)), reply(100*ms, says(100))}, want: "in 1 of 5 turns; most in c: the client says 200 ms, the server 100; so few may be turns that the operating system delayed\n"},
		"one of four is an account":    {replies: []*event.Request{reply(100*ms, says(100)), reply(100*ms, says(100)), reply(200*ms, says(100)), reply(100*ms, says(100))}, want: "in 1 of 4 turns; most in c: the client says 200 ms, the server 100\n"},
		"the worst of two":             {replies: []*event.Request{reply(100*ms, says(50)), reply(100*ms, says(40))}, want: "in 2 of 2 turns; most in c: the client says 100 ms, the server 40\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := alone(&target.Target{Embedded: c.embedded})
			for _, r := range c.replies {
				s.reconcile(r, nil, "c")
			}
			s.remarks()
			if got := s.notes(); !strings.HasSuffix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("notes %q, want %q", got, c.want)
			}
			s.early = nil
			s.remarks()
			if got := s.notes(); got != "" {
				t.Errorf("said twice: %q", got)
			}
		})
	}

	warm, failed, unsent := reply(100*ms, says(10)), reply(100*ms, says(10)), reply(100*ms, says(10))
	warm.Warmup, failed.Err, unsent.Sent = true, &event.Error{}, nil
	s := alone(&target.Target{})
	for _, r := range []*event.Request{warm, failed, unsent} {
		s.reconcile(r, nil, "c")
	}
	if s.remarks(); s.notes() != "" {
		t.Errorf("warm-ups and failures are reconciled: %q", s.notes())
	}
}

// The end of a reply is where the server's clock ends: at the finish reason, not at the last text.
func TestReconcile_End(t *testing.T) {
	r := reply(100*time.Millisecond, map[string]float64{"server.e2e_ms": 200, "server.total_ms": 200})
	r.Finished = new(200 * time.Millisecond)
	s := alone(&target.Target{})
	s.reconcile(r, nil, "c")
	if s.remarks(); s.notes() != "" {
		t.Errorf("notes %q", s.notes())
	}
	r.Timings["server.total_ms"] = 300
	s.reconcile(r, nil, "c")
	if s.remarks(); !strings.Contains(s.notes(), "e2e_ms and server.total_ms differ") || strings.Contains(s.notes(), "server.e2e_ms") {
		t.Errorf("notes %q", s.notes())
	}
}

func TestCheck_Isolation(t *testing.T) {
	for name, c := range map[string]struct {
		salt   string // key of the body; empty: the salt stands in the first message
		cached *int
		err    *event.Error
		broken bool
	}{
		"nothing":                         {salt: "cache_salt", cached: new(0)},
		"one block":                       {salt: "cache_salt", cached: new(16), broken: true},
		"what templates put before it":    {cached: new(32)},
		"more than that":                  {cached: new(33), broken: true},
		"what nobody knows is no proof":   {salt: "cache_salt"},
		"a failed request proves nothing": {salt: "cache_salt", cached: new(999), err: &event.Error{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := alone(&target.Target{})
			s.cell.Server.Capabilities.CacheSalt = c.salt
			s.isolated(prompt.New(s.cell, prompt.NewTemplates(nil), nil, prompt.Server{}).Lead())
			r := reply(time.Millisecond, nil)
			r.Cached, r.Err = c.cached, c.err
			s.check(r)
			if (s.beside.broken != nil) != c.broken {
				t.Errorf("broken: %v", s.beside.broken)
			}
			if c.broken && !strings.Contains(s.beside.broken.Error(), "the first prompt of its scope (c/q) had") {
				t.Errorf("error %v", s.beside.broken)
			}
			second := reply(time.Millisecond, nil)
			second.Cached = new(4096)
			s.beside.broken = nil
			if s.check(second); s.beside.broken != nil {
				t.Errorf("the second prompt may be cached, also after one that failed: %v", s.beside.broken)
			}
		})
	}
}

func TestCut(t *testing.T) {
	say := func(n int) string { return strings.Repeat("a", n) }
	for name, c := range map[string]struct {
		first, second string
		tokens        [2]int
		context       int
		cut           bool
	}{
		"it grew, and so did the count":     {say(10), say(500), [2]int{10, 500}, 0, false},
		"it grew, and the count did not":    {say(500), say(600), [2]int{500, 500}, 0, true},
		"it grew, and the count fell":       {say(500), say(510), [2]int{500, 499}, 0, true},
		"it hardly grew":                    {say(500), say(510), [2]int{500, 500}, 0, false},
		"it is another one":                 {say(500), "b" + say(600), [2]int{500, 100}, 0, false},
		"the whole context, which is cut":   {"b", say(500), [2]int{1, 2048}, 2048, true},
		"one less than the context is fine": {"b", say(500), [2]int{1, 2047}, 2048, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := alone(&target.Target{Context: c.context})
			var r *event.Request
			for i, text := range []string{c.first, c.second} {
				r = reply(time.Millisecond, nil)
				r.Usage.Prompt, r.Cached, r.Reusable, r.CacheSource = &c.tokens[i], new(5), new(5), "usage"
				s.cut(r, text, "c")
			}
			if c.cut != strings.HasPrefix(s.notes(), "context_truncated: ") {
				t.Errorf("notes %q", s.notes())
			}
			if unknown := r.Cached == nil && r.Reusable == nil && r.CacheSource == "none" && r.CacheWhy != "" && r.ReusableWhy != ""; unknown != c.cut {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestCached_Rules(t *testing.T) {
	rule := func(source, null string, verify bool) dsl.CacheReport {
		return dsl.CacheReport{Source: source, NullMeans: null, Verify: verify}
	}
	for name, c := range map[string]struct {
		rule    dsl.CacheReport
		report  server.Report
		reply   *int
		err     *event.Error
		n       *int
		source  string
		assumed bool
		why     string
	}{
		"proven, and said":                      {rule: rule("usage", "zero", true), report: server.Report{InReply: true, Source: "usage"}, reply: new(48), n: new(48), source: "usage"},
		"proven, and silent":                    {rule: rule("usage", "zero", true), report: server.Report{InReply: true, Source: "usage"}, n: new(0), source: "usage", assumed: true},
		"silent, and nobody says what it means": {rule: rule("usage", "unknown", true), report: server.Report{InReply: true, Source: "usage"}, source: "none", why: "may mean 0"},
		"not reported at all":                   {rule: rule("none", "", false), source: "none", why: "server s reports no cached tokens"},
		"said by one of whom it was not known":  {rule: rule("none", "", false), reply: new(7), n: new(7), source: "usage"},
		"the cache is off":                      {rule: rule("usage", "zero", true), report: server.Report{Off: true}, n: new(0), source: "counters"},
		"failed":                                {rule: rule("usage", "zero", true), report: server.Report{InReply: true, Source: "usage"}, err: &event.Error{}, source: "none", why: "the request failed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := alone(&target.Target{})
			s.cell.Server.Capabilities.CacheReport = c.rule
			s.beside.report = c.report
			e := &event.Exchange{Err: c.err}
			e.Usage.Cached = c.reply
			n, source, assumed, why := s.cached(e, nil)
			same := (n == nil) == (c.n == nil) && (n == nil || *n == *c.n)
			if !same || source != c.source || assumed != c.assumed || !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
				t.Errorf("got %v %s %v %q", n, source, assumed, why)
			}
		})
	}
}

// A reset that refuses ends the cell with an error at the profile's place, and with what to do.
func TestIsolate_ResetRefuses(t *testing.T) {
	s := alone(&target.Target{})
	s.cell.Server.Pos = syntax.Pos{File: "servers.yaml", Line: 30}
	err := s.unisolated("isolation by reset: %w", server.ErrNotReset)
	want := "servers.yaml:30: server s: isolation by reset: " + server.ErrNotReset.Error()
	if h, ok := err.(interface{ Hint() string }); !ok || !strings.Contains(h.Hint(), "run.isolation.cache") || err.Error() != want {
		t.Errorf("error %v", err)
	}
}
