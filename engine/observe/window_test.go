package observe

import (
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
)

// A cache that gives back much less than it could of prompts longer than the model's layers look back has its cause
// named, with the flag that mends it; nothing is said where that is not the cause.
func TestWindow(t *testing.T) {
	for name, c := range map[string]struct {
		engine                   string
		window                   int
		cached, reusable, prompt int
		change                   func(*event.Request)
		want                     bool
	}{
		"lost":                    {engine: "llamacpp", window: 512, cached: 287, reusable: 4993, prompt: 7275, want: true},
		"found":                   {engine: "llamacpp", window: 512, cached: 4993, reusable: 4993, prompt: 7275},
		"nearly all of it":        {engine: "llamacpp", window: 512, cached: 4900, reusable: 4993, prompt: 7275},
		"a few tokens":            {engine: "llamacpp", window: 16, cached: 0, reusable: 60, prompt: 80},
		"every layer sees all":    {engine: "llamacpp", cached: 287, reusable: 4993, prompt: 7275},
		"shorter than the window": {engine: "llamacpp", window: 8192, cached: 287, reusable: 4993, prompt: 7275},
		"a warm-up": {engine: "llamacpp", window: 512, cached: 287, reusable: 4993, prompt: 7275,
			change: func(r *event.Request) { r.Warmup = true }},
		"not known": {engine: "llamacpp", window: 512, reusable: 4993, prompt: 7275,
			change: func(r *event.Request) { r.Cached = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			o, notes := alone(Server{Engine: c.engine,
				Window: func() (int, string) { return c.window, "gemma3.attention.sliding_window of gemma.gguf" }})
			for range 2 {
				r := reply(time.Millisecond, nil)
				r.Usage.Prompt, r.Cached, r.Reusable = &c.prompt, &c.cached, &c.reusable
				if c.change != nil {
					c.change(r)
				}
				o.window.check(r)
			}
			o.Summarise()
			o.Summarise()
			said := notes.String()
			if got := strings.Count(said, "sliding_window: "); got > 1 || (got == 1) != c.want {
				t.Fatalf("%q", said)
			}
			for _, part := range []string{"in 2 turns", "287 of 4993 tokens", "512 tokens", "gemma.gguf", "--swa-full"} {
				if c.want && !strings.Contains(said, part) {
					t.Errorf("%q does not say %q", said, part)
				}
			}
		})
	}
}
