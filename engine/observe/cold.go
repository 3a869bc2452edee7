package observe

import (
	"context"
	"fmt"
	"math"
	"time"

	"homellm/engine/event"
)

// Cold prompts are of so many lengths, each sent so often.
const (
	coldLengths  = 10
	coldRounds   = 2
	coldMore     = 1.2             // times the longest prompt that is planned, which is an estimate
	coldShortest = 40              // words
	coldFirst    = 300             // tokens of a first prompt, which tells how fast the server is
	coldLimit    = 2 * time.Minute // of all before the first pass
	coldLess     = 0.8             // times that, where it is refused
	coldTries    = 3               // with as many
	coldAfter    = 3               // every so many lengths are sent again between the repeats
)

// cold measures prompts that are new to the server.
type cold struct {
	send    func(ctx context.Context, text, salt string) event.Exchange
	text    func(words int) string // that was never sent before
	notes   notes
	size    sizes
	lengths []float64 // tokens; none: it measures nothing
	failed  string    // why there are none
}

// before measures them before the first pass, up to so many tokens; nil where one of them failed.
func (c *cold) before(ctx context.Context, longest float64) *event.ColdPrompts {
	begun := time.Now()
	c.size, c.lengths = sizes{perWord: 1.5, beside: 20}, nil
	most, ok := c.fastEnough(ctx, longest)
	if !ok {
		return nil
	}
	// The longest one is sent ahead and not counted: the first of its size pays for memory and for what is compiled, and
	// a server that does not say what it takes may refuse it.
	for try := 1; ; try++ {
		if _, ok := c.one(ctx, most); ok {
			break
		}
		if most *= coldLess; try == coldTries || ctx.Err() != nil {
			return nil
		}
	}
	lengths := c.between(most)
	out := &event.ColdPrompts{}
	for round := range coldRounds {
		began := time.Now()
		for i := range lengths {
			if round%2 == 1 { // a server that becomes slower or faster has no part in the slope
				i = coldLengths - 1 - i
			}
			p, ok := c.one(ctx, lengths[i])
			if !ok {
				return nil
			}
			out.Prompts = append(out.Prompts, p)
		}
		if time.Since(begun)+time.Since(began) > coldLimit {
			break
		}
	}
	c.lengths = lengths
	return out
}

// fastEnough is how long a prompt may be for one round of all lengths to take no longer than it may, at most longest.
func (c *cold) fastEnough(ctx context.Context, longest float64) (most float64, ok bool) {
	began := time.Now()
	first, ok := c.one(ctx, c.size.tokens(coldShortest))                    // it tells what a word makes
	if ok && first.TTFT < coldLimit/20 && float64(first.Tokens) < longest { // and one that is longer what a token takes
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
		c.notes.once("cold_prompts_short", "how much of a prompt was cached is told by time for prompts of up to about %.0f "+
			"tokens only: a token takes the server %v, and longer prompts that are new to it would take more than %v in all",
			most, each.Round(time.Microsecond), coldLimit)
	}
	return most, true
}

// between are the lengths up to one.
func (c *cold) between(most float64) (lengths []float64) {
	shortest := c.size.tokens(coldShortest)
	for i := range coldLengths {
		lengths = append(lengths, shortest*math.Pow(most/shortest, float64(i)/(coldLengths-1)))
	}
	return lengths
}

// again measures a few of them after a repeat; nil where there were none before.
func (c *cold) again(ctx context.Context, repeat int) *event.ColdPrompts {
	out := &event.ColdPrompts{After: repeat}
	for i := len(c.lengths) - 1; i > 0; i -= coldAfter {
		p, ok := c.one(ctx, c.lengths[i])
		if !ok {
			return nil
		}
		out.Prompts = append(out.Prompts, p)
	}
	if len(out.Prompts) == 0 {
		return nil
	}
	return out
}

// one sends a new prompt of about so many tokens.
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

// coldPrompt is what a reply tells of its prompt. Its one token may be the end of the sequence, which has no text: it
// came when the server said that the reply is finished.
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
	perWord, beside float64 // beside the text is what the template and a salt add
	words0, tokens0 int     // of the first prompt
}

func (s *sizes) tokens(words int) float64 { return s.beside + s.perWord*float64(words) }

func (s *sizes) words(tokens float64) int { return int((tokens - s.beside) / s.perWord) }

// learn takes in what the server counted.
func (s *sizes) learn(words, tokens int) {
	if s.words0 == 0 {
		s.words0, s.tokens0 = words, tokens
	}
	if words > 2*s.words0 && tokens > s.tokens0 {
		s.perWord = float64(tokens-s.tokens0) / float64(words-s.words0)
	}
	s.beside = max(float64(s.tokens0)-s.perWord*float64(s.words0), 0)
}
