package sim

import (
	"testing"
	"time"
)

// A request says whether the model thinks, and how much at most; otherwise the server's default applies.
func TestThinking(t *testing.T) {
	think := func(on bool) fields {
		return fields{"chat_template_kwargs": fields{"enable_thinking": on}, "max_tokens": 400}
	}
	with := func(f fields, key string, v any) fields { f[key] = v; return f }
	for _, tt := range []struct {
		name   string
		config Config
		more   fields
		want   int
	}{
		{"by itself", Config{}, fields{}, 0},
		{"asked to", Config{}, think(true), 160},
		{"asked not to", Config{}, think(false), 0},
		{"asked for less", Config{}, with(think(true), "thinking_token_budget", 24), 24},
		{"asked for more", Config{}, with(think(true), "thinking_token_budget", 240), 160},
		{"a model that thinks more", Config{Thinking: 200}, think(true), 200},
		{"a model that never does", Config{Thinking: -1}, think(true), 0},
		{"always, and asked not to", Config{Wire: Wire{ReasoningTokens: 30}}, think(false), 0},
		{"always", Config{Wire: Wire{ReasoningTokens: 30}}, fields{"max_tokens": 100}, 30},
		{"always, with a budget", Config{Wire: Wire{ReasoningTokens: 30}}, fields{"thinking_token_budget": 3}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, tt.config, func(b *bench) {
				b.ask(user("How tight are the bolts?"), tt.more)
				if e := b.last(); e.ReasoningTokens != tt.want || e.Text == "" {
					b.Errorf("%d tokens of reasoning, want %d; answer %q", e.ReasoningTokens, tt.want, e.Text)
				}
			})
		})
	}
	virtual(t, Config{}, func(b *bench) {
		if status, body := b.text("POST", "/v1/chat/completions", fields{"messages": user("Hello."),
			"thinking_token_budget": -1}); status != 400 {
			b.Errorf("a negative budget: %d %s", status, body)
		}
	})
}

// A model that gets no request for a while is unloaded: its cache is lost, and the next request waits for the load.
func TestKeepAlive(t *testing.T) {
	virtual(t, Config{KeepAlive: time.Minute, LoadTime: 3 * time.Second}, func(b *bench) {
		messages := []Message{{"system", manual(600)}, {"user", "How tight are the head bolts?"}}
		ask := func(pause time.Duration) Entry {
			time.Sleep(pause)
			b.ask(messages, fixed(8))
			return b.last()
		}
		first, soon, late, again := ask(time.Hour), ask(59*time.Second), ask(2*time.Minute), ask(time.Second)
		if first.CachedTokens != 0 || soon.CachedTokens == 0 || late.CachedTokens != 0 || again.CachedTokens == 0 {
			b.Errorf("cached: first %d, soon %d, late %d, again %d", first.CachedTokens, soon.CachedTokens, late.CachedTokens,
				again.CachedTokens)
		}
		if late.TTFT != first.TTFT+3*time.Second || again.TTFT != soon.TTFT {
			b.Errorf("first token: first %v, soon %v, late %v, again %v", first.TTFT, soon.TTFT, late.TTFT, again.TTFT)
		}
	})
}
