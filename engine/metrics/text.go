package metrics

import (
	"encoding/json"
	"strings"

	"homellm/engine/event"
)

// gram is how many words a sequence has that counts as repeated when it comes again. Shorter ones
// come again in any honest text.
const gram = 4

// repetition is the share of the four-word sequences of a text that it has had before. Case does
// not count. Ordinary prose stays below 0.1; a model that goes in circles approaches 1.
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
		_, rest, _ = strings.Cut(rest, "\n") // the language
		text, ok = strings.CutSuffix(rest, "```")
		if !ok {
			return false
		}
	}
	return json.Valid([]byte(text))
}

// sameText compares the answer with that of the first time the same turn was played, warm-ups
// included.
func sameText(c *Cell, q *event.Request) (any, string) {
	for _, first := range c.Requests {
		if first == q || first.Err != nil || first.Conversation != q.Conversation || first.Step != q.Step ||
			first.Turn != q.Turn {
			continue
		}
		if q.Warmup && !first.Warmup || q.Warmup == first.Warmup && first.Repeat >= q.Repeat {
			continue // played later
		}
		return first.Text == q.Text, ""
	}
	return nil, firstPlay
}
