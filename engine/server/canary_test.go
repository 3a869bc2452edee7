package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// cacheServer is a server with a prefix cache of whole prompts, just enough to be tested: it
// reports in replies, in counters, in both or in neither, and its reset may be a lie.
type cacheServer struct {
	mu          sync.Mutex
	seen        map[string]bool
	prompt      int
	cachedTotal int
	requests    int
	inReply     bool // replies carry cached tokens, when there are any
	always      *int // replies carry this number whatever happened
	counters    bool
	cacheOff    bool
	never       bool // nothing is ever found in its cache, and it does not say so beforehand
	computed    *int // replies carry this number of computed tokens
	resetLies   bool
	foreign     bool // another client's request ends with each of ours
	partial     bool // a prompt's count leaves out what was cached
	zero        bool // a prompt that was cached is counted as none
	apart       bool // uncached tokens are counted apart, and the prompt is the sum
	twice       bool // the same, but the part includes what was cached
}

func (c *cacheServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /metrics":
		if !c.counters {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "# TYPE vllm:prompt_tokens_total counter\nvllm:prompt_tokens_total %d\n# TYPE "+
			"vllm:prompt_tokens_cached_total counter\nvllm:prompt_tokens_cached_total %d\n", c.prompt, c.cachedTotal)
		fmt.Fprintf(w, "# TYPE vllm:request_success_total counter\nvllm:request_success_total %d\n", c.requests)
		fmt.Fprintf(w, "# TYPE vllm:cache_config_info gauge\n"+
			"vllm:cache_config_info{block_size=\"16\",enable_prefix_caching=\"%t\"} 1\n", !c.cacheOff)
	case "POST /reset_prefix_cache":
		if !c.resetLies {
			clear(c.seen)
		}
	default:
		http.NotFound(w, r)
	}
}

// send plays a completion: 99 tokens, 96 of which are cached the second time.
func (c *cacheServer) send(salt string) Send {
	return func(_ context.Context, prompt string) (Reply, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		reply, hit := Reply{Prompt: new(99), Source: "usage", Computed: c.computed}, 0
		if c.seen[salt+prompt] && !c.cacheOff && !c.never {
			hit = 96
		}
		c.seen[salt+prompt] = true
		c.prompt, c.cachedTotal, c.requests = c.prompt+99, c.cachedTotal+hit, c.requests+1
		if c.foreign {
			c.prompt, c.requests = c.prompt+5, c.requests+1
		}
		if c.inReply && hit > 0 {
			reply.Cached = &hit
		}
		if c.always != nil {
			reply.Cached = c.always
		}
		if c.partial {
			reply.Prompt = new(99 - hit)
		}
		if c.zero && hit > 0 {
			reply.Prompt = nil
		}
		if c.apart {
			reply.Input = new(99 - hit)
		}
		if c.twice {
			reply.Input, reply.Prompt = new(99), new(99+hit)
		}
		return reply, nil
	}
}

func (c *cacheServer) start(t *testing.T) *Side {
	t.Helper()
	c.seen = map[string]bool{}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return sideOf(t, "vllm", s.URL)
}

func TestSelfTest(t *testing.T) {
	tests := []struct {
		name   string
		server *cacheServer
		how    string
		proven bool
		after  *int // of a later, silent reply
	}{
		{name: "in replies", server: &cacheServer{inReply: true}, how: "usage of every reply", proven: true, after: new(0)},
		{name: "in both", server: &cacheServer{inReply: true, counters: true},
			how: "usage of every reply, checked by vllm:prompt_tokens_cached", proven: true, after: new(0)},
		{name: "in counters", server: &cacheServer{counters: true}, how: "growth of vllm:prompt_tokens_cached", proven: true},
		{name: "nowhere", server: &cacheServer{}, how: "reports no cached tokens; there are no counters"},
		{name: "zero in replies", server: &cacheServer{always: new(0)}, proven: true, after: new(0),
			how: "0 of a repeated prompt was cached, by usage of every reply: the prefix cache is switched off, or the model " +
				"cannot use it"},
		{name: "all computed", server: &cacheServer{always: new(0), computed: new(99)}, proven: true, after: new(0),
			how: "by usage of every reply: the prefix cache is switched off"},
		{name: "neither cached nor computed", server: &cacheServer{always: new(0), computed: new(50)},
			how: "reports 0 cached and 50 computed tokens of a prompt of 99"},
		{name: "counters without a hit", server: &cacheServer{never: true, counters: true}, proven: true,
			how: "0 of a repeated prompt was cached, by growth of vllm:prompt_tokens_cached: the prefix cache is switched off"},
		{name: "zero in replies, and counters that hit", server: &cacheServer{always: new(0), counters: true}, proven: true,
			how: "growth of vllm:prompt_tokens_cached"},
		{name: "the same whatever happens", server: &cacheServer{always: new(50)},
			how: "the reply to a new prompt reports 50 cached tokens"},
		{name: "more than there are", server: &cacheServer{always: new(500)},
			how: "reports 500 cached tokens of a prompt of 99"},
		{name: "shared with somebody", server: &cacheServer{counters: true, foreign: true},
			how: "another client uses the server"},
		{name: "switched off", server: &cacheServer{counters: true, cacheOff: true}, how: "switched off", proven: true,
			after: new(0)},
		{name: "counted without what was cached", server: &cacheServer{inReply: true, partial: true}, proven: true,
			how: "usage of every reply", after: new(0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			side := tt.server.start(t)
			report, err := side.SelfTest(t.Context(), Known{}, tt.server.send(""))
			if err != nil {
				t.Fatal(err)
			}
			if report.Proven() != tt.proven || !strings.Contains(report.How(), tt.how) {
				t.Errorf("proven %v: %s; want %v: %s", report.Proven(), report.How(), tt.proven, tt.how)
			}
			n, source, _, why := report.Cached(Reply{Prompt: new(99)}, nil, true)
			if (n == nil) != (tt.after == nil) || n != nil && *n != *tt.after {
				t.Errorf("a silent reply: cached %v", n)
			}
			if (n == nil) != (why != "") || (n == nil) != (source == "none") {
				t.Errorf("cached %v from %q, reason %q", n, source, why)
			}
		})
	}
}

func TestCached(t *testing.T) {
	proven := Report{InReply: true, Source: "timings"}
	if n, source, assumed, _ := proven.Cached(Reply{Cached: new(7), Source: "timings"}, nil, false); n == nil || *n != 7 ||
		source != "timings" || assumed {
		t.Errorf("got %v %s %v", n, source, assumed)
	}
	if n, _, assumed, _ := proven.Cached(Reply{}, nil, true); n == nil || *n != 0 || !assumed {
		t.Errorf("a silent reply of a server whose silence means 0: %v, assumed %v", n, assumed)
	}
	if n, _, _, why := proven.Cached(Reply{}, nil, false); n != nil || why == "" {
		t.Errorf("a silent reply of a server whose silence means nothing: %v, %q", n, why)
	}
	blank := Report{InReply: true, Source: "usage", Blank: true}
	if n, _, assumed, _ := blank.Cached(Reply{}, nil, false); n == nil || *n != 0 || !assumed {
		t.Errorf("a silent reply of a server that was silent of a new prompt: %v, assumed %v", n, assumed)
	}
	// A number that the self-test found to be untrue stays unused.
	if n, source, _, why := (Report{Why: "lies"}).Cached(Reply{Cached: new(0)}, nil, true); n != nil || source != "none" ||
		why != "lies" {
		t.Errorf("got %v %s %q", n, source, why)
	}
	counted := Report{Counters: "f"}
	if n, source, _, _ := counted.Cached(Reply{}, &Delta{cached: map[string]int{"f": 32}}, true); n == nil || *n != 32 ||
		source != "counters" {
		t.Errorf("got %v %s", n, source)
	}
	if n, _, _, why := counted.Cached(Reply{}, &Delta{Why: "shared"}, true); n != nil || why != "shared" {
		t.Errorf("got %v %q", n, why)
	}
	if n, _, _, why := (Report{}).Cached(Reply{Cached: new(3)}, nil, true); n != nil || why == "" {
		t.Errorf("an untested report was believed: %v", n)
	}
}

func TestSelfTest_RequestFails(t *testing.T) {
	c := cacheServer{}
	side := c.start(t)
	why := errors.New("HTTP 500")
	if _, err := side.SelfTest(t.Context(), Known{}, func(context.Context, string) (Reply, error) {
		return Reply{},
			why
	}); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestCanary_LongEnough(t *testing.T) {
	one, two := canary(rand.Uint64N, wordsOf(1600)), canary(rand.Uint64N, wordsOf(1600))
	if one == two {
		t.Error("two canaries are the same")
	}
	if words := len(strings.Fields(one)); words < 3*1600+1 {
		t.Errorf("%d words for three blocks of 1600 tokens and one", words)
	}
}

func TestSettle_WaitsForTheCount(t *testing.T) {
	before, err := os.ReadFile(filepath.Join("testdata", "vllm-0.27-before.prom"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join("testdata", "vllm-0.27-after.prom"))
	if err != nil {
		t.Fatal(err)
	}
	var scrapes atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if scrapes.Add(1) < 4 {
			fmt.Fprintf(w, "%s", before)
			return
		}
		fmt.Fprintf(w, "%s", after)
	}))
	defer s.Close()
	side := sideOf(t, "vllm", s.URL)
	was, err := side.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	is, err := side.AwaitCounters(t.Context(), was)
	if err != nil {
		t.Fatal(err)
	}
	if d := side.Between(was, is, Reply{Prompt: new(2304)}); scrapes.Load() != 4 || d.Why != "" {
		t.Errorf("after %d scrapes: %q", scrapes.Load(), d.Why)
	}
}

// Some versions of Ollama count what they computed of a prompt, and some of a prompt that was cached nothing.
func TestSelfTest_Partial(t *testing.T) {
	for name, tt := range map[string]struct {
		server *cacheServer
		cached *int // of a later reply that counts 30 prompt tokens
		want   *int // tokens of its prompt
		why    string
	}{
		"the whole":                  {&cacheServer{}, nil, new(30), ""},
		"the whole, cached told":     {&cacheServer{inReply: true}, new(16), new(30), ""},
		"computed, cached told":      {&cacheServer{inReply: true, partial: true}, new(16), new(46), ""},
		"computed, a later silence":  {&cacheServer{inReply: true, partial: true}, nil, nil, "what it computed of a prompt"},
		"computed, nothing is told":  {&cacheServer{partial: true}, nil, nil, "what it computed of a prompt"},
		"nothing of a cached prompt": {&cacheServer{zero: true}, nil, nil, "what it computed of a prompt"},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := tt.server.start(t).SelfTest(t.Context(), Known{}, tt.server.send(""))
			if err != nil {
				t.Fatal(err)
			}
			n, why := report.Whole(Reply{Prompt: new(30), Cached: tt.cached})
			if (n == nil) != (tt.want == nil) || n != nil && *n != *tt.want ||
				!strings.Contains(why, tt.why) || (why == "") != (tt.why == "") {
				t.Errorf("a prompt has %v tokens (%s), want %v", n, why, tt.want)
			}
		})
	}
}

// By the definition of Anthropic's API a prompt is the sum of the input count and the cached tokens; some servers
// include the cached tokens in both. The self-test distinguishes them, and proves the report of either.
func TestSelfTest_Apart(t *testing.T) {
	for name, tt := range map[string]struct {
		server *cacheServer
		want   int // tokens of a later prompt, of which 2 are counted apart and 30 were cached, or 32 apart
	}{
		"by definition":       {&cacheServer{inReply: true, apart: true}, 32},
		"cached tokens twice": {&cacheServer{inReply: true, twice: true}, 32},
		"nothing was cached":  {&cacheServer{always: new(0), twice: true, never: true}, 62},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := tt.server.start(t).SelfTest(t.Context(), Known{}, tt.server.send(""))
			if err != nil || !report.Proven() {
				t.Fatal(report.How(), err)
			}
			later := Reply{Input: new(2), Cached: new(30), Prompt: new(32)}
			if tt.server.twice {
				later.Input, later.Prompt = new(32), new(62)
			}
			if n, why := report.Whole(later); n == nil || *n != tt.want || why != "" {
				t.Errorf("a prompt has %v tokens (%s), want %d", n, why, tt.want)
			}
		})
	}
}

// There are two reasons why the input count of two replies may be the same. The server's own count of the prompt
// decides between them, and exposes a server that contradicts itself. Without such a count the definition applies where
// possible.
func TestReport_CountedPrompt(t *testing.T) {
	reply := func(input, cached, written int) Reply {
		return Reply{Input: &input, Cached: &cached, Prompt: new(input + cached + written), Source: "usage"}
	}
	mute := Reply{Input: new(1), Prompt: new(1), Source: "usage"}
	for name, tt := range map[string]struct {
		replies [2]Reply
		counted int
		later   Reply
		want    int // tokens of the prompt of the later reply
		odd     string
	}{
		"written, then read":            {[2]Reply{reply(3, 0, 30), reply(3, 30, 0)}, 0, reply(4, 40, 0), 44, ""},
		"written, then read, counted":   {[2]Reply{reply(3, 0, 30), reply(3, 30, 0)}, 33, reply(4, 40, 0), 44, ""},
		"held in both":                  {[2]Reply{reply(33, 0, 0), reply(33, 32, 0)}, 0, reply(44, 40, 0), 44, ""},
		"held in both, counted":         {[2]Reply{reply(33, 0, 0), reply(33, 32, 0)}, 33, reply(44, 40, 0), 44, ""},
		"held in both, written as well": {[2]Reply{reply(33, 0, 32), reply(33, 32, 0)}, 33, reply(44, 40, 0), 44, ""},
		"another count": {[2]Reply{reply(33, 0, 0), reply(1, 32, 0)}, 30, reply(4, 40, 0), 44,
			"count_tokens says that a prompt has 30 tokens, and the replies to it count 33 besides 0 cached and 1 besides 32 cached"},
		"what was cached is not told": {[2]Reply{{Input: new(33), Prompt: new(33)}, mute}, 33, reply(4, 40, 0), 44,
			"33 without saying what was cached and 1 without"},
	} {
		t.Run(name, func(t *testing.T) {
			var r Report
			r.judge(tt.replies, tt.counted, [2]Delta{}, nil, nil)
			if n, why := r.Whole(tt.later); n == nil || *n != tt.want {
				t.Errorf("%v tokens (%s), want %d", n, why, tt.want)
			}
			if (r.Odd == "") != (tt.odd == "") || !strings.Contains(r.Odd, tt.odd) {
				t.Errorf("odd: %q, want %q", r.Odd, tt.odd)
			}
		})
	}
}

// An engine whose replies never tell is not made to read longer and longer prompts.
func TestSelfTest_Mute(t *testing.T) {
	for engine, want := range map[string]int{"ollama": 2, "lmstudio": 2, "openai": 12} {
		sent := 0
		report, err := sideOf(t, engine, "http://127.0.0.1:1").SelfTest(t.Context(), Known{},
			func(_ context.Context, prompt string) (Reply, error) {
				sent++
				return Reply{Prompt: new(len(strings.Fields(prompt)))}, nil
			})
		if err != nil || report.Proven() || sent != want {
			t.Errorf("%s: %d requests, want %d; %s, %v", engine, sent, want, report.How(), err)
		}
	}
}
