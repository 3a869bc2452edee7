package metrics

import (
	"math"
	"slices"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// naturalLimits are the limits of any value of the metric.
func (d *Def) natural() event.Range {
	switch {
	case d.Rate:
		return event.Range{Low: 0, High: 1}
	case d.Signed:
		return event.Range{Low: math.Inf(-1), High: math.Inf(1)}
	}
	return event.Range{Low: 0, High: math.Inf(1)}
}

// within intersects an interval with the limits of the metric.
func (d *Def) within(r event.Range) event.Range {
	n := d.natural()
	return event.Range{Low: min(max(r.Low, n.Low), n.High), High: max(min(r.High, n.High), n.Low)}
}

// between is a value of the metric with these limits: exact if they are equal, and unknown if they are no narrower
// than the metric's own.
func (d *Def) between(r event.Range, v Value) Value {
	switch r = d.within(r); {
	case r.Low == r.High:
		v.V, v.Why = r.Low, ""
		if d.Kind == Int {
			v.V = int(r.Low)
		}
	case r != d.natural():
		v.Range = &r
	}
	return v
}

// ends are the limits of one value; of an exact one, the value itself.
func (d *Def) ends(c *Cell, q *event.Request, v Value) event.Range {
	if f, ok := v.Number(); ok {
		return event.Range{Low: f, High: f}
	}
	switch {
	case v.Range != nil:
		return *v.Range
	case q != nil && d.limits != nil:
		return d.within(d.limits(c, q))
	}
	return d.natural()
}

// informed says whether a value has limits narrower than its metric's own.
func informed(v Value) bool { return v.Known() || v.Range != nil }

// notApplicable are the reasons why a turn cannot have a value; such a turn hides nothing from a figure over several
// turns.
var notApplicable = []string{oneToken, reusedConnection, tooShort, firstPlay, allCached, nothingReusable,
	nothingRetrieved, nothingReranked, nothingExpected}

// missing says whether a turn should have a value of the metric that is unknown. A failed request misses nothing:
// failures are counted separately.
func missing(q *event.Request, v Value) bool {
	return !v.Known() && q.Err == nil && !slices.Contains(notApplicable, v.Why)
}

// promptLimits are the limits of a prompt's size that the server does not report. It is at least as long as the
// prefix it shares with an earlier prompt, and as the prompt before it unless something was removed in between, and
// it fits the context.
func promptLimits(c *Cell, q *event.Request) event.Range {
	if n, why := promptTokens(q); why == "" && n > 0 {
		return event.Range{Low: float64(n), High: float64(n)}
	}
	out := event.Range{Low: 1, High: math.Inf(1)}
	if q.Reusable != nil && q.ReusableSource == "tokens" {
		out.Low = max(out.Low, float64(*q.Reusable+1))
	}
	if before := c.promptBefore(q); before != nil {
		out.Low = max(out.Low, float64(*before))
	}
	if n := c.context(); n > 0 {
		out.High = max(float64(n), out.Low)
	}
	return out
}

// context is the size of the server's context in tokens; 0 if unknown.
func (c *Cell) context() int {
	if c.Started == nil || c.Started.Server.ContextTokens == nil {
		return 0
	}
	return *c.Started.Server.ContextTokens
}

// promptBefore is the size of the latest prompt that the turn's prompt extends; nil: unknown.
func (c *Cell) promptBefore(q *event.Request) *int {
	before := c.indexed().before[q]
	if before == nil || c.removedBetween(before, q) {
		return nil
	}
	return before.Usage.Prompt
}

// removedBetween says whether the conversation removes anything between two of its turns, as far as is known.
func (c *Cell) removedBetween(from, to *event.Request) bool {
	if from.Step == to.Step {
		return false
	}
	if c.run == nil {
		return true
	}
	i, known := c.run.spots()[[2]string{to.Conversation, from.Step}]
	j, knownTo := c.run.spots()[[2]string{to.Conversation, to.Step}]
	if !known || !knownTo || j.at < i.at {
		return true
	}
	conv := slices.IndexFunc(c.run.Started.Scenario.Conversations,
		func(s event.Conversation) bool { return s.ID == to.Conversation })
	return slices.ContainsFunc(c.run.Started.Scenario.Conversations[conv].Steps[i.at:j.at+1],
		func(s event.Step) bool { return s.Action == "remove" })
}

// coldShare is the largest share of a cold prompt that the common beginning of all prompts may make up.
const coldShare = 0.02

// isCold says of a measured turn that no cache can have any of its prompt: it is the first of its kind since the
// cache was isolated.
func (c *Cell) isCold(q *event.Request) bool {
	return c.run != nil && c.run.Started.Scenario.Isolated() && !q.Warmup && q.Err == nil && streamed(q) &&
		len(q.Chunks) > 0 && q.Reusable != nil && q.Usage.Prompt != nil &&
		float64(*q.Reusable) < coldShare*float64(*q.Usage.Prompt)
}

// curve returns how long cold prompts take in a repeat, judged by those before, in and after it.
func (c *Cell) curve(repeat int) stats.Quadratic {
	f := c.cold
	if f.now == nil || f.of != len(c.Requests) {
		f.now, f.of = map[int]stats.Quadratic{}, len(c.Requests)
	}
	if q, ok := f.now[repeat]; ok {
		return q
	}
	tokens, ms := timesOf(f.beside(repeat))
	for _, q := range c.Requests {
		if took := ttftLimits(c, q); q.Repeat == repeat && c.isCold(q) && took.Low == took.High {
			tokens, ms = append(tokens, float64(*q.Usage.Prompt)), append(ms, took.High)
		}
	}
	f.now[repeat] = f.curve.At(tokens, ms)
	return f.now[repeat]
}

// whyTimed says what the cell's inferred counts of cached tokens rest on.
func (c *Cell) whyTimed() string {
	for _, n := range c.Repeats() {
		c.curve(n)
	}
	return c.cold.why()
}

// timed bounds how many tokens of a prompt were computed, given its time to the first token, if the server cannot
// report cached tokens. It returns false if the time tells nothing.
func (c *Cell) timed(q *event.Request) (rest stats.Rest, ok bool) {
	if c == nil || c.cold == nil || c.Started == nil || c.Started.Server.Unsupported["cache"] == "" || q.Cached != nil ||
		q.Err != nil || !streamed(q) || len(q.Chunks) == 0 {
		return rest, false
	}
	n, why := promptTokens(q)
	if why != "" || n <= 0 {
		return rest, false
	}
	return c.cold.rest(c.curve(q.Repeat), float64(n), ttftLimits(c, q))
}

// timedTokens returns the limits of a turn's cached tokens that follow from its time to the first token.
func (c *Cell) timedTokens(q *event.Request) (cached event.Range, ok bool) {
	rest, ok := c.timed(q)
	if !ok {
		return cached, false
	}
	n := float64(*q.Usage.Prompt)
	least, most := rest.Alone(n)
	return event.Range{Low: max(math.Floor(n-most), 0), High: min(math.Ceil(n-least), n-1)}, true
}

// timedRegion returns the region of a turn's cached and prompt tokens that follows from its time to the first token.
// The noise of that time is independent of other turns.
func (c *Cell) timedRegion(q *event.Request) (r region, ok bool) {
	rest, ok := c.timed(q)
	if !ok {
		return r, false
	}
	n := float64(*q.Usage.Prompt)
	r = box(event.Range{Low: n - rest.Most, High: n - rest.Least}, event.Range{Low: n, High: n})
	r.own = &ownNoise{below: rest.Above, above: rest.Below, most: n - 1}
	return r, true
}

// cachedLimits are the limits of a count of prompt tokens that came, or could have come, from a cache.
func cachedLimits(c *Cell, q *event.Request) event.Range {
	if timed, ok := c.timedTokens(q); ok {
		return timed
	}
	return event.Range{Low: 0, High: promptLimits(c, q).High - 1}
}

// outputLimits are the limits of the output tokens of a reply if the server's count is missing or wrong: at least one
// for each piece of text, except that one event with text on two channels makes two pieces.
func outputLimits(c *Cell, q *event.Request) event.Range {
	out := event.Range{Low: float64(max(len(q.Chunks)-1, 0)), High: math.Inf(1)}
	if n := c.context(); n > 0 {
		out.High = max(float64(n), out.Low)
	}
	return out
}

// hitRegion is the region of a turn's cached and prompt tokens.
func hitRegion(c *Cell, q *event.Request) region {
	if n, of, why := cached(q); why == "" {
		return certainly(float64(n), float64(of))
	}
	prompt := promptLimits(c, q)
	if timed, ok := c.timedRegion(q); ok {
		return timed
	}
	if uncounted(q) != "" || q.Cached == nil || *q.Cached < 0 || float64(*q.Cached) >= prompt.High {
		return part(prompt)
	}
	n := float64(*q.Cached)
	return box(event.Range{Low: n, High: n}, event.Range{Low: max(n+1, prompt.Low), High: prompt.High})
}

// ceilingRegion is the region of a turn's reusable and prompt tokens.
func ceilingRegion(c *Cell, q *event.Request) region {
	if n, of, why := reusable(q); why == "" {
		return certainly(float64(n), float64(of))
	}
	prompt := promptLimits(c, q)
	if q.Reusable == nil {
		return part(prompt)
	}
	n := float64(*q.Reusable)
	return box(event.Range{Low: n, High: n}, prompt)
}

// efficiencyRegion is the region of a turn's cached and reusable tokens. A turn that could reuse next to nothing has
// no efficiency itself, and counts in the sum over several turns.
func efficiencyRegion(c *Cell, q *event.Request) region {
	have, could := cachedLimits(c, q), cachedLimits(c, q)
	if n, _, why := cached(q); why == "" {
		have = event.Range{Low: float64(n), High: float64(n)}
	}
	if n, _, why := reusable(q); why == "" {
		could = event.Range{Low: float64(n), High: float64(n)}
	}
	if _, _, why := efficiency(c, q); why == tooMuch {
		have = cachedLimits(c, q)
	}
	return box(have, could)
}

// prefillRegion is the region of the computed prompt tokens and the seconds until the first token.
func prefillRegion(c *Cell, q *event.Request) region {
	computed := event.Range{Low: 1, High: promptLimits(c, q).High}
	if n, of, why := cached(q); why == "" {
		computed = event.Range{Low: float64(of - n), High: float64(of - n)}
	}
	took := event.Range{Low: 0, High: math.Inf(1)}
	if first := ttftLimits(c, q); first.High > rttFloor(c) {
		h, _ := c.delay(q)
		took = event.Range{Low: max(first.Low-rttFloor(c)-h.most, 0) / 1000, High: (first.High - rttFloor(c)) / 1000}
	}
	return box(computed, took)
}

func tpotRegion(c *Cell, q *event.Request) region {
	tokens, window := decodeLimits(c, q)
	return box(window, tokens)
}

func decodeRegion(c *Cell, q *event.Request) region {
	tokens, window := decodeLimits(c, q)
	return box(tokens, event.Range{Low: window.Low / 1000, High: window.High / 1000})
}

// chunkRegion is the region of a turn's output tokens and pieces of text.
func chunkRegion(c *Cell, q *event.Request) region {
	if !streamed(q) || len(q.Chunks) == 0 {
		return box(event.Range{Low: 0, High: math.Inf(1)}, event.Range{Low: 0, High: math.Inf(1)})
	}
	k := float64(len(q.Chunks))
	return box(outputLimits(c, q), event.Range{Low: k, High: k})
}

// ttftLimits are the limits of the time to the first token.
func ttftLimits(c *Cell, q *event.Request) event.Range { return arrivalLimits(c, q, 0) }

// arrivalLimits are the limits of the time from sending to a delta, in ms. The delta arrived after the previous read,
// after the kernel last had nothing to read, and at least one round trip after sending, and not later than its own
// read.
func arrivalLimits(c *Cell, q *event.Request, i int) event.Range {
	if q.Sent == nil || !streamed(q) || i < 0 || i >= len(q.Chunks) {
		return event.Range{Low: 0, High: math.Inf(1)}
	}
	high := event.Milliseconds(q.Chunks[i].At - *q.Sent)
	if q.Buffered { // it may have been generated at any time before
		return event.Range{Low: min(rttFloor(c), high), High: high}
	}
	if _, why := arrived(q, i); why == "" {
		return event.Range{Low: high, High: high}
	}
	low := rttFloor(c)
	for _, before := range q.Chunks[:i] {
		if before.At < q.Chunks[i].At {
			low = max(low, event.Milliseconds(before.At-*q.Sent))
		}
	}
	first := slices.IndexFunc(q.Chunks, func(c event.Chunk) bool { return c.At == q.Chunks[i].At })
	if after := q.Chunks[first].After; after != nil {
		low = max(low, event.Milliseconds(*after-*q.Sent))
	}
	return event.Range{Low: min(low, high), High: high}
}
