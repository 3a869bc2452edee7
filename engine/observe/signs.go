package observe

import (
	"fmt"
	"strings"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// signs are what is remembered of the replies so far, to notice that the server is no longer the
// one that it was.
type signs struct {
	model  string // as the first reply names it
	prompt string // of the turn before, in the same conversation
	tokens *int   // what the server counted of it
}

// checkSigns remarks on a finished request whose numbers are not what they seem.
func (o *Observer) checkSigns(r *event.Request) {
	where := turnOf(r)
	if d := o.clocks.jumped(); d.Abs() >= clockJump {
		o.note("clock_jump", "%s: the wall clock moved by %v against the monotonic one: the machine slept or its clock was set, and the times of this turn may be wrong", where, d.Round(time.Second))
	}
	if r.Err != nil {
		return
	}
	if metrics.Miscounted(r) {
		o.once("usage_wrong", "%s: the reply came in %d pieces of text and reports %d output tokens, which cannot be: what rests on its output tokens is unknown", where, len(r.Chunks), *r.Usage.Completion)
	}
	if m := r.Wire.Model; m != "" {
		if o.signs.model == "" {
			o.signs.model = m
		} else if m != o.signs.model {
			o.note("model_swapped", "%s: the reply names the model %q, earlier ones named %q", where, m, o.signs.model)
			o.signs.model = m
		}
	}
}

// grown is by how many characters a prompt must have grown before the same count of tokens says
// that the server cut it.
const grown = 64

// checkContext notices a server that silently drops the head of a prompt: one that begins with all of the
// one before it and says more cannot have as few tokens. What rests on such a prompt is unknown.
func (o *Observer) checkContext(r *event.Request, text string) {
	if r.Err != nil {
		return
	}
	before, tokens := o.signs.prompt, o.signs.tokens
	o.signs.prompt, o.signs.tokens = text, r.Usage.Prompt
	if r.Usage.Prompt == nil {
		return
	}
	n := *r.Usage.Prompt
	why := ""
	switch {
	case before != "" && tokens != nil && strings.HasPrefix(text, before) && (n < *tokens || n == *tokens && len(text) >= len(before)+grown):
		why = fmt.Sprintf("the prompt grew and the server counts %d tokens after %d: it seems to drop the beginning of the context", n, *tokens)
	case o.server.Context > 0 && n >= o.server.Context:
		why = fmt.Sprintf("the server counts %d prompt tokens, all of its context of %d: it seems to drop the beginning of the context", n, o.server.Context)
	default:
		return
	}
	o.note("context_truncated", "%s: %s", turnOf(r), why)
	r.Cached, r.CacheSource, r.CacheAssumed, r.CacheWhy = nil, "none", false, why
	r.Reusable, r.ReusableWhy = nil, why
}
