package observe

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
	"homellm/engine/server"
)

// remarks are the notes of an observer, one a line.
type remarks struct{ strings.Builder }

func (r *remarks) add(code, format string, args ...any) {
	fmt.Fprintf(r, "%s: %s\n", code, fmt.Sprintf(format, args...))
}

// alone is an observer of a server before its preflight, with its remarks.
func alone(s Server) (*Observer, *remarks) {
	r := &remarks{}
	o := New(&dsl.Cell{ID: "x", Server: &dsl.Server{Name: "s"}, Scenario: &dsl.Scenario{}}, NewClocks(nil), r.add)
	o.server = s
	return o, r
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
func TestScrape_CountersThatAreNone(t *testing.T) {
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!DOCTYPE html><title>Welcome</title>")
	}))
	defer hs.Close()
	side, err := server.NewSide(server.Config{BaseURL: hs.URL + "/v1", Engine: "vllm", Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	o, notes := alone(Server{Side: side, URL: hs.URL + "/v1"})
	o.cell.Server.Pos = syntax.Pos{File: "servers.yaml", Line: 7}
	o.counters.on = true
	o.scrape(t.Context())
	o.scrape(t.Context())
	got := notes.String()
	for _, want := range []string{"metrics_unreadable: servers.yaml:7: server s: ", "scraping /metrics", "unknown",
		"homellm doctor --url " + hs.URL + "/v1"} {
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
		"the same":     {replies: []*event.Request{reply(100*ms, says(100))}},
		"five percent": {replies: []*event.Request{reply(100*ms, says(95))}},
		"more than five": {replies: []*event.Request{reply(100*ms, says(94))},
			want: "ttft_ms and server.ttft_ms differ by more than 5 % in 1 of 1 turns; most in c/q turn 1, repeat 0: " +
				"the client says 100 ms, the server 94\n"},
		"the server says more": {replies: []*event.Request{reply(90*ms, says(100))},
			want: "the client says 90 ms, the server 100\n"},
		"two milliseconds":         {replies: []*event.Request{reply(5*ms, says(3))}},
		"the server does not tell": {replies: []*event.Request{reply(100*ms, nil)}},
		"the clocks are the same":  {replies: []*event.Request{reply(100*ms, says(50))}, embedded: true},
		"one of five is told, as such": {replies: []*event.Request{reply(100*ms, says(100)), reply(100*ms, says(100)),
			reply(200*ms, says(100)), reply(100*ms, says(100)), reply(100*ms, says(100))},
			want: "in 1 of 5 turns; most in c/q turn 1, repeat 0: the client says 200 ms, the server 100; so few may be turns " +
				"that the operating system delayed\n"},
		"one of four is an account": {replies: []*event.Request{reply(100*ms, says(100)), reply(100*ms, says(100)),
			reply(200*ms, says(100)), reply(100*ms, says(100))},
			want: "in 1 of 4 turns; most in c/q turn 1, repeat 0: the client says 200 ms, the server 100\n"},
		"the worst of two": {replies: []*event.Request{reply(100*ms, says(50)), reply(100*ms, says(40))},
			want: "in 2 of 2 turns; most in c/q turn 1, repeat 0: the client says 100 ms, the server 40\n"},
	} {
		t.Run(name, func(t *testing.T) {
			o, notes := alone(Server{Embedded: c.embedded})
			for _, r := range c.replies {
				o.accounts.reconcile(r, nil, o.report, o.server.Embedded)
			}
			o.Summarise()
			if got := notes.String(); !strings.HasSuffix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("notes %q, want %q", got, c.want)
			}
			notes.Reset()
			o.Summarise()
			if got := notes.String(); got != "" {
				t.Errorf("said twice: %q", got)
			}
		})
	}

	warm, failed, unsent := reply(100*ms, says(10)), reply(100*ms, says(10)), reply(100*ms, says(10))
	warm.Warmup, failed.Err, unsent.Sent = true, &event.Error{}, nil
	o, notes := alone(Server{})
	for _, r := range []*event.Request{warm, failed, unsent} {
		o.accounts.reconcile(r, nil, o.report, o.server.Embedded)
	}
	if o.Summarise(); notes.Len() > 0 {
		t.Errorf("warm-ups and failures are reconciled: %q", notes)
	}
}

// The end of a reply is where the server's clock ends: at the finish reason, not at the last text.
func TestReconcile_End(t *testing.T) {
	r := reply(100*time.Millisecond, map[string]float64{"server.e2e_ms": 200, "server.total_ms": 200})
	r.Finished = new(200 * time.Millisecond)
	o, notes := alone(Server{})
	o.accounts.reconcile(r, nil, o.report, o.server.Embedded)
	if o.Summarise(); notes.Len() > 0 {
		t.Errorf("notes %q", notes.String())
	}
	r.Timings["server.total_ms"] = 300
	o.accounts.reconcile(r, nil, o.report, o.server.Embedded)
	if o.Summarise(); !strings.Contains(notes.String(), "e2e_ms and server.total_ms differ") ||
		strings.Contains(notes.String(), "server.e2e_ms") {
		t.Errorf("notes %q", notes.String())
	}
}

func TestCheck_Isolation(t *testing.T) {
	for name, c := range map[string]struct {
		lead   int // cached tokens that may come before the salt
		cached *int
		err    *event.Error
		broken bool
	}{
		"nothing":                         {cached: new(0)},
		"one block":                       {cached: new(16), broken: true},
		"what templates put before it":    {lead: 32, cached: new(32)},
		"more than that":                  {lead: 32, cached: new(33), broken: true},
		"the unknown is no proof":         {},
		"a failed request proves nothing": {cached: new(999), err: &event.Error{}},
	} {
		t.Run(name, func(t *testing.T) {
			o, _ := alone(Server{Lead: c.lead})
			o.Salted()
			r := reply(time.Millisecond, nil)
			r.Cached, r.Err = c.cached, c.err
			o.isolation.check(o.Before(t.Context()).most, r, "salt")
			if (o.Broken() != nil) != c.broken {
				t.Errorf("broken: %v", o.Broken())
			}
			if c.broken && !strings.Contains(o.Broken().Error(), "the first prompt of its scope (c/q) had") {
				t.Errorf("error %v", o.Broken())
			}
			second := reply(time.Millisecond, nil)
			second.Cached = new(4096)
			o.isolation.broken = nil
			if o.isolation.check(o.Before(t.Context()).most, second, "salt"); o.Broken() != nil {
				t.Errorf("the second prompt may be cached, also after one that failed: %v", o.Broken())
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
			o, notes := alone(Server{})
			var r *event.Request
			for i, text := range []string{c.first, c.second} {
				r = reply(time.Millisecond, nil)
				r.Usage.Prompt, r.Cached, r.Reusable, r.CacheSource = &c.tokens[i], new(5), new(5), "usage"
				o.signs.checkContext(r, text, c.context, o.notes)
			}
			if c.cut != strings.HasPrefix(notes.String(), "context_truncated: ") {
				t.Errorf("notes %q", notes.String())
			}
			if unknown := r.Cached == nil && r.Reusable == nil && r.CacheSource == "none" && r.CacheWhy != "" &&
				r.ReusableWhy != ""; unknown != c.cut {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Whole messages that a server leaves out make a count that is far under homellm's own, which the prompts before it
// have calibrated. Later counts are not compared with one that was cut.
func TestCut_Estimate(t *testing.T) {
	type turn struct{ counted, told int }
	for name, c := range map[string]struct {
		canary *turn // nil: nothing was counted before the first turn
		turns  []turn
		spread float64
		cut    string // whether each turn is: y or n
	}{
		"as many":                         {&turn{110, 112}, []turn{{381, 384}}, 0.21, "n"},
		"the first big turn":              {&turn{110, 112}, []turn{{381, 300}}, 0.21, "y"},
		"not calibrated, and near":        {nil, []turn{{381, 310}}, 0.21, "n"},
		"not calibrated, and far":         {nil, []turn{{3810, 2048}}, 0.21, "y"},
		"a template that says more":       {&turn{110, 150}, []turn{{2000, 2040}}, 0.1, "n"},
		"a vocabulary with fewer":         {&turn{110, 90}, []turn{{2000, 1640}}, 0.1, "n"},
		"a short prompt":                  {&turn{110, 112}, []turn{{120, 60}}, 0.1, "n"},
		"an exact count":                  {&turn{110, 110}, []turn{{381, 340}}, 0, "y"},
		"the one after it is not excused": {&turn{110, 112}, []turn{{3000, 1000}, {3100, 1010}}, 0.1, "yy"},
		"what fitted widens":              {&turn{110, 112}, []turn{{2000, 1720}, {2000, 1520}}, 0.2, "nn"},
	} {
		t.Run(name, func(t *testing.T) {
			o, notes := alone(Server{})
			if c.canary != nil {
				o.signs.calibrate(&event.Estimate{Prompt: c.canary.counted, Spread: c.spread}, &c.canary.told)
			}
			got := ""
			for i, turn := range c.turns {
				r := reply(time.Millisecond, nil)
				r.Usage.Prompt, r.Cached, r.CacheSource = &turn.told, new(5), "usage"
				r.Estimate = &event.Estimate{Prompt: turn.counted, Spread: c.spread}
				o.signs.checkContext(r, strings.Repeat(string(rune('a'+i)), turn.counted*4), 0, o.notes)
				if r.Cached == nil && r.Estimate == nil {
					got += "y"
				} else {
					got += "n"
				}
			}
			if got != c.cut || strings.Contains(c.cut, "y") != strings.Contains(notes.String(), "context_truncated: ") {
				t.Errorf("cut %s, want %s; notes %q", got, c.cut, notes.String())
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
		"proven, and said": {rule: rule("usage", "zero", true),
			report: server.Report{InReply: true, Source: "usage"}, reply: new(48), n: new(48), source: "usage"},
		"proven, and silent": {rule: rule("usage", "zero", true),
			report: server.Report{InReply: true, Source: "usage"}, n: new(0), source: "usage", assumed: true},
		"silent, without a rule for that": {rule: rule("usage", "unknown", true),
			report: server.Report{InReply: true, Source: "usage"}, source: "none", why: "may mean 0"},
		"not reported at all": {rule: rule("none", "", false), source: "none",
			why: "server s reports no cached tokens"},
		"said by one of whom it was not known": {rule: rule("none", "", false), reply: new(7), n: new(7), source: "usage"},
		"the cache is off": {rule: rule("usage", "zero", true), report: server.Report{Off: true},
			n: new(0), source: "counters"},
		"failed": {rule: rule("usage", "zero", true),
			report: server.Report{InReply: true, Source: "usage"}, err: &event.Error{}, source: "none",
			why: "the request failed"},
	} {
		t.Run(name, func(t *testing.T) {
			o, _ := alone(Server{})
			o.cell.Server.Capabilities.CacheReport = c.rule
			o.report = c.report
			e := &event.Exchange{Err: c.err}
			e.Usage.Cached = c.reply
			n, source, assumed, why := o.cached(e, nil)
			same := (n == nil) == (c.n == nil) && (n == nil || *n == *c.n)
			if !same || source != c.source || assumed != c.assumed || !strings.Contains(why, c.why) ||
				(why == "") != (c.why == "") {
				t.Errorf("got %v %s %v %q", n, source, assumed, why)
			}
		})
	}
}

// A reset that refuses ends the cell with an error at the profile's place, and with what to do.
func TestUnisolated(t *testing.T) {
	profile := &dsl.Server{Name: "s"}
	profile.Pos = syntax.Pos{File: "servers.yaml", Line: 30}
	err := Unisolated(profile, "isolation by reset: %w", server.ErrNotReset)
	want := "servers.yaml:30: server s: isolation by reset: " + server.ErrNotReset.Error()
	if h, ok := err.(interface{ Hint() string }); !ok || !strings.Contains(h.Hint(), "run.isolation.cache") ||
		err.Error() != want {
		t.Errorf("error %v", err)
	}
}
