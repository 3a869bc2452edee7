package metrics

import (
	"homellm/engine/event"
	"strings"
	"unicode/utf8"
)

// outcomes say how a request ended.
var outcomes = []Def{
	{Name: "ok", Kind: Bool, Better: +1, Levels: turns, Fold: All, anyway: true, Source: "client",
		Doc:     "the reply is complete and no error came with it",
		Formula: "no error of any class",
		each:    func(_ *Cell, q *event.Request) (any, string) { return q.Err == nil, "" }},
	{Name: "status", Kind: Int, Levels: turns, anyway: true, Source: "client",
		Doc: "HTTP status", Formula: "as received; unknown if none was",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Status == 0 {
				return nil, "no HTTP status was received"
			}
			return q.Status, ""
		}},
	{Name: "error", Kind: String, Levels: turns, anyway: true, Source: "client",
		Doc: "class of the error; empty if there was none", Formula: "see the error classes",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Err == nil {
				return "", ""
			}
			return q.Err.Class, ""
		}},
	{Name: "finish_reason", Kind: String, Levels: turns, Source: "server",
		Doc: "why generation ended, as the server spells it", Formula: "as received; unknown if the server gave none",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Finish == "" {
				return nil, "the server gave no finish reason"
			}
			return q.Finish, ""
		}},
	{Name: "text", wording: true, Kind: String, Levels: turns, Source: "server",
		Doc: "the answer, without reasoning", Formula: "all answer deltas joined; of an answer that is empty or was cut " +
			"it is known how it begins",
		each: wholly(func(q *event.Request) any { return q.Text }), spoken: spokenText},
	{Name: "text_len", wording: true, Unit: "runes", Kind: Int, Levels: turns, Fold: Sum, Source: "client",
		Doc: "length of the answer", Formula: "characters of text; at least so many of an answer that is empty or " +
			"was cut",
		each: wholly(func(q *event.Request) any { return utf8.RuneCountInString(q.Text) }), spoken: spokenLength},
	{Name: "text_empty", Kind: Bool, Better: -1, Levels: turns, Source: "client",
		Doc:     "the answer holds nothing but white space, whatever went on in reasoning or tool calls",
		Formula: "no character of text is visible",
		each:    func(_ *Cell, q *event.Request) (any, string) { return strings.TrimSpace(q.Text) == "", "" }},
	{Name: "text_repetition", wording: true, Unit: "ratio", Kind: Float, Rate: true, Better: -1, Levels: turns,
		Fold:    Mean,
		Source:  "client",
		Doc:     "how much the answer goes in circles: below 0.1 in ordinary prose, near 1 in a loop",
		Formula: "1 - different four-word sequences / all of them; unknown below 8 words",
		each:    func(_ *Cell, q *event.Request) (any, string) { return repetition(q.Text) }},
	{Name: "text_is_json", wording: true, Kind: Bool, Better: +1, Levels: turns, Source: "client",
		Doc:     "the answer is one valid JSON value, alone or as the only fenced block",
		Formula: "RFC 8259; white space around it does not count; unknown of an answer that is empty or was cut",
		each:    wholly(func(q *event.Request) any { return isJSON(q.Text) }), spoken: spokenJSON},
	{Name: "text_same", wording: true, Kind: Bool, Better: +1, Levels: turns, Source: "client",
		Doc: "the answer is the one that the same turn got the first time it was played, warm-ups included: at " +
			"temperature 0, whether the server is deterministic",
		Formula: "text = text of the first play; unknown the first time; a salt in the message, and earlier answers in a " +
			"live history, make other prompts",
		each: sameText},
}

// latencies are times of one request.
var latencies = []Def{
	{Name: "ttft_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Baseline: true,
		first: true, FromSending: true, Source: "client",
		Shown: Shown{
			Columns: []Column{{Rank: 6, Head: "TTFT p50", Stat: "p50"}, {Rank: 7, Head: "p95", After: "TTFT p95", Stat: "p95"}},
			Line: &Line{Chart: "Time to first token", Label: "TTFT", Color: 1,
				Caption: "Lower is better. Median of the repeats; the band is their range."},
			Box: "TTFT", Tile: &Tile{Name: "TTFT, median", Stat: "p50"}, Delta: &Delta{Rank: 1, Stat: "p50"}, Property: "p50",
			Beside: &Beside{Rank: 1, Head: "TTFT p50", Stat: "p50"},
		},
		Doc: "time to the first token of any channel: answer, reasoning or tool call",
		Formula: "t_1 - sent; role chunks and empty deltas do not count; from client.rtt_floor_ms to this if the read that " +
			"brought it brought other deltas after it; an interval if it holds a load, a wait or something unexplained",
		each: func(_ *Cell, q *event.Request) (any, string) {
			t, why := ttft(q)
			return event.Milliseconds(t), why
		}, limits: ttftLimits},
	{Name: "ttft_answer_ms", wording: true, Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean,
		Baseline: true, first: true, FromSending: true, Source: "client",
		Doc:     "time to the first text of the answer itself",
		Formula: "first answer delta - sent",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if !streamed(q) {
				return nil, noStream
			}
			i := firstAnswer(q)
			if i < 0 {
				return nil, "no answer text arrived"
			}
			t, why := arrived(q, i)
			return event.Milliseconds(t), why
		}, limits: func(c *Cell, q *event.Request) event.Range { return arrivalLimits(c, q, firstAnswer(q)) }},
	{Name: "ttfs_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, first: true,
		FromSending: true,
		Source:      "client",
		Doc:         "time to the first whole sentence of the answer: when a reader, or a voice, can begin",
		Formula: "arrival of the delta that holds its last character - sent; a sentence ends with . ! or ? before white " +
			"space or the end, with 。！？, or with a line break behind a word",
		each: func(_ *Cell, q *event.Request) (any, string) {
			i, why := firstSentence(q)
			if why != "" {
				return nil, why
			}
			t, why := arrived(q, i)
			return event.Milliseconds(t), why
		}, limits: func(c *Cell, q *event.Request) event.Range {
			i, _ := firstSentence(q)
			return arrivalLimits(c, q, i)
		}},
	{Name: "ttfr_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, first: true,
		FromSending: true,
		Source:      "client",
		Doc: "time to the first event with choices, empty or not: what several other tools call TTFT; a diagnostic, " +
			"never a gate",
		Formula: "first event - sent",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.FirstEvent == nil {
				return nil, noStream
			}
			return since(q.Sent, *q.FirstEvent)
		}},
	{Name: "e2e_ms", length: true,
		Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, Baseline: true,
		FromSending: true, Source: "client",
		Doc:     "time until the last token",
		Formula: "t_k - sent; of a reply that was not streamed: end of the exchange - sent",
		each: func(_ *Cell, q *event.Request) (any, string) {
			t, why := lastToken(q)
			if why != "" {
				return nil, why
			}
			return since(q.Sent, t)
		}},
	{Name: "e2e_due_ms", length: true,
		Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean, FromSending: true,
		Source:  "client",
		Doc:     "time until the last token, counted from when the request was due: includes waiting to be sent",
		Formula: "t_k - due",
		each: func(_ *Cell, q *event.Request) (any, string) {
			t, why := lastToken(q)
			if why != "" {
				return nil, why
			}
			return event.Milliseconds(t - q.Due), ""
		}},
	{Name: "connect_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, Fold: Mean, anyway: true, Source: "client",
		Doc:     "time a new connection took (name, TCP, TLS); not part of any other latency",
		Formula: "as measured; unknown if a connection was reused",
		each: func(_ *Cell, q *event.Request) (any, string) {
			switch {
			case q.Connect != nil:
				return event.Milliseconds(*q.Connect), ""
			case q.Err != nil:
				return nil, "no connection was made"
			}
			return nil, reusedConnection
		}},
	{Name: "dispatch_delay_ms", Unit: "ms", Kind: Float, Better: -1, Signed: true, Levels: turns, Fold: Mean, anyway: true,
		Source:  "client",
		Doc:     "how late the client was: a large value makes the client the bottleneck",
		Formula: "sent - due",
		each: func(_ *Cell, q *event.Request) (any, string) {
			if q.Sent == nil {
				return nil, neverSent
			}
			return event.Milliseconds(*q.Sent - q.Due), ""
		}},
}
