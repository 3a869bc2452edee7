package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"homellm/engine/event"
)

// gram is the number of words in a sequence that counts as repetition when it occurs again. Shorter sequences recur
// in any text.
const gram = 4

// repetition is the share of four-word sequences in a text that have occurred in it before, ignoring case. Ordinary
// prose stays below 0.1; a model that repeats itself endlessly approaches 1.
func repetition(text string) (any, string) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) < 2*gram {
		return nil, tooShort
	}
	seen := map[string]bool{}
	total := len(words) - gram + 1
	for i := range total {
		seen[strings.Join(words[i:i+gram], " ")] = true
	}
	return float64(total-len(seen)) / float64(total), ""
}

// isJSON says whether a text is one JSON value, alone or in one fenced block with nothing around it.
func isJSON(text string) bool {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "```"); ok {
		_, rest, _ = strings.Cut(rest, "\n") // the language of the fence
		text, ok = strings.CutSuffix(rest, "```")
		if !ok {
			return false
		}
	}
	return json.Valid([]byte(text))
}

// sameText compares the answer with that of the first play of the same turn, warm-ups included.
func sameText(c *Cell, q *event.Request) (any, string) {
	for _, first := range c.indexed().same[turnOf{q.Conversation, q.Step, q.Turn}] {
		if first == q || first.Err != nil {
			continue
		}
		if q.Warmup && !first.Warmup || q.Warmup == first.Warmup && first.Repeat >= q.Repeat {
			continue // played later
		}
		return first.Text == q.Text, ""
	}
	return nil, firstPlay
}

// incomplete says why an answer is incomplete, so that what it lacks might have followed. It is "" for an answer that
// the model ended and that has text.
func incomplete(q *event.Request) (why string) {
	switch empty := strings.TrimSpace(q.Text) == ""; {
	case q.Finish == "":
		return "the server gave no finish reason, so the answer may have been cut"
	case !endsByModel(q) && empty:
		return fmt.Sprintf("the reply was cut before its answer began (finish reason %q)", q.Finish)
	case !endsByModel(q) && strings.EqualFold(q.Finish, completed):
		return fmt.Sprintf("the answer is as long as max_tokens allows, so it may have been cut (finish reason %q)", q.Finish)
	case !endsByModel(q):
		return fmt.Sprintf("the answer was cut (finish reason %q)", q.Finish)
	case empty && q.Reasoning != "":
		return "the reply is reasoning alone, and its answer is empty"
	case empty && q.Tools != "":
		return "the reply is a tool call alone, and its answer is empty"
	case empty:
		return "the answer is empty"
	}
	return ""
}

// wholly marks a metric of complete answers.
func wholly(of func(*event.Request) any) func(*Cell, *event.Request) (any, string) {
	return func(_ *Cell, q *event.Request) (any, string) {
		if why := incomplete(q); why != "" {
			return nil, why
		}
		return of(q), ""
	}
}

// spokenText is what is known of the text of an incomplete answer.
func spokenText(q *event.Request, v *Value) { v.SoFar = q.Text }

// spokenLength is what is known of the length of an incomplete answer.
func spokenLength(q *event.Request, v *Value) {
	n := utf8.RuneCountInString(q.Text)
	v.SoFar, v.Range = n, &event.Range{Low: float64(n), High: math.Inf(1)}
}

// spokenJSON says whether the part of an answer that came is JSON.
func spokenJSON(q *event.Request, v *Value) { v.SoFar = isJSON(q.Text) }
