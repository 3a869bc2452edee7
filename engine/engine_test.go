package engine_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"homellm"
	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine"
	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/prompt"
	"homellm/engine/retrieve"
	"homellm/engine/server"
	"homellm/engine/sim"
	"homellm/engine/target"
	"homellm/engine/wire"
	"homellm/scenarios"
)

// TestMain lets garbage grow: hundreds of runs are played and thrown away, none of them large.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// rig is the engine against the simulator over in-memory connections: inside a synctest bubble
// every duration is exact.
type rig struct {
	sim    *sim.Server
	events []event.Event
	fold   *metrics.Run
	bodies [][]byte // of the requests for completions, in order

	target  func(*target.Target)            // changes what the engine plays against; nil: nothing
	options func(*engine.Options)           // changes how; nil: nothing
	front   func(http.Handler) http.Handler // wraps the simulator; nil: nothing does
	draw    func(uint64) uint64             // draws the prompts of the self-test; nil: at random
	ctx     context.Context                 // of one run; nil: the test's own
	tokens  *sync.Map                       // those of prompts, by the request for them; nil: the simulator is asked

	mu sync.Mutex
}

// record keeps the bodies of the requests for completions on their way to the simulator.
func (g *rig) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "completions") {
			body := bodyOf(r)
			g.mu.Lock()
			g.bodies = append(g.bodies, body)
			g.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

// shippedLibrary is read once for all tests.
var shippedLibrary = sync.OnceValues(func() (*dsl.Library, syntax.Diagnostics) {
	return dsl.LoadLibrary(
		dsl.File{Name: "models.yaml", Data: homellm.Models},
		dsl.File{Name: "servers.yaml", Data: homellm.Servers},
	)
})

// library is the shipped one, in which a test may change profiles and models.
func library(t *testing.T) *dsl.Library {
	t.Helper()
	read, ds := shippedLibrary()
	if ds.Errors() {
		t.Fatal(ds)
	}
	lib := *read
	lib.Servers, lib.Models = copies(lib.Servers), copies(lib.Models)
	return &lib
}

func copies[T any](of []*T) (out []*T) {
	for _, x := range of {
		out = append(out, new(*x))
	}
	return out
}

func load(t *testing.T, name string, data []byte, lib *dsl.Library) *dsl.Plan {
	t.Helper()
	return loadIn(t, scenarios.FS, name, data, lib)
}

// loadIn plans a scenario whose files are in a folder.
func loadIn(t *testing.T, dir fs.FS, name string, data []byte, lib *dsl.Library) *dsl.Plan {
	t.Helper()
	opt := prompt.PlanOptions(lib)
	opt.DefaultServer, opt.Vars = "sim", few(name)
	plan, ds := dsl.Load(dsl.File{Name: name, Data: data, Dir: dir}, lib, judge.Vocabulary(), opt)
	if ds.Errors() {
		t.Fatal(ds)
	}
	return plan
}

// simulator serves the model that plans name, until the test ends or its bubble.
func simulator(t *testing.T, config sim.Config) *sim.Server {
	t.Helper()
	config.ServedNames = []string{"qwen2.5-3b"}
	server, err := sim.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// bodyOf reads the body of a request, which can be read once more then.
func bodyOf(r *http.Request) []byte {
	body, _ := io.ReadAll(r.Body) // what is cut short is no JSON
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

// play runs a plan in the current bubble.
func (g *rig) play(t *testing.T, plan *dsl.Plan, config sim.Config) {
	t.Helper()
	if err := g.try(t, plan, simulator(t, config)); err != nil {
		t.Fatal(err)
	}
}

// try runs a plan against a simulator and returns what the run returns.
func (g *rig) try(t *testing.T, plan *dsl.Plan, simulator *sim.Server) error {
	t.Helper()
	g.sim = simulator
	var handler http.Handler = simulator
	if g.front != nil {
		handler = g.front(simulator)
	}
	dial, shut := sim.Pipe(g.record(handler))
	defer shut()
	hc := &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}}
	defer hc.CloseIdleConnections()

	g.fold = &metrics.Run{}
	opt := engine.Options{
		Header: event.RunStarted{ID: "0011223344556677", Started: time.Now()},
		Journal: engine.Journal{Fold: g.fold, Keep: func(e event.Event) error {
			g.events = append(g.events, e)
			return nil
		}},
		Open: func(_ context.Context, c *dsl.Cell) (*target.Target, error) {
			target := &target.Target{
				Facts: event.Server{Profile: c.Server.Name, Engine: "sim", URL: "http://sim", Model: "qwen2.5-3b",
					Simulated: true},
				Client:   client.Config{BaseURL: "http://sim/v1", Model: "qwen2.5-3b", Stream: true, Dial: dial},
				Block:    16,
				Tokenize: tokenizer(hc, g.tokens),
				Reset: func(ctx context.Context) error {
					req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sim/reset_prefix_cache", nil)
					if err != nil {
						return err
					}
					resp, err := hc.Do(req)
					if err != nil {
						return err
					}
					return resp.Body.Close()
				},
			}
			side, err := server.NewSide(server.Config{BaseURL: "http://sim", Engine: "sim", Model: "qwen2.5-3b", Client: hc,
				Draw: g.draw})
			if err != nil {
				return nil, err
			}
			target.Side = side
			target.Embedder = &retrieve.Service{URL: "http://sim/v1/embeddings", Client: hc, Limit: time.Minute}
			target.Reranker = &retrieve.Service{URL: "http://sim/v1/rerank", Client: hc, Limit: time.Minute}
			if g.target != nil {
				g.target(target)
			}
			return target, nil
		},
	}
	if g.options != nil {
		g.options(&opt)
	}
	if g.ctx == nil {
		g.ctx = t.Context()
	}
	return engine.Run(g.ctx, plan, opt)
}

// tokenizer asks the simulator for the tokens of a prompt, as engine/server does, unless they are known.
func tokenizer(hc *http.Client, known *sync.Map) prompt.Tokenize {
	return func(ctx context.Context, messages []dsl.Message, tools ...wire.Tool) ([]int, error) {
		q := map[string]any{"model": "qwen2.5-3b", "messages": messages, "add_generation_prompt": true}
		if len(tools) > 0 {
			q["tools"] = wire.Functions(tools)
		}
		body, err := json.Marshal(q)
		if err != nil {
			return nil, err
		}
		if known != nil {
			if ids, ok := known.Load(string(body)); ok {
				return slices.Clone(ids.([]int)), nil
			}
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sim/tokenize", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		resp, err := hc.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		reply, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return nil, cmp.Or(err, fmt.Errorf("tokenize: HTTP %d", resp.StatusCode))
		}
		// Reading the list by hand takes a tenth of what encoding/json takes, and this is most of what these tests read.
		_, list, _ := bytes.Cut(reply, []byte(`"tokens":[`))
		list, _, found := bytes.Cut(list, []byte("]"))
		if !found {
			return nil, fmt.Errorf("tokenize: no tokens in %.80q", reply)
		}
		var ids []int
		for one := range bytes.SplitSeq(list, []byte(",")) {
			id, err := strconv.Atoi(string(one))
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		if known != nil {
			known.Store(string(body), slices.Clone(ids))
		}
		return ids, nil
	}
}

// requests are the measured and the warm-up requests in the order in which they were sent.
func (g *rig) requests() []event.Request {
	var out []event.Request
	for _, e := range g.events {
		if r, ok := e.Body.(event.Request); ok {
			out = append(out, r)
		}
	}
	return out
}

// canary recognises the prompts of the preflight: a number that was never sent before, then words without a full stop.
func canary(prompt string) bool {
	number, words, _ := strings.Cut(prompt, " ")
	_, err := hex.DecodeString(number)
	return err == nil && len(number) == 16 && len(words) > 20 && !strings.ContainsAny(words, ".?!")
}

// ledger are the simulator's entries of those requests: the preflight of each cell goes before.
func (g *rig) ledger(t *testing.T) []sim.Entry {
	t.Helper()
	var out []sim.Entry
	for _, e := range g.sim.Ledger() {
		if !canary(e.Messages[0].Content) {
			out = append(out, e)
		}
	}
	if len(out) != len(g.requests()) {
		t.Fatalf("the simulator answered %d requests, the journal holds %d", len(out), len(g.requests()))
	}
	return out
}

// TestShippedScenarios_EqualTheLedger plays every shipped scenario in virtual time and compares the measurements with
// what the simulator did: tokens, cached tokens, times, all with ==. Two repeats show what is kept between them;
// TestGolden plays three.
func TestShippedScenarios_EqualTheLedger(t *testing.T) {
	for _, name := range shippedNames(t) {
		t.Run(name, func(t *testing.T) {
			shipped := loadShipped(t, name, 2)
			plan := shipped.plan
			synctest.Test(t, func(t *testing.T) {
				g := rig{tokens: shipped.tokens}
				g.play(t, plan, sim.Config{LedgerEntries: 10_000})
				ledger := g.ledger(t)
				for i, r := range g.requests() {
					compareTruth(t, r, ledger[i])
				}
				allPass(t, g.fold)
				for _, c := range g.fold.Cells {
					if c.Planned.Skip != "" {
						continue // larger than the simulator's context
					}
					if got, want := len(c.Measured(metrics.Group{})), c.Planned.Turns*plan.Repeats; got != want {
						t.Errorf("cell %s has %d measured turns, want %d", c.Name(), got, want)
					}
				}
			})
		})
	}
}

func compareTruth(t *testing.T, r event.Request, truth sim.Entry) {
	t.Helper()
	at := fmt.Sprintf("%s turn %d of repeat %d", r.Step, r.Turn, r.Repeat)
	if r.Err != nil {
		t.Fatalf("%s failed: %s", at, r.Err.Message)
	}
	check := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s is %v, the truth is %v", at, what, got, want)
		}
	}
	check("text", r.Text, truth.Text)
	check("prompt tokens", *r.Usage.Prompt, truth.PromptTokens)
	check("output tokens", *r.Usage.Completion, truth.OutputTokens)
	if r.Cached == nil {
		t.Fatalf("%s: cached tokens are unknown: %s", at, r.CacheWhy)
	}
	check("cached tokens", *r.Cached, truth.CachedTokens)
	if r.Reusable == nil {
		t.Fatalf("%s: reusable tokens are unknown: %s", at, r.ReusableWhy)
	}
	check("reusable tokens", *r.Reusable, truth.CachedTokens) // nothing is evicted here: the ceiling is reached
	check("TTFT", r.Chunks[0].At-*r.Sent, truth.TTFT)
	check("dispatch delay", *r.Sent-r.Due, time.Duration(0))

	// TPOT through the metric itself: the mean of the ledger's intervals.
	if truth.OutputTokens > 1 && truth.Calls == nil { // the head of a call comes in one piece of many tokens
		d, _ := metrics.Lookup("tpot_ms")
		got := d.Each(&metrics.Cell{}, &r)
		want := float64(truth.E2E-truth.TTFT) / float64(time.Millisecond) / float64(truth.OutputTokens-1)
		if within := got.Range; within != nil && truth.OutputTokens < 25 { // a token more or less matters
			check("whether TPOT is in its interval", within.Low <= want && want <= within.High, true)
			return
		}
		check("TPOT in ms", got.V, any(want))
	}
}

// TestWireMessages checks the message lists on the wire of the four turns that inject and remove are about: the
// document at the head, and gone from the third turn on.
func TestWireMessages(t *testing.T) {
	const file = `schema: homellm.scenario/v1
name: four-turns
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 1, isolation: {cache: none}}
documents:
  - {id: s, title: Orders, text: "An order is paid, then packed, then sent."}
conversations:
  - id: main
    history: recorded
    steps:
      - {id: load, inject: {docs: [s], into: system}}
      - {id: one, query: U1, reply: A1}
      - {id: two, query: U2, reply: A2}
      - {id: drop, remove: {docs: [s]}}
      - {id: three, continue: U3, reply: A3}
      - {id: four, continue: U4, reply: A4, assert: [turn.ok]}
`
	lib := library(t)
	plan := load(t, "four.yaml", []byte(file), lib)
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{})
		block := dsl.Message{Role: "system",
			Content: "[RETRIEVED INFORMATION: Orders]\nAn order is paid, then packed, then sent.\n[END RETRIEVED INFORMATION]"}
		u := func(n string) dsl.Message { return dsl.Message{Role: "user", Content: "U" + n} }
		a := func(n string) dsl.Message { return dsl.Message{Role: "assistant", Content: "A" + n} }
		want := [][]dsl.Message{
			{block, u("1")},
			{block, u("1"), a("1"), u("2")},
			{u("1"), a("1"), u("2"), a("2"), u("3")},
			{u("1"), a("1"), u("2"), a("2"), u("3"), a("3"), u("4")},
		}
		var got [][]dsl.Message
		for _, body := range g.bodies {
			var request struct {
				Messages    []dsl.Message
				Temperature *float64
				MaxTokens   int `json:"max_tokens"`
			}
			if err := json.Unmarshal(body, &request); err != nil {
				t.Fatal(err)
			}
			if canary(request.Messages[0].Content) {
				continue
			}
			if request.Temperature == nil || *request.Temperature != 0 {
				t.Errorf("temperature 0 is not on the wire: %s", body)
			}
			got = append(got, request.Messages)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("messages on the wire (-want +got):\n%s", diff)
		}
		phases := []string{"with_rag", "with_rag", "after_removal", "after_removal"}
		for i, r := range g.requests() {
			if r.Phase != phases[i] {
				t.Errorf("turn %d is in phase %s, want %s", i+1, r.Phase, phases[i])
			}
		}
	})
}
