package model

import (
	"fmt"
	"strings"

	"homellm/dsl/ceiling"
	"homellm/engine/tokens"
)

// Stability says whether a conversation's prompts extend one another. Only then can a prefix cache reuse them, and
// cache figures measure the cache and not the template.
type Stability struct {
	OK    bool
	Turn  int          // the first turn, from 1, that the next one does not extend; 0 where OK
	Byte  int          // where the two differ, in bytes of that turn's prompt
	Token tokens.Count // the same in tokens, if a counter was given
	Why   string       // what the template does there
	Daily bool         // the prompt contains today's date, so no prompt extends one of yesterday
}

// String says it in one line.
func (s Stability) String() string {
	switch {
	case !s.OK && s.Token.Tokens > 0:
		return fmt.Sprintf("the prompt of turn %d is not kept from token %d (%s) on: %s",
			s.Turn, s.Token.Tokens, s.Token.Confidence, s.Why)
	case !s.OK:
		return fmt.Sprintf("the prompt of turn %d is not kept from byte %d on: %s", s.Turn, s.Byte, s.Why)
	case s.Daily:
		return "every turn extends the one before, until midnight: the prompt holds today's date"
	default:
		return "every turn extends the one before"
	}
}

// Probe is a conversation of three turns with a system message, used if there is no other.
func Probe() []Message {
	return []Message{
		{Role: "system", Content: "Be brief."},
		{Role: "user", Content: "What is a pump?"}, {Role: "assistant", Content: "A machine that moves fluids."},
		{Role: "user", Content: "And a valve?"}, {Role: "assistant", Content: "A machine that stops them."},
		{Role: "user", Content: "Thanks."},
	}
}

// Stable renders every turn of a conversation and compares each with the next. A turn ends before an answer, and at
// the end. C may be nil.
//
// Three things break a prefix: earlier messages are rendered differently; the generation prompt is not how the answer
// begins later; the reasoning of an answer, which the server computed and cached, is left out of later prompts.
func (t *Template) Stable(messages []Message, opt Options, c *tokens.Counter) (Stability, error) {
	opt.Closed = false
	result := Stability{OK: true, Daily: t.daily(opt)}
	if opt.Now.IsZero() && result.Daily {
		opt.Now = probeTime // the date must not change between two renderings
	}
	previous, turn := "", 0
	for i := 1; i <= len(messages); i++ {
		if messages[i-1].Role == "assistant" || i < len(messages) && messages[i].Role != "assistant" {
			continue
		}
		p, err := t.Render(messages[:i], opt)
		if err != nil {
			return Stability{}, fmt.Errorf("rendering turn %d: %w", turn+1, err)
		}
		prompt := p.String()
		if turn > 0 {
			at, why := t.part(previous, prompt, opt)
			if why != "" {
				result.OK, result.Turn, result.Byte, result.Why = false, turn, at, why
				if c != nil {
					if result.Token, err = t.Count(c, previous[:at]); err != nil {
						return Stability{}, err
					}
				}
				return result, nil
			}
		}
		previous, turn = prompt, turn+1
	}
	return result, nil
}

// part finds where the next prompt differs from the previous one, and why. No reason: it does not.
func (t *Template) part(previous, next string, opt Options) (at int, why string) {
	if at = ceiling.CommonText(previous, next); at < len(previous) {
		rest := strings.TrimSpace(previous[at:])
		if t.dropsThought && (strings.HasPrefix(rest, "<think>") || strings.HasPrefix(rest, "<|channel>thought")) {
			return at, "the reasoning that the generation prompt opens is left out of the history"
		}
		return at, "the template renders earlier messages differently once the conversation goes on"
	}
	if t.dropsThought && !opt.NoThink {
		return at, "the reasoning of an answer is left out of later prompts"
	}
	return at, ""
}

// daily says whether prompts contain today's date.
func (t *Template) daily(opt Options) bool {
	if !opt.Now.IsZero() || t.spec.Date.Fixed != "" {
		return false
	}
	a, errA := t.render(Probe()[1:2], Options{Now: probeTime})
	b, errB := t.render(Probe()[1:2], Options{Now: probeTime.AddDate(1, 1, 1)})
	return errA == nil && errB == nil && a != b
}
