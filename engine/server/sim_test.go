package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"homellm/engine/sim"

	"homellm/engine/engines"
)

// simulated starts the simulator behind a socket and returns what a probe of it finds.
func simulated(t *testing.T, config sim.Config) (*httptest.Server, Found) {
	t.Helper()
	config.Speed = 1000 // what it says is tested here, not when
	handler, err := sim.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	found, err := Probe(t.Context(), s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, found
}

// sender sends a chat request of one token, as the engine's client would.
func sender(address, model, salt string) Send {
	return func(ctx context.Context, prompt string) (Reply, error) {
		body := map[string]any{"model": model, "messages": []engines.Message{{Role: "user", Content: prompt}},
			"max_tokens": 1, "temperature": 0}
		if salt != "" {
			body["cache_salt"] = salt
		}
		raw, err := json.Marshal(body)
		if err != nil {
			return Reply{}, err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/v1/chat/completions", bytes.NewReader(raw))
		if err != nil {
			return Reply{}, err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return Reply{}, err
		}
		defer response.Body.Close()
		var got struct {
			Usage struct {
				Prompt  *int `json:"prompt_tokens"`
				Details *struct {
					Cached *int `json:"cached_tokens"`
				} `json:"prompt_tokens_details"`
			} `json:"usage"`
		}
		if response.StatusCode != http.StatusOK {
			return Reply{}, fmt.Errorf("HTTP %d", response.StatusCode)
		}
		if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
			return Reply{}, err
		}
		r := Reply{Prompt: got.Usage.Prompt, Source: "usage"}
		if got.Usage.Details != nil {
			r.Cached = got.Usage.Details.Cached
		}
		return r, nil
	}
}

func TestSim_Found(t *testing.T) {
	_, found := simulated(t, sim.Config{ContextTokens: 8192})
	if found.State != Ready || found.Engine != "sim" || !found.Simulated || !strings.HasSuffix(found.Version, "+sim") {
		t.Errorf("got %+v", found)
	}
	if len(found.Models) == 0 || found.ContextTokens == nil || *found.ContextTokens != 8192 || found.BlockTokens == nil ||
		*found.BlockTokens != 16 {
		t.Errorf("got %+v", found)
	}
	for _, c := range []string{"usage", "cache_report", "cache_reset", "cache_salt", "tokenize", "metrics",
		"server_timings", "ignore_eos"} {
		if !found.Can(c) {
			t.Errorf("it cannot do %s", c)
		}
	}
	if _, found := simulated(t, sim.Config{NoDevMode: true}); found.Can("cache_reset") {
		t.Error("a reset without dev mode")
	}
	if _, found := simulated(t, sim.Config{StartupDelay: time.Hour}); found.State != StartingUp || found.Engine != "sim" {
		t.Errorf("while it starts: %+v", found)
	}
	if _, found := simulated(t, sim.Config{APIKey: "k"}); found.State != Locked ||
		!strings.Contains(found.Detail, "wants an API key") {
		t.Errorf("behind a key: %+v", found)
	}
}

// Every version of vLLM's metrics, with and without cached tokens in replies: the self-test finds the
// source there is, and reset and salt do what they say.
func TestSim_Canary(t *testing.T) {
	for _, era := range sim.WireVersions {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s silent=%v", era.Name, silent), func(t *testing.T) {
				s, found := simulated(t, sim.Config{NoCachedUsage: silent, Wire: sim.Wire{Version: era.Name}})
				model := found.Models[0].ID
				side, err := NewSide(Config{BaseURL: s.URL, Engine: found.Engine, Model: model})
				if err != nil {
					t.Fatal(err)
				}
				report, err := side.SelfTest(t.Context(), Known{}, sender(s.URL, model, ""))
				if err != nil {
					t.Fatal(err)
				}
				t.Log(report.How())
				if report.InReply == silent {
					t.Errorf("in replies: %v", report.InReply)
				}
				if !report.Proven() {
					// V0 counts nothing of single requests.
					if !strings.Contains(era.Name, "v0") || report.Why == "" {
						t.Errorf("unproven: %q", report.Why)
					}
					return
				}
				if err := side.VerifyReset(t.Context(), report, sender(s.URL, model, "")); err != nil {
					t.Error(err)
				}
				report, err = side.SelfTest(t.Context(), Known{}, sender(s.URL, model, ""))
				if err != nil {
					t.Fatal(err)
				}
				if err := side.VerifySalt(t.Context(), report, sender(s.URL, model, "another"), 0); err != nil {
					t.Error(err)
				}
				if err := side.VerifySalt(t.Context(), report, sender(s.URL, model, ""), 0); !errors.Is(err, ErrNotReset) {
					t.Errorf("a salt that is none: %v", err)
				}
			})
		}
	}
}

// What the counters say of one request is what the simulator knows of it.
func TestSim_Counters(t *testing.T) {
	s, found := simulated(t, sim.Config{})
	model := found.Models[0].ID
	side, err := NewSide(Config{BaseURL: s.URL, Engine: found.Engine, Model: model})
	if err != nil {
		t.Fatal(err)
	}
	send := sender(s.URL, model, "")
	prompt := canary(rand.Uint64N, wordsOf(16))
	for round := range 2 {
		before, err := side.Metrics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		reply, err := send(t.Context(), prompt)
		if err != nil {
			t.Fatal(err)
		}
		after, err := side.AwaitCounters(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		d := side.Between(before, after, reply)
		if d.Why != "" {
			t.Fatal(d.Why)
		}
		ids, err := side.Tokenize(t.Context(), []engines.Message{{Role: "user", Content: prompt}})
		if err != nil || len(ids) != *reply.Prompt {
			t.Errorf("%d ids, %v; the reply reports %d prompt tokens", len(ids), err, *reply.Prompt)
		}
		want := 0
		if round == 1 {
			want = (*reply.Prompt - 1) / 16 * 16 // whole blocks; the last token is always computed
		}
		for family, n := range d.cached {
			if n != want {
				t.Errorf("round %d: %s says %d, want %d", round+1, family, n, want)
			}
		}
		for _, name := range []string{"server.queue_ms", "server.prefill_ms", "server.decode_ms", "server.ttft_ms",
			"server.e2e_ms"} {
			if _, ok := d.Values[name]; !ok {
				t.Errorf("no %s in %v", name, slices.Sorted(maps.Keys(d.Values)))
			}
		}
	}
}
