package metrics

import (
	"math"
	"strings"
	"time"

	"homellm/engine/event"
)

// maxUncertainty is the relative uncertainty up to which a value is shown as a number.
const maxUncertainty = 0.05

// decode is the time in which the tokens after the first arrival came, and their number. Tokens that came with the
// first arrival do not count: a proxy that holds a reply back and sends its last words one by one would otherwise
// make any server fast. Tokens after the last text, such as the end of sequence, do not count either, because only
// the finish reason dates them and it may come late. They do count where the speed is the same with them.
func decode(q *event.Request) (tokens float64, window time.Duration, why string) {
	switch {
	case !streamed(q):
		return 0, 0, noStream
	case len(q.Chunks) == 0:
		return 0, 0, noToken
	case q.Buffered:
		return 0, 0, buffered
	}
	n, why := output(q)
	if why != "" {
		return 0, 0, why
	}
	p := place(q, n)
	window = textWindow(q)
	if why := p.unclear(q, n, window); why != "" {
		return 0, 0, why
	}
	all, whole := float64(n-p.first), ended(q)-q.Chunks[0].At
	tokens = all - float64(p.after)
	if p.open > 0 && q.Later != nil {
		least, most := p.between(q, n)
		return min(max(float64(q.Later.Tokens), least), most), window, ""
	}
	if with, without := all/whole.Seconds(), tokens/window.Seconds(); p.after > 0 &&
		max(with, without) <= (1+maxUncertainty)*min(with, without) {
		return all, whole, ""
	}
	return tokens, window, ""
}

// placed divides the tokens of a reply by the time they came.
type placed struct {
	first int  // tokens with the first arrival, as far as is known
	after int  // after the last text; if any are uncertain, most likely one of them
	open  int  // uncertain: in between, with the first arrival, or after the last text
	early bool // some of the uncertain ones may have come with the first arrival
}

// between is the least and the most tokens that came after the first arrival and up to the last text: a tokeniser's
// count of the text, within what the pieces of text allow.
func (p placed) between(q *event.Request, n int) (least, most float64) {
	if p.open == 0 {
		known := float64(n - p.first - p.after)
		return known, known
	}
	least, most = float64(n-p.first-p.open), float64(n-p.first)
	if l := q.Later; l != nil {
		if low, high := float64(l.Tokens-l.Spread), float64(l.Tokens+l.Spread); high >= least && low <= most {
			least, most = max(least, low), min(most, high)
		}
	}
	return least, most
}

// Unplaced reports whether a token count of the reply's text would narrow the interval.
func Unplaced(q *event.Request) bool {
	_, _, why := decode(q)
	return q.Err == nil && (why == bundled || why == afterText)
}

// unclear says why the speed of a reply of n tokens, whose text came within a window, is not a number; empty if it is
// one.
func (p placed) unclear(q *event.Request, n int, window time.Duration) string {
	least, most := p.between(q, n)
	switch {
	case n <= p.first && window > 0:
		return "text went on arriving after the last token that the server counts"
	case n <= p.first:
		return "the first chunk held every token"
	case p.early && q.Reasoning == "" && q.Usage.Reasoning != nil && *q.Usage.Reasoning > 0:
		return "the server counts reasoning tokens that it does not send"
	case window <= 0 && p.after > 0 && p.open == 0:
		return afterText
	case window <= 0:
		return oneArrival
	case most-least <= maxUncertainty*most:
		return ""
	case p.early:
		return bundled
	}
	return afterText
}

// place finds out when the n tokens of a reply came. Each piece of text holds as many as the server reports for it,
// or at least one.
func place(q *event.Request, n int) placed {
	p := placed{first: firstTokens(q)}
	left, toldFirst, toldRest := n, true, true
	for i, c := range q.Chunks {
		isFirst := c.At == q.Chunks[0].At
		toldFirst = toldFirst && (c.Tokens != nil || !isFirst)
		toldRest = toldRest && (c.Tokens != nil || isFirst)
		switch {
		case c.Tokens != nil:
			left -= *c.Tokens
		case isFirst || q.Chunks[i-1].At < c.At || q.Chunks[i-1].Channel == c.Channel: // not a second channel of one event
			left--
		}
	}
	late := goesOn(q, n-p.first)
	switch {
	case left <= 0 || toldFirst && !late:
	case toldFirst && toldRest:
		p.after = left
	default:
		ends := endsByModel(q)
		if ends && late {
			p.after = 1
		}
		if !ends || left > 1 { // a single one is the end of sequence
			p.open, p.early = left, !toldFirst
		}
	}
	return p
}

// firstTokens is the number of tokens that came with the first arrival: as reported for each delta, or one per delta.
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

// endsWithToken are the finish reasons of a reply that the model ended: its last token is the end of sequence, which
// has no text.
var endsWithToken = map[string]bool{"stop": true, "eos": true, "end_turn": true, "stop_sequence": true,
	"tool_calls": true, "function_call": true, "tool_use": true}

// completed is a status of replies on the responses API.
const completed = "completed"

// endsByModel reports whether the model ended the reply. On the responses API llama-server also reports "completed" for
// a reply that was cut by its token limit, so a reply of the maximum length counts as cut.
func endsByModel(q *event.Request) bool {
	reason := strings.ToLower(q.Finish)
	if reason == completed {
		return q.MaxTokens == 0 || q.Usage.Completion != nil && *q.Usage.Completion < q.MaxTokens
	}
	return endsWithToken[reason]
}

// textWindow is the time from the first arrival of text to the last.
func textWindow(q *event.Request) time.Duration { return q.Chunks[len(q.Chunks)-1].At - q.Chunks[0].At }

// ended is when the server ended the reply: by a finish reason, or else by the end of the stream.
func ended(q *event.Request) time.Duration {
	if q.Finished != nil {
		return *q.Finished
	}
	return q.Done
}

// goesOn says whether there was time for another token between the last text and the end: half the time per token so
// far.
func goesOn(q *event.Request, tokens int) bool {
	rest := ended(q) - q.Chunks[len(q.Chunks)-1].At
	return rest > 0 && 2*rest*time.Duration(tokens) >= textWindow(q)
}

// decodeLimits are the limits of the number of tokens after the first arrival of text, and of the time in ms in which
// they came.
func decodeLimits(c *Cell, q *event.Request) (tokens, window event.Range) {
	free := event.Range{Low: 0, High: math.Inf(1)}
	if !streamed(q) || len(q.Chunks) == 0 {
		return free, free
	}
	_, _, why := decode(q)
	took := event.Milliseconds(textWindow(q))
	window = event.Range{Low: took, High: took}
	switch why {
	case bundled, afterText:
		p := place(q, *q.Usage.Completion)
		tokens.Low, tokens.High = p.between(q, *q.Usage.Completion)
		if took == 0 { // only the end came after the text
			n := float64(p.after)
			return event.Range{Low: n, High: n}, event.Range{High: event.Milliseconds(ended(q) - q.Chunks[0].At)}
		}
		return tokens, window
	case noUsage, tooFew, tooMany, uncounted(q):
		n := outputLimits(c, q)
		return event.Range{Low: max(n.Low-float64(firstTokens(q)), 0), High: n.High}, window
	}
	return free, free
}
