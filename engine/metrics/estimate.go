package metrics

import (
	"fmt"
	"math"

	"homellm/engine/event"
)

// Estimate says how well homellm's counts of prompts fit the server's counts of the same prompts. No measurement
// rests on it. An estimated ceiling is the server's count of the prompt times homellm's share.
type Estimate struct {
	Source   string  `json:"source"`   // the counter used
	Requests int     `json:"requests"` // with both counts, warm-ups included
	Factor   float64 `json:"factor"`   // the server's tokens per token of homellm's, over all of them
	// relative half width after the factor is applied: the largest error, and at least 0.02 unless the counter is exact
	Spread  float64 `json:"spread"`
	Claimed float64 `json:"claimed"` // the largest spread that the counter itself claimed for one of them
}

// String is the label of a figure that rests on an estimate.
func (e Estimate) String() string {
	if e.Spread == 0 {
		return e.Source
	}
	return fmt.Sprintf("estimated ± %.0f %%", math.Ceil(100*e.Spread))
}

// tally collects the data of an [Estimate].
type tally struct {
	source        string
	n             int
	told, counted float64
	least, most   float64 // server's count over homellm's, per request
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

// leastSpread is the least claimed uncertainty: a few prompts may fit by chance, and later ones may differ.
const leastSpread = 0.02

// Estimate calibrates homellm's counts by the server's counts of the same prompts. The factor is the ratio of the
// sums, so that long prompts weigh more. It is nil where homellm counted nothing, and the counter's own claim where
// the server reported nothing.
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

// note describes the estimates of a cell that has some.
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
	text = fmt.Sprintf("the server has no tokenise endpoint: ceilings of the hit rate are %s, calibrated by %d "+
		"prompts, of which it counts %s", e, e.Requests, off)
	if math.Abs(e.Factor-1) > max(3*e.Claimed, 0.1) {
		text += "; that is far more than a vocabulary explains: it may render with another template, or cut prompts"
	}
	return text, true
}
