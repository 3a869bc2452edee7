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

	fits bool    // prompts were counted by the server and by homellm; the two fields below say how the counts differ
	by   float64 // smallest quotient of the server's count and homellm's
	more float64 // smallest difference of the two
}

// check remarks on a finished request whose numbers are not what they seem. Jumped is by how much
// the wall clock did.
func (s *signs) check(r *event.Request, jumped time.Duration, notes notes) {
	where := turnOf(r)
	if jumped.Abs() >= clockJump {
		notes.add("clock_jump", "%s: the wall clock moved by %v against the monotonic one: the machine slept or its clock "+
			"was set, and the times of this turn may be wrong", where, jumped.Round(time.Second))
	}
	if r.Err != nil {
		return
	}
	if metrics.Miscounted(r) {
		notes.once("usage_wrong", "%s: the reply came in %d pieces of text and reports %d output tokens, which cannot be: "+
			"what rests on its output tokens is unknown", where, len(r.Chunks), *r.Usage.Completion)
	}
	if metrics.Overcounted(r) {
		notes.once("usage_wrong", "%s: the reply reports %d output tokens, and the request allowed %d: what rests on its "+
			"output tokens is unknown", where, *r.Usage.Completion, r.MaxTokens)
	}
	if why := r.Wire.UsageConflict; why != "" {
		notes.once("usage_wrong", "%s: %s: what rests on its token counts is unknown", where, why)
	}
	if r.Wire.Repeating {
		notes.once("text_repeated", "%s: the server sends again in a delta what it sent before: what repeats all so far is "+
			"kept once", where)
	}
	if r.Wire.Several {
		notes.once("several_choices", "%s: the reply has several choices: only the first is kept, and its "+
			"tokens are unknown, because the server counts those of all", where)
	}
	if m := r.Wire.Model; m != "" {
		if s.model == "" {
			s.model = m
		} else if m != s.model {
			notes.add("model_swapped", "%s: the reply names the model %q, earlier ones named %q", where, m, s.model)
			s.model = m
		}
	}
}

// grown is by how many characters a prompt must have grown before the same count of tokens says
// that the server cut it.
const grown = 64

// checkContext notices a server that silently drops the head of a prompt: one that begins with all
// of the one before it and says more cannot have as few tokens. What rests on such a prompt is
// unknown. Context is the tokens that the server takes; 0 if that is not known.
func (s *signs) checkContext(r *event.Request, text string, context int, notes notes) {
	if r.Err != nil {
		return
	}
	before, tokens := s.prompt, s.tokens
	s.prompt, s.tokens = text, r.Usage.Prompt
	if r.Usage.Prompt == nil {
		return
	}
	n := *r.Usage.Prompt
	why := ""
	switch {
	case before != "" && tokens != nil && strings.HasPrefix(text, before) &&
		(n < *tokens || n == *tokens && len(text) >= len(before)+grown):
		why = fmt.Sprintf("the prompt grew and the server counts %d tokens after %d: it seems to drop the beginning of the "+
			"context", n, *tokens)
	case context > 0 && n >= context:
		why = fmt.Sprintf("the server counts %d prompt tokens, all of its context of %d: it seems to drop the beginning of "+
			"the context", n, context)
	default:
		if why = s.missing(r.Estimate, n); why == "" {
			s.calibrate(r.Estimate, r.Usage.Prompt)
			return
		}
	}
	notes.add("context_truncated", "%s: %s", turnOf(r), why)
	r.Cached, r.CacheSource, r.CacheAssumed, r.CacheWhy = nil, "none", false, why
	r.Reusable, r.ReusableWhy = nil, why
	r.Estimate = nil // what was counted is another prompt: later estimates are not held against it
}

// calibrate remembers how the server's count of a whole prompt differs from homellm's. What differs may be the
// template,
// which adds the same to every prompt, or the vocabulary, which adds a share.
func (s *signs) calibrate(e *event.Estimate, told *int) {
	if e == nil || e.Prompt <= 0 || told == nil {
		return
	}
	by, more := float64(*told)/float64(e.Prompt), float64(*told-e.Prompt)
	if s.fits {
		by, more = min(s.by, by), min(s.more, more)
	}
	s.fits, s.by, s.more = true, by, more
}

// A prompt is too short to say that part of it is missing below so many tokens, and a part too small below so many.
const (
	bigPrompt    = 256
	smallestPart = 8
)

// missing says that a server counted far fewer tokens of a prompt than there must be; empty if it did not.
func (s *signs) missing(e *event.Estimate, told int) string {
	if e == nil || e.Prompt < bigPrompt {
		return ""
	}
	least, spread := float64(e.Prompt), e.Spread
	if s.fits {
		least = min(least*s.by, least+s.more)
		spread *= 0.75 // what is left is how the kinds of text differ, not the vocabularies as a whole
	}
	if e.Spread > 0 {
		spread = max(spread, sameShare)
	}
	if float64(told) >= least*(1-spread)-smallestPart {
		return ""
	}
	fitted := ""
	if s.fits {
		fitted = ", which fits its other prompts,"
	}
	return fmt.Sprintf("the server counts %d prompt tokens, and by homellm's count%s there are %.0f (± %.0f %%): it "+
		"seems to drop messages, or the beginning of the context", told, fitted, least, 100*spread)
}
