package observe

import (
	"fmt"
	"strings"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// signs are facts from earlier replies, to detect that the server has changed.
type signs struct {
	model string               // the name in the first reply
	turns map[talk]countedTurn // the latest of each

	fits bool    // both the server and homellm have counted prompts; the next two fields compare the counts
	by   float64 // smallest ratio of the server's count to homellm's
	more float64 // smallest difference of the two
}

// talk is a conversation of one user.
type talk struct {
	user         int
	conversation string
	item         int
}

// countedTurn is a prompt and the server's count of its tokens.
type countedTurn struct {
	prompt string
	tokens *int
}

// check notes implausible figures of a finished request. Jumped is the jump of the wall clock during it.
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

// grown is by how many characters a prompt must have grown before an unchanged token count shows that the server cut
// it.
const grown = 64

// checkContext detects a server that silently drops the beginning of a prompt: a prompt that extends the one before
// cannot have fewer tokens. Figures that rest on such a prompt are unknown. Context is the tokens that the server
// takes; 0 if unknown.
func (s *signs) checkContext(r *event.Request, text string, context int, notes notes) {
	if r.Err != nil {
		return
	}
	of := talk{r.User, r.Conversation, r.Item}
	before, tokens := s.turns[of].prompt, s.turns[of].tokens
	if s.turns == nil {
		s.turns = map[talk]countedTurn{}
	}
	s.turns[of] = countedTurn{text, r.Usage.Prompt}
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
	r.Estimate = nil // the count belongs to a truncated prompt: it does not calibrate later estimates
}

// calibrate records how the server's count of a whole prompt differs from homellm's. The template adds a constant,
// another vocabulary a factor.
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

// A missing part is reported only if the prompt and the part have at least this many tokens.
const (
	bigPrompt    = 256
	smallestPart = 8
)

// missing says that the server counted far fewer tokens than the prompt must have; empty if it did not.
func (s *signs) missing(e *event.Estimate, told int) string {
	if e == nil || e.Prompt < bigPrompt {
		return ""
	}
	least, spread := float64(e.Prompt), e.Spread
	if s.fits {
		least = min(least*s.by, least+s.more)
		spread *= 0.75 // after calibration only the difference between kinds of text is left
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
