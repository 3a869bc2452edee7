package metrics

import (
	"fmt"
	"math"

	"homellm/engine/event"
)

// Estimate says how well homellm's own counts of prompts fit what the server counted of the same
// prompts. Nothing that was measured rests on it; a ceiling that is estimated takes the server's
// count of the prompt and homellm's share of it.
type Estimate struct {
	Source   string  `json:"source"`   // what counted
	Requests int     `json:"requests"` // with both counts, warm-ups included
	Factor   float64 `json:"factor"`   // the server's tokens per token of homellm's, over all of them
	// half width of what the factor leaves, as a share: the largest error, and at least 0.02 unless the counter
	// claims to be exact
	Spread  float64 `json:"spread"`
	Claimed float64 `json:"claimed"` // the largest spread that the counter claimed for one of them by itself
}

// String is the label of what rests on an estimate.
func (e Estimate) String() string {
	if e.Spread == 0 {
		return e.Source
	}
	return fmt.Sprintf("estimated ± %.0f %%", math.Ceil(100*e.Spread))
}

// tally collects what an [Estimate] is made of.
type tally struct {
	source        string
	n             int
	told, counted float64
	least, most   float64 // told per counted, of single requests
	claimed       float64
}

func (t *tally) add(q *event.Request) {
	if q.Estimate == nil || q.Estimate.Prompt <= 0 {
		return
	}
	t.source, t.claimed = q.Estimate.Source, max(t.claimed, q.Estimate.Spread)
	if q.Err != nil || q.Usage.Prompt == nil || *q.Usage.Prompt <= 0 {
		return
	}
	told, counted := float64(*q.Usage.Prompt), float64(q.Estimate.Prompt)
	ratio := told / counted
	if t.n == 0 {
		t.least, t.most = ratio, ratio
	}
	t.least, t.most = min(t.least, ratio), max(t.most, ratio)
	t.told += told
	t.counted += counted
	t.n++
}

// leastSpread keeps a few prompts that happen to fit from passing for certainty: those still to
// come may differ.
const leastSpread = 0.02

// Estimate calibrates homellm's counts by what the server reported of the same prompts: the factor
// is the quotient of sums, so that long prompts weigh more. It is nil where homellm counted
// nothing, and what the counter claims by itself where the server reported nothing.
func (c *Cell) Estimate() *Estimate {
	t := c.tally
	if t.source == "" {
		return nil
	}
	e := &Estimate{Source: t.source, Requests: t.n, Factor: 1, Spread: t.claimed, Claimed: t.claimed}
	if t.n > 0 {
		e.Factor = t.told / t.counted
		e.Spread = max(e.Factor/t.least-1, 1-e.Factor/t.most, min(leastSpread, t.claimed))
	}
	return e
}

// note says what became of the estimates, in a cell that has some.
func (e *Estimate) note() (text string, ok bool) {
	if e == nil || e.Requests == 0 {
		return "", false
	}
	off := fmt.Sprintf("as many tokens as homellm (%s)", e.Source)
	if d := 100 * (e.Factor - 1); math.Abs(d) >= 0.5 {
		word := "more"
		if d < 0 {
			word = "fewer"
		}
		off = fmt.Sprintf("%.0f %% %s tokens than homellm (%s)", math.Abs(d), word, e.Source)
	}
	text = fmt.Sprintf("the server does not tokenise for others: ceilings of the hit rate are %s, calibrated by %d "+
		"prompts, of which it counts %s", e, e.Requests, off)
	if math.Abs(e.Factor-1) > max(3*e.Claimed, 0.1) {
		text += "; that is far more than a vocabulary explains: it may render with another template, or cut prompts"
	}
	return text, true
}
