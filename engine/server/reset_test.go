package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"homellm/engine/engines"
)

func TestVerifyReset(t *testing.T) {
	for name, counters := range map[string]bool{"replies": false, "counters": true} {
		t.Run(name, func(t *testing.T) {
			c := cacheServer{inReply: !counters, counters: counters}
			side := c.start(t)
			report, err := side.SelfTest(t.Context(), Known{}, c.send(""))
			if err != nil {
				t.Fatal(err)
			}
			if err := side.VerifyReset(t.Context(), report, c.send("")); err != nil {
				t.Errorf("an honest reset: %v", err)
			}
			c.resetLies = true
			if err := side.VerifyReset(t.Context(), report, c.send("")); !errors.Is(err, ErrNotReset) {
				t.Errorf("a reset that did nothing: %v", err)
			}
			if err := side.VerifySalt(t.Context(), report, c.send("salt"), 0); err != nil {
				t.Errorf("an honest salt: %v", err)
			}
			if err := side.VerifySalt(t.Context(), report, c.send(""), 0); !errors.Is(err, ErrNotReset) {
				t.Errorf("a salt that does nothing: %v", err)
			}
		})
	}
	c := cacheServer{}
	if err := c.start(t).VerifyReset(t.Context(), Report{Why: "nothing is reported"}, c.send("")); err == nil ||
		!strings.Contains(err.Error(), "nothing is reported") {
		t.Errorf("a reset that cannot be verified: %v", err)
	}
}

func TestReset(t *testing.T) {
	tests := []struct {
		engine string
		model  string
		serve  func(w http.ResponseWriter, r *http.Request, sent map[string]any, calls int)
		want   string // the requests
		err    string
	}{
		{engine: "vllm", serve: func(w http.ResponseWriter, r *http.Request, _ map[string]any, _ int) {},
			want: "POST /reset_prefix_cache"},
		{engine: "vllm", serve: func(w http.ResponseWriter, r *http.Request, _ map[string]any, _ int) { http.NotFound(w, r) },
			want: "POST /reset_prefix_cache", err: "VLLM_SERVER_DEV_MODE=1"},
		{engine: "sglang", serve: func(w http.ResponseWriter, r *http.Request, _ map[string]any,
			_ int) {
			fmt.Fprint(w, "Cache flushed.")
		}, want: "POST /flush_cache"},
		{engine: "sglang", serve: func(w http.ResponseWriter, r *http.Request, _ map[string]any,
			_ int) {
			w.WriteHeader(400)
		},
			want: "POST /flush_cache", err: "no request is running"},
		{engine: "llamacpp", serve: func(w http.ResponseWriter, r *http.Request, _ map[string]any, _ int) {
			if r.URL.Path == "/props" {
				fmt.Fprint(w, `{"total_slots":2}`)
				return
			}
			fmt.Fprint(w, `{"id_slot":0,"n_erased":123}`)
		}, want: "GET /props, POST /slots/0?action=erase, POST /slots/1?action=erase"},
		{engine: "llamacpp", serve: func(w http.ResponseWriter, r *http.Request, _ map[string]any, _ int) {
			w.WriteHeader(501)
			fmt.Fprint(
				w,
				`{"error":{"code":501,"message":"This server does not support slots action. Start it with `+"`--slot-save-path`"+`","type":"not_supported_error"}}`,
			)
		}, want: "GET /props, POST /slots/0?action=erase", err: "-cram 0"},
		{engine: "ollama", serve: func(w http.ResponseWriter, r *http.Request, sent map[string]any, calls int) {
			switch {
			case r.URL.Path == "/api/ps" && calls < 4: // it takes a moment to let go
				fmt.Fprint(w, `{"models":[{"name":"m:latest"}]}`)
			case r.URL.Path == "/api/ps":
				fmt.Fprint(w, `{"models":[]}`)
			case sent["keep_alive"] == 0.0:
				fmt.Fprintln(w, `{"model":"m","done":true,"done_reason":"unload"}`)
			default:
				if options, _ := sent["options"].(map[string]any); options["num_ctx"] != 8192.0 {
					t.Errorf("the model was loaded with %v", sent)
				}
				fmt.Fprintln(w, `{"model":"m","done":true,"done_reason":"load"}`)
			}
		}, want: "POST /api/generate, GET /api/ps, GET /api/ps, GET /api/ps, POST /api/generate"},
		{engine: "ollama", serve: func(w http.ResponseWriter, r *http.Request, _ map[string]any, _ int) {
			w.WriteHeader(404)
			fmt.Fprint(w, `{"error":"model \"m\" not found, try pulling it first"}`)
		}, want: "POST /api/generate", err: "try pulling it first"},
		{engine: "tabby", serve: func(w http.ResponseWriter, r *http.Request, _ map[string]any, _ int) {},
			err: "not offered by this engine"},
	}
	for _, tt := range tests {
		t.Run(tt.engine+" "+tt.err, func(t *testing.T) {
			var mu sync.Mutex
			var calls []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent := map[string]any{}
				body, _ := io.ReadAll(r.Body)
				if len(body) > 0 {
					if err := json.Unmarshal(body, &sent); err != nil {
						t.Error(err)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, r.Method+" "+r.URL.RequestURI())
				tt.serve(w, r, sent, len(calls))
			}))
			defer s.Close()
			side, err := NewSide(Config{BaseURL: s.URL, Engine: tt.engine, Model: "m", ContextTokens: 8192})
			if err != nil {
				t.Fatal(err)
			}
			defer side.at.client.CloseIdleConnections()
			err = side.ResetCache(t.Context())
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(calls, ", "); got != tt.want {
				t.Errorf("requests: %s\nwant: %s", got, tt.want)
			}
		})
	}
}

// A web page where the list of loaded models would be is an error that says so, and so is an engine without such a
// list.
func TestLoaded(t *testing.T) {
	var page atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if page.Load() {
			fmt.Fprint(w, `<html><title>x</title></html>`)
			return
		}
		fmt.Fprint(w, `{"models":[{"name":"m:latest","size":200,"size_vram":50,"context_length":8192}]}`)
	}))
	defer s.Close()
	side := sideOf(t, "ollama", s.URL)
	loaded, err := side.Loaded(t.Context())
	if err != nil || len(loaded) != 1 || *loaded[0].ContextTokens != 8192 {
		t.Fatalf("got %+v, %v", loaded, err)
	}
	if share, ok := loaded[0].GPUShare(); !ok || share != 0.25 {
		t.Errorf("GPU share %v, %v", share, ok)
	}
	page.Store(true)
	if _, err := side.Loaded(t.Context()); err == nil || !strings.Contains(err.Error(), "web page") {
		t.Errorf("got %v", err)
	}
	if _, err := sideOf(t, "vllm", s.URL).Loaded(t.Context()); !errors.Is(err, engines.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
