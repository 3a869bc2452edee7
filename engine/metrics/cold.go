package metrics

import (
	"fmt"
	"math"
	"slices"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// timedSource is the source of cached tokens that are inferred from the time to the first token.
const timedSource = "ttft_fit"

// coldFit is how long the first token takes after a prompt of which nothing is cached.
type coldFit struct {
	curve             stats.Quadratic // in ms, over tokens
	shortest, longest float64         // prompts for which the curve holds, in tokens
	prompts           int
	after             []event.ColdPrompts // those that were sent between the repeats
	now               map[int]stats.Quadratic
	of                int // requests that now is made from
}

// fitCold fits the prompts of a server that reports no cached tokens; nil if they tell nothing.
func fitCold(b event.ColdPrompts) *coldFit {
	x, y := timesOf(b.Prompts)
	curve, ok := stats.FitQuadratic(x, y)
	if !ok {
		return nil
	}
	return &coldFit{curve: curve, shortest: slices.Min(x), longest: slices.Max(x), prompts: len(x)}
}

// sameLength reports whether two numbers of tokens are those of prompts that were meant to be equally long.
func sameLength(a, b int) bool { return math.Abs(float64(a)/float64(b)-1) <= 0.1 }

func timesOf(prompts []event.ColdPrompt) (tokens, ms []float64) {
	for _, p := range prompts {
		tokens, ms = append(tokens, float64(p.Tokens)), append(ms, event.Milliseconds(p.TTFT))
	}
	return tokens, ms
}

// add takes in cold prompts that were sent later.
func (f *coldFit) add(b event.ColdPrompts) {
	if f != nil {
		f.after, f.now = append(f.after, b), nil
	}
}

// stallShare is the largest share of cold prompts that may have stalled: the intervals need not hold one turn in
// twenty.
const stallShare = 0.05

// beside returns the cold prompts that were sent before a repeat and after it, without those that make the curve. Of a
// prompt that was sent twice because it took an unusual time, it returns the more usual one: the other one
// stalled. That
// holds while stalls are rarer than the turns which an interval may miss.
func (f *coldFit) beside(repeat int) (prompts []event.ColdPrompt) {
	sent, twice := f.prompts, 0
	for _, b := range f.after {
		sent, twice = sent+len(b.Prompts), twice+len(b.Prompts)-len(f.usual(b.Prompts))
	}
	for _, b := range f.after {
		switch {
		case b.After != repeat && b.After != repeat-1:
		case float64(twice) <= stallShare*float64(sent):
			prompts = append(prompts, f.usual(b.Prompts)...)
		default:
			prompts = append(prompts, b.Prompts...)
		}
	}
	return prompts
}

// usual returns of prompts of one length that follow each other the one that is nearest to the curve.
func (f *coldFit) usual(prompts []event.ColdPrompt) (out []event.ColdPrompt) {
	off := func(p event.ColdPrompt) float64 {
		return math.Abs(f.curve.Off(float64(p.Tokens), event.Milliseconds(p.TTFT)))
	}
	for _, p := range prompts {
		last := len(out) - 1
		switch {
		case last < 0 || !sameLength(p.Tokens, out[last].Tokens):
			out = append(out, p)
		case off(p) < off(out[last]):
			out[last] = p
		}
	}
	return out
}

// beyond is how many times longer a prompt may be than the longest cold prompt.
const beyond = 1.2

// rest bounds how many of the n tokens of a prompt were computed, given its time to the first token and the curve at
// that time: u of n take a + b·u + c·(n² - (n-u)²), because each new token attends to all before it. It is false if
// the time tells nothing.
func (f *coldFit) rest(curve stats.Quadratic, n float64, took event.Range) (rest stats.Rest, ok bool) {
	if rest, ok = curve.Rest(n, took.Low, took.High); !ok || n > beyond*f.longest {
		return rest, false
	}
	return rest.Unseen(n, f.shortest), true
}

// blind is the spread of cold prompts, as a share of their time, from which their 95 % interval reaches from zero to
// twice that time. The time of a turn then says nothing about how much of its prompt was cached.
const blind = 1 / 1.96

// why says what an inferred count of cached tokens rests on, and how far the curve has moved since.
func (f *coldFit) why() string {
	spread, slower, faster := 0.0, 0.0, 0.0
	for _, q := range f.now {
		more, less := q.Since()
		spread, slower, faster = max(spread, q.Spread), max(slower, more), max(faster, less)
	}
	if len(f.now) == 0 {
		spread = f.curve.Spread
	}
	why := fmt.Sprintf("the server reports no cached tokens; by the time to the first token, as %d cold prompts of %.0f "+
		"to %.0f tokens and those between the repeats predict it (± %.1f %%, 95 %%)", f.prompts, f.shortest, f.longest,
		196*spread)
	if spread >= blind {
		why += ", which is too far apart to tell how much was cached"
	}
	if slower > 0 || faster > 0 {
		why += fmt.Sprintf("; others since then took up to %.0f %% more and %.0f %% less, which it allows for", 100*slower,
			100*faster)
	}
	return why
}
