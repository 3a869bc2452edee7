package observe

import (
	"context"
	"fmt"
	"math"
	"time"

	"homellm/engine/event"
)

// The numbers and sizes of cold prompts.
const (
	coldLengths  = 10
	coldRounds   = 2
	coldMore     = 1.2             // factor on the longest planned prompt, which is an estimate
	coldShortest = 40              // words
	coldFirst    = 300             // tokens of a first prompt, which tells how fast the server is
	coldLimit    = 2 * time.Minute // for all prompts before the first pass
	coldLess     = 0.8             // factor on a length that the server refuses
	coldTries    = 3               // tries with shorter prompts
	coldAfter    = 3               // step between the lengths that are sent again between repeats
	coldOff      = 0.08            // share by which a token of them may take more or less time than before
)

// cold measures prompts that are new to the server.
type cold struct {
	send    func(ctx context.Context, text, salt string) event.Exchange
	text    func(words int) string // makes a text that was never sent before
	notes   notes
	size    sizes
	lengths []float64 // tokens; none: it measures nothing
	first   []pace    // of the prompts of each length before the first pass
	failed  string    // why there are none
}

// before sends cold prompts before the first pass, up to a length in tokens; nil if one of them failed.
func (c *cold) before(ctx context.Context, longest float64) *event.ColdPrompts {
	begun := time.Now()
	c.size, c.lengths = sizes{perWord: 1.5, fixed: 20}, nil
	most, ok := c.fastEnough(ctx, longest)
	if !ok {
		return nil
	}
	// The longest prompt is sent first and not counted: the first of its size pays for allocations and compilation, and a
	// server that does not report its limit may refuse it.
	for try := 1; ; try++ {
		if _, ok := c.one(ctx, most); ok {
			break
		}
		if most *= coldLess; try == coldTries || ctx.Err() != nil {
			return nil
		}
	}
	lengths := c.between(most)
	c.first = make([]pace, len(lengths))
	out := &event.ColdPrompts{}
	for round := range coldRounds {
		began := time.Now()
		for i := range lengths {
			if round%2 == 1 { // so that a server which becomes slower or faster does not change the slope
				i = coldLengths - 1 - i
			}
			p, ok := c.one(ctx, lengths[i])
			if !ok {
				return nil
			}
			c.first[i].add(p)
			out.Prompts = append(out.Prompts, p)
		}
		if time.Since(begun)+time.Since(began) > coldLimit {
			break
		}
	}
	c.lengths = lengths
	return out
}

// fastEnough returns how long a prompt may be so that one round of all lengths stays within its time limit, at most
// longest.
func (c *cold) fastEnough(ctx context.Context, longest float64) (most float64, ok bool) {
	began := time.Now()
	first, ok := c.one(ctx, c.size.tokens(coldShortest))                    // it shows how many tokens a word makes
	if ok && first.TTFT < coldLimit/20 && float64(first.Tokens) < longest { // and a longer one how long a token takes
		first, ok = c.one(ctx, min(coldFirst, longest))
	}
	if !ok {
		return 0, false
	}
	each := first.TTFT / time.Duration(first.Tokens)
	left := coldLimit - time.Since(began)
	for most = longest; ; most *= coldLess {
		lengths := c.between(most)
		if lengths[coldLengths-1] <= 2*lengths[0] {
			c.failed = fmt.Sprintf("a token takes the server %v, and enough prompts that are new to it more than %v in all",
				each.Round(time.Microsecond), coldLimit)
			return 0, false
		}
		all := most
		for _, n := range lengths {
			all += n
		}
		if time.Duration(all)*each <= left {
			break
		}
	}
	if most < longest {
		c.notes.once("cold_prompts_short", "times show how much of a prompt was cached for prompts of up to about %.0f "+
			"tokens only: a token takes the server %v, and longer prompts that are new to it would take more than %v in all",
			most, each.Round(time.Microsecond), coldLimit)
	}
	return most, true
}

// between returns the lengths up to a longest one.
func (c *cold) between(most float64) (lengths []float64) {
	shortest := c.size.tokens(coldShortest)
	for i := range coldLengths {
		lengths = append(lengths, shortest*math.Pow(most/shortest, float64(i)/(coldLengths-1)))
	}
	return lengths
}

// pace is how long a token of some prompts took, in seconds.
type pace struct{ least, most float64 }

func (t *pace) add(p event.ColdPrompt) {
	each := p.TTFT.Seconds() / float64(p.Tokens)
	if t.most == 0 {
		t.least = each
	}
	t.least, t.most = min(t.least, each), max(t.most, each)
}

// usual reports whether a prompt took about as long as those before.
func (t *pace) usual(p event.ColdPrompt) bool {
	each := p.TTFT.Seconds() / float64(p.Tokens)
	return each >= t.least*(1-coldOff) && each <= t.most*(1+coldOff)
}

// again sends a few of them again after a repeat; nil if there were none before. One that takes an unusual time is
// followed by another of its length, which tells a stall from a server whose speed has changed.
func (c *cold) again(ctx context.Context, repeat int) *event.ColdPrompts {
	out := &event.ColdPrompts{After: repeat}
	for i := len(c.lengths) - 1; i > 0; i -= coldAfter {
		for range 2 {
			p, ok := c.one(ctx, c.lengths[i])
			if !ok {
				return nil
			}
			out.Prompts = append(out.Prompts, p)
			if c.first[i].usual(p) {
				break
			}
		}
	}
	if len(out.Prompts) == 0 {
		return nil
	}
	return out
}

// one sends a new prompt of about the given number of tokens.
func (c *cold) one(ctx context.Context, tokens float64) (p event.ColdPrompt, ok bool) {
	words := max(c.size.words(tokens), coldShortest)
	e := c.send(ctx, c.text(words), "")
	if p, ok = coldPrompt(&e); !ok {
		c.failed = "a reply does not tell the size of its prompt, or when its first token came"
		if e.Err != nil {
			c.failed = "a prompt that is new to the server failed: " + e.Err.Class + ": " + e.Err.Message
		}
	}
	if !ok || ctx.Err() != nil {
		return p, false
	}
	c.size.learn(words, p.Tokens)
	return p, true
}

// coldPrompt returns the size of a reply's prompt and its TTFT. The one token of the reply may be the end of the
// sequence, which has no text; the finish reason then marks its arrival.
func coldPrompt(e *event.Exchange) (p event.ColdPrompt, ok bool) {
	var first *time.Duration
	switch {
	case e.Err != nil && e.Err.Class == "empty":
		first = e.Finished
	case e.Err == nil && len(e.Chunks) > 0:
		first = &e.Chunks[0].At
	}
	if first == nil || e.Usage.Prompt == nil || *e.Usage.Prompt <= 0 || e.Sent == nil || *first <= *e.Sent {
		return event.ColdPrompt{}, false
	}
	return event.ColdPrompt{Tokens: *e.Usage.Prompt, TTFT: *first - *e.Sent}, true
}

// sizes tells how many tokens a text of some words makes.
type sizes struct {
	perWord, fixed  float64 // fixed is what the template and a salt add to the text
	words0, tokens0 int     // of the first prompt
}

func (s *sizes) tokens(words int) float64 { return s.fixed + s.perWord*float64(words) }

func (s *sizes) words(tokens float64) int { return int((tokens - s.fixed) / s.perWord) }

// learn adds a count of the server.
func (s *sizes) learn(words, tokens int) {
	if s.words0 == 0 {
		s.words0, s.tokens0 = words, tokens
	}
	if words > 2*s.words0 && tokens > s.tokens0 {
		s.perWord = float64(tokens-s.tokens0) / float64(words-s.words0)
	}
	s.fixed = max(float64(s.tokens0)-s.perWord*float64(s.words0), 0)
}
