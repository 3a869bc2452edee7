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
	why               string          // what a value rests on
}

// fitCold fits the prompts of a server that reports no cached tokens; nil if they tell nothing.
func fitCold(b event.ColdPrompts) *coldFit {
	var x, y []float64
	least, most := math.Inf(1), 0.0
	for _, p := range b.Prompts {
		n := float64(p.Tokens)
		x, y = append(x, n), append(y, event.Milliseconds(p.TTFT))
		least, most = min(least, n), max(most, n)
	}
	curve, ok := stats.FitQuadratic(x, y)
	if !ok {
		return nil
	}
	why := fmt.Sprintf("the server reports no cached tokens; by the time to the first token, as %d cold prompts of %.0f "+
		"to %.0f tokens predict it (± %.1f %%, 95 %%)", len(x), least, most, 196*curve.Spread)
	return &coldFit{curve, least, most, why}
}

// beyond is by how much a prompt may be longer than the longest of which the time was measured.
const beyond = 1.2

// cached is between which limits the cached tokens of a prompt lie by its time to the first token in ms. A prompt of n
// tokens of which u were computed takes a + b·u + c·(n² - (n-u)²): each new token attends to all before it. It is false
// if the time tells nothing.
func (f *coldFit) cached(prompt int, ttft event.Range) (cached event.Range, ok bool) {
	n := float64(prompt)
	least, most, ok := f.curve.Rest(n, ttft.Low, ttft.High)
	if !ok || n > beyond*f.longest {
		return cached, false
	}
	// Nothing was seen that is shorter than the shortest, and what it costs to read what is cached is in no cold prompt.
	least, most = max(least-f.shortest, 1), max(most, min(f.shortest, n))
	return event.Range{Low: max(math.Floor(n-most), 0), High: min(math.Ceil(n-least), n-1)}, true
}
