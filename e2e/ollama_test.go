//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"homellm/engine/engines"
	"homellm/engine/host"
	"homellm/engine/server"
)

// chatReply is the part of a native reply that is looked at here.
type chatReply struct {
	Message struct {
		Content string `json:"content"`
	} `json:"message"`
	Done         bool   `json:"done"`
	Reason       string `json:"done_reason"`
	PromptTokens int    `json:"prompt_eval_count"`
	PromptNanos  int64  `json:"prompt_eval_duration"`
	OutputTokens int    `json:"eval_count"`
}

func chat(ctx context.Context, address string, messages []engines.Message, tokens int) (chatReply, error) {
	body, err := json.Marshal(map[string]any{
		"model": tinyModel, "messages": messages, "stream": false,
		"options": map[string]any{"num_ctx": tinyNumCtx, "num_predict": tokens, "temperature": 0, "seed": 1},
	})
	if err != nil {
		return chatReply{}, err
	}
	data, err := send(ctx, address+"/api/chat", "application/json", body)
	if err != nil {
		return chatReply{}, err
	}
	var r chatReply
	return r, json.Unmarshal(data, &r)
}

func TestOllama(t *testing.T) {
	_, address := startOllama(t)
	side, err := server.NewSide(server.Config{BaseURL: address, Engine: "ollama", Model: tinyModel,
		ContextTokens: tinyNumCtx})
	if err != nil {
		t.Fatal(err)
	}
	probe := func() server.Found {
		t.Helper()
		found, err := server.Probe(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if found.State != server.Ready || found.Engine != "ollama" || found.Version == "" || found.Simulated {
			t.Fatalf("found %+v", found)
		}
		return found
	}

	t.Run("before the model is loaded", func(t *testing.T) {
		found := probe()
		m, ok := found.Model(tinyModel)
		if !ok || m.Loaded == nil || *m.Loaded {
			t.Errorf("the model is %+v, listed %v", m, ok)
		}
		missing, ok := errors.AsType[*server.ModelNotFound](found.CheckModel("llama3.1"))
		if !ok || !strings.Contains(missing.Error(), tinyModel) {
			t.Errorf("a model that is not there: %v", missing)
		}
	})

	t.Run("loading", func(t *testing.T) {
		if err := side.Preload(t.Context()); err != nil {
			t.Fatal(err)
		}
		m, _ := probe().Model(tinyModel)
		if m.Loaded == nil || !*m.Loaded {
			t.Errorf("after a preload the model is %+v", m)
		}
	})

	t.Run("chat and cache", func(t *testing.T) {
		long := []engines.Message{{Role: "user", Content: strings.Repeat("the index of the page is in the block. ", 25)}}
		cold, err := chat(t.Context(), address, long, 4)
		if err != nil {
			t.Fatal(err)
		}
		if !cold.Done || cold.PromptTokens < 100 || cold.OutputTokens < 1 || cold.PromptNanos <= 0 {
			t.Errorf("got %+v", cold)
		}
		// A busy machine makes any request slower and none faster: the quickest of three tells.
		warm := cold
		for range 3 {
			again, err := chat(t.Context(), address, long, 4)
			if err != nil {
				t.Fatal(err)
			}
			if again.PromptTokens != cold.PromptTokens || again.Message.Content != cold.Message.Content {
				t.Errorf("the same request twice: %+v, then %+v", cold, again)
			}
			if again.PromptNanos < warm.PromptNanos {
				warm = again
			}
		}
		if err := side.ResetCache(t.Context()); err != nil {
			t.Fatal(err)
		}
		again, err := chat(t.Context(), address, long, 4)
		if err != nil {
			t.Fatal(err)
		}
		// The cache leaves one token to compute out of hundreds; a third of the time is far from both.
		if 3*warm.PromptNanos > cold.PromptNanos || 3*warm.PromptNanos > again.PromptNanos {
			t.Errorf("the prompt took %v cold, %v warm, %v after a reset", time.Duration(cold.PromptNanos),
				time.Duration(warm.PromptNanos), time.Duration(again.PromptNanos))
		}
	})

	t.Run("what it cannot do", func(t *testing.T) {
		if _, err := side.Tokenize(t.Context(), nil); !errors.Is(err, engines.ErrUnsupported) {
			t.Errorf("tokenising: %v", err)
		}
		if _, err := side.Metrics(t.Context()); !errors.Is(err, engines.ErrUnsupported) {
			t.Errorf("metrics: %v", err)
		}
		report, err := side.SelfTest(t.Context(), server.Known{}, func(ctx context.Context, prompt string) (server.Reply,
			error) {
			r, err := chat(ctx, address, []engines.Message{{Role: "user", Content: prompt}}, 1)
			return server.Reply{Prompt: &r.PromptTokens}, err
		})
		if err != nil || report.Proven() || !strings.Contains(report.How(), "reports no cached tokens") {
			t.Errorf("the cache report: %q, %v", report.How(), err)
		}
	})
}

func TestOllama_KilledAndTaken(t *testing.T) {
	spec, address := ollamaSpec(t)
	p, err := host.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := host.Start(t.Context(), spec); err == nil {
		t.Error("a second one started on the same port")
	} else if _, ok := errors.AsType[*host.PortError](err); !ok {
		t.Errorf("a second one: %v", err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	found, err := server.Probe(t.Context(), address, nil)
	if err != nil || found.State != server.NotRunning {
		t.Errorf("after it was stopped: %+v, %v", found, err)
	}
	if left, err := host.Leftovers(spec.StateDir); err != nil || len(left) != 0 || len(p.PIDs()) != 0 {
		t.Errorf("left over: %v, %v, %v", left, p.PIDs(), err)
	}
}
