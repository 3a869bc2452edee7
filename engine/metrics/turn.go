package metrics

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"homellm/engine/event"
)

// Reasons that several metrics share.
const (
	noStream   = "the reply was not streamed"
	noToken    = "no token arrived"
	neverSent  = "the request was never sent"
	noUsage    = "the server reported no token counts"
	noCached   = "the server reports no cached tokens"
	oneArrival = "the text arrived all at once"
	oneToken   = "a reply of one token has no gaps"
	inlined    = "the answer holds its reasoning (<think>): have the server tell them apart, with a reasoning parser"
)

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func streamed(q *event.Request) bool { return q.Wire.Framing != "json" }

// ttft is the time from the first byte sent to the first non-empty delta of any channel. Role
// chunks and empty deltas are not chunks of an exchange at all.
func ttft(q *event.Request) (time.Duration, string) {
	switch {
	case q.Sent == nil:
		return 0, neverSent
	case !streamed(q):
		return 0, noStream
	case len(q.Chunks) == 0:
		return 0, noToken
	}
	return q.Chunks[0].At - *q.Sent, ""
}

// decode is the window in which the tokens after the first arrival came, and how many they are.
// What came with the first arrival, or was generated before it, came before the window opened and
// does not count: a proxy that holds a reply back and hands out its last words one by one would
// otherwise make any server fast.
func decode(q *event.Request) (tokens float64, window time.Duration, why string) {
	switch {
	case !streamed(q):
		return 0, 0, noStream
	case len(q.Chunks) == 0:
		return 0, 0, noToken
	case q.Usage.Completion == nil:
		return 0, 0, noUsage
	case q.Reasoning == "" && q.Usage.Reasoning != nil && *q.Usage.Reasoning > 0 && q.Chunks[0].Tokens == nil:
		return 0, 0, "the server counts reasoning tokens that it does not send"
	}
	n := *q.Usage.Completion - firstTokens(q)
	switch {
	case n <= 0 && q.Chunks[len(q.Chunks)-1].At > q.Chunks[0].At:
		return 0, 0, "text went on arriving after the last token that the server counts"
	case n <= 0:
		return 0, 0, "the first chunk held every token"
	}
	window = lastCounted(q) - q.Chunks[0].At
	if window <= 0 {
		return 0, 0, oneArrival
	}
	return float64(n), window, ""
}

// firstTokens is how many tokens came with the first arrival: as many as the server says of each
// delta, and one where it says nothing.
func firstTokens(q *event.Request) int {
	n := 0
	for _, c := range q.Chunks {
		if c.At > q.Chunks[0].At {
			break
		}
		if c.Tokens == nil {
			n++
		} else {
			n += *c.Tokens
		}
	}
	return max(n, 1)
}

// endsWithToken are the finish reasons of a reply that stopped by itself.
var endsWithToken = map[string]bool{"stop": true, "tool_calls": true, "function_call": true}

// lastCounted is when the last counted token arrived. A reply that stopped by itself ends with
// tokens that are counted and carry no text, the end of sequence, a stop string or the end of a
// tool call: they came with the finish reason. Without them a short answer would seem faster than
// it was.
func lastCounted(q *event.Request) time.Duration {
	last := q.Chunks[len(q.Chunks)-1].At
	if endsWithToken[q.Finish] && q.Finished != nil && *q.Finished > last {
		return *q.Finished
	}
	return last
}

// gaps are the times between arrivals of text. Chunks that one read delivered share a stamp and
// are one arrival: a gap of zero between them would be made up.
func gaps(q *event.Request) ([]float64, string) {
	if !streamed(q) {
		return nil, noStream
	}
	if n := q.Usage.Completion; n != nil && *n <= 1 && len(q.Chunks) <= 1 {
		return nil, oneToken
	}
	if len(q.Chunks) == 0 {
		return nil, noToken
	}
	var out []float64
	last := q.Chunks[0].At
	for _, c := range q.Chunks[1:] {
		if c.At > last {
			out = append(out, ms(c.At-last))
			last = c.At
		}
	}
	if len(out) == 0 {
		return nil, oneArrival
	}
	slices.Sort(out)
	return out, ""
}

// stalls counts the gaps longer than five times the median gap.
func stalls(sorted []float64) int {
	n := 0
	for _, g := range sorted {
		if g > 5*Percentile(sorted, 50) {
			n++
		}
	}
	return n
}

// firstSentence is when the chunk arrived that holds the last character of the answer's first
// sentence.
func firstSentence(q *event.Request) (time.Duration, string) {
	if q.Sent == nil {
		return 0, neverSent
	}
	if !streamed(q) {
		return 0, noStream
	}
	if thinksAloud(q) {
		return 0, inlined
	}
	end := sentenceEnd(q.Text)
	if end < 0 {
		return 0, "the answer holds no whole sentence"
	}
	have := 0
	for _, c := range q.Chunks {
		if !answers(c) {
			continue
		}
		if have += c.Bytes; have >= end {
			return c.At - *q.Sent, ""
		}
	}
	return 0, "the chunks do not add up to the answer"
}

// answers says whether a delta is part of the exchange's text, which a refusal takes the place of.
func answers(c event.Chunk) bool { return c.Channel == event.Answer || c.Channel == event.Refusal }

// thinksAloud says whether the server left the reasoning in the answer. Its opening tag may have
// been part of the prompt.
func thinksAloud(q *event.Request) bool {
	return strings.Contains(q.Text, "</think>") || strings.HasPrefix(strings.TrimSpace(q.Text), "<think>")
}

// sentenceEnd is the number of bytes up to the end of the first sentence, or -1. A sentence ends
// with one of . ! ? (and the closing quotes and brackets that follow) before white space or the
// end of the text, with 。！？ anywhere, or with a line break behind a word. The dot of a list
// number such as "1. " at the start of a line ends nothing.
func sentenceEnd(text string) int {
	word, letters, bare := false, false, true // of the current line: holds a letter or digit; a letter; digits alone
	for i, r := range text {
		switch {
		case unicode.IsLetter(r):
			word, letters = true, true
		case unicode.IsDigit(r):
			word = true
		case r == '\n' && word:
			return i + 1
		case r == '\n':
			letters, bare = false, true
		case strings.ContainsRune("。！？", r) && word:
			return i + utf8.RuneLen(r)
		case strings.ContainsRune(".!?", r) && word:
			end := i + 1 + closers(text[i+1:])
			next, _ := utf8.DecodeRuneInString(text[end:])
			listNumber := r == '.' && !letters && bare && next == ' '
			if !listNumber && (end == len(text) || unicode.IsSpace(next)) {
				return end
			}
		case !unicode.IsSpace(r) && word:
			bare = false
		}
	}
	return -1
}

// closers is the number of bytes at the start of text that still belong to a sentence's end.
func closers(text string) int {
	for i, r := range text {
		if !strings.ContainsRune(`.!?"')]}*_”’»`, r) {
			return i
		}
	}
	return len(text)
}

// cached is the number of prompt tokens that came from the prefix cache, and the prompt's size.
func cached(q *event.Request) (cached, prompt int, why string) {
	switch {
	case q.Cached == nil && q.CacheWhy != "":
		return 0, 0, q.CacheWhy
	case q.Cached == nil:
		return 0, 0, noCached
	case q.Usage.Prompt == nil:
		return 0, 0, noUsage
	case *q.Usage.Prompt <= 0:
		return 0, 0, "the server counted no prompt tokens"
	case *q.Cached < 0 || *q.Cached > *q.Usage.Prompt:
		return 0, 0, "the server reports more cached tokens than prompt tokens"
	}
	return *q.Cached, *q.Usage.Prompt, ""
}

func reusable(q *event.Request) (reusable, prompt int, why string) {
	switch {
	case q.Reusable == nil && q.ReusableWhy != "":
		return 0, 0, q.ReusableWhy
	case q.Reusable == nil:
		return 0, 0, "the prompt was not compared with what the server had seen"
	case q.Usage.Prompt == nil:
		return 0, 0, noUsage
	case *q.Usage.Prompt <= 0:
		return 0, 0, "the server counted no prompt tokens"
	}
	return *q.Reusable, *q.Usage.Prompt, ""
}

// efficiency is what was kept and what could have been.
func efficiency(_ *Cell, q *event.Request) (have, could float64, why string) {
	n, _, why := cached(q)
	if why != "" {
		return 0, 0, why
	}
	most, prompt, why := reusable(q)
	switch {
	case why != "":
		return 0, 0, why
	case float64(most) < 0.01*float64(prompt):
		return 0, 0, "less than 1 % of the prompt could be reused"
	case float64(n-most) > max(foreign, 0.1*float64(most)):
		return 0, 0, "more was cached than homellm has sent to this cache: somebody else's prompts, or an isolation that does not isolate"
	}
	return float64(n), float64(most), ""
}

// foreign is by how many tokens a cache may serve more than it should be able to, because its
// blocks are of another size, its template begins as other prompts do, or the ceiling is an estimate.
const foreign = 64

// cacheSource names who reported the cached tokens.
func cacheSource(q *event.Request) string {
	switch {
	case q.CacheSource == "":
		return "none"
	case q.CacheAssumed:
		return q.CacheSource + ", absent means 0"
	}
	return q.CacheSource
}

// efficiencySource names both sides of the quotient, where the ceiling is not exact.
func efficiencySource(q *event.Request) string {
	if q.ReusableSource == "estimated" {
		return cacheSource(q) + ", ceiling estimated"
	}
	return cacheSource(q)
}

func reusableSource(q *event.Request) string {
	if q.ReusableSource == "" {
		return "none"
	}
	return q.ReusableSource
}

// rttFloor is the round trip of the cell's server in ms, 0 if it was not measured.
func rttFloor(c *Cell) float64 {
	values, _, _ := c.observations("client.rtt_floor_ms")
	if len(values) == 0 {
		return 0
	}
	return slices.Min(values)
}

// prefill is the number of prompt tokens that the server had to compute, and the seconds until
// its first token.
func prefill(c *Cell, q *event.Request) (tokens, seconds float64, why string) {
	have, prompt, why := cached(q)
	if why != "" {
		return 0, 0, why
	}
	if have == prompt {
		return 0, 0, "every prompt token came from the cache"
	}
	first, why := ttft(q)
	if why != "" {
		return 0, 0, why
	}
	t := ms(first) - rttFloor(c)
	if t <= 0 {
		return 0, 0, "the first token came within the round trip of the network"
	}
	return float64(prompt - have), t / 1000, ""
}

// said reads what the server said of the request itself.
func said(name string) func(*Cell, *event.Request) (any, string) {
	return func(_ *Cell, q *event.Request) (any, string) {
		v, ok := q.Timings[name]
		if !ok {
			return nil, "the server says nothing of " + name
		}
		return v, ""
	}
}

func count(n *int) (any, string) {
	if n == nil {
		return nil, noUsage
	}
	return *n, ""
}

func since(from *time.Duration, to time.Duration) (any, string) {
	if from == nil {
		return nil, neverSent
	}
	return ms(to - *from), ""
}
