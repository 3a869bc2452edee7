package observe

import (
	"context"
	"math"
	"time"

	"homellm/engine/event"
)

// Cold prompts are of so many lengths, each sent so often.
const (
	coldLengths  = 10
	coldRounds   = 2
	coldMore     = 1.2         // times the longest prompt that is planned, which is an estimate
	coldShortest = 40          // words
	coldLimit    = time.Minute // no round begins after it
)

// ColdPrompts measures how long a first token takes after prompts that are new to the server, up to the longest of the
// scenario in tokens. Where the server reports no cached tokens, the time to the first token of a turn then tells about
// how many of its prompt were computed. It returns nil where the server reports them, or does not count its prompts.
func (o *Observer) ColdPrompts(ctx context.Context, longest int) *event.ColdPrompts {
	if o.server.Side == nil || o.Unsupported()["cache"] == "" || !o.told.usage {
		return nil
	}
	longest = int(coldMore * float64(longest))
	if takes := o.server.ContextSize; takes > 0 {
		longest = min(longest, takes*9/10)
	}
	begun := time.Now()
	out := &event.ColdPrompts{}
	size := sizes{perWord: 1.5, beside: 20}
	shortest := size.tokens(coldShortest)
	for round := range coldRounds {
		for i := range coldLengths {
			if round%2 == 1 { // a server that becomes slower or faster has no part in the slope
				i = coldLengths - 1 - i
			}
			tokens := shortest * math.Pow(float64(longest)/shortest, float64(i)/(coldLengths-1))
			words := max(size.words(tokens), coldShortest)
			e := o.server.Send(ctx, o.server.Side.NewText(words), "")
			p, ok := coldPrompt(&e)
			if ctx.Err() != nil || !ok {
				return nil
			}
			size.learn(words, p.Tokens)
			out.Prompts = append(out.Prompts, p)
		}
		if time.Since(begun) > coldLimit {
			break
		}
	}
	return out
}

// coldPrompt is what a reply tells of its prompt.
func coldPrompt(e *event.Exchange) (p event.ColdPrompt, ok bool) {
	if e.Err != nil || e.Usage.Prompt == nil || *e.Usage.Prompt <= 0 || e.Sent == nil || len(e.Chunks) == 0 ||
		e.Chunks[0].At <= *e.Sent {
		return event.ColdPrompt{}, false
	}
	return event.ColdPrompt{Tokens: *e.Usage.Prompt, TTFT: e.Chunks[0].At - *e.Sent}, true
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
