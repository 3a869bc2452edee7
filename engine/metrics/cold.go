package metrics

import (
	"fmt"
	"math"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// timedSource is the source of cached tokens that the time to the first token tells.
const timedSource = "ttft_fit"

// coldFit is how long the first token takes after a prompt of which nothing is cached.
type coldFit struct {
	curve             stats.Quadratic // in ms, over tokens
	shortest, longest float64         // of the prompts that it rests on, in tokens
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
	out := &coldFit{curve: curve, shortest: math.Inf(1), prompts: len(x)}
	for _, n := range x {
		out.shortest, out.longest = min(out.shortest, n), max(out.longest, n)
	}
	return out
}

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

// around are the cold prompts that were sent before a repeat and after it, without those that make the curve.
func (f *coldFit) around(repeat int) (tokens, ms []float64) {
	for _, b := range f.after {
		if b.After == repeat || b.After == repeat-1 {
			n, took := timesOf(b.Prompts)
			tokens, ms = append(tokens, n...), append(ms, took...)
		}
	}
	return tokens, ms
}

// beyond is by how much a prompt may be longer than the longest of which the time was measured.
const beyond = 1.2

// rest is how many of the n tokens of a prompt were computed, by the time to its first token and the curve as it holds
// at that time: u of n take a + b·u + c·(n² - (n-u)²), as each new token attends to all before it. It is false if the
// time tells nothing.
func (f *coldFit) rest(curve stats.Quadratic, n float64, took event.Range) (rest stats.Rest, ok bool) {
	if rest, ok = curve.Rest(n, took.Low, took.High); !ok || n > beyond*f.longest {
		return rest, false
	}
	// Nothing was seen that is shorter than the shortest, and what it costs to read what is cached is in no cold prompt.
	rest.Least, rest.Most = rest.Least-f.shortest, max(rest.Most, min(f.shortest, n))
	return rest, true
}

// blind is the spread of cold prompts, as a share of their time, from which their 95 % interval reaches from nothing to
// twice the time: whatever a turn took, any part of its prompt may have been cached.
const blind = 1 / 1.96

// why says what a value rests on that time tells, where the curve holds or has moved.
func (f *coldFit) why() string {
	why := fmt.Sprintf("the server reports no cached tokens; by the time to the first token, as %d cold prompts of %.0f "+
		"to %.0f tokens predict it (± %.1f %%, 95 %%)", f.prompts, f.shortest, f.longest, 196*f.curve.Spread)
	if f.curve.Spread >= blind {
		why += ", which is too far apart to tell how much was cached"
	}
	slower, faster := 0.0, 0.0
	for _, q := range f.now {
		more, less := q.Since()
		slower, faster = max(slower, more), max(faster, less)
	}
	if slower > 0 || faster > 0 {
		why += fmt.Sprintf("; others since then took up to %.0f %% more and %.0f %% less, which makes it wider", 100*slower,
			100*faster)
	}
	return why
}
