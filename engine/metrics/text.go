package metrics

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"homellm/engine/event"
)

// gram is the number of words in a sequence that counts as repetition when it occurs again. Shorter sequences recur
// in any text.
const gram = 4

// mostGrams is how many sequences of a long text are compared at a time; their hashes take 2 MiB.
const mostGrams = 1 << 18

// repetition is the share of four-word sequences in a text that have occurred in it before, ignoring case. Ordinary
// prose stays below 0.1; a model that repeats itself endlessly approaches 1.
func repetition(text string) (any, string) {
	words := 0
	for range strings.FieldsSeq(text) {
		words++
	}
	if words < 2*gram {
		return nil, tooShort
	}
	total, different := words-gram+1, 0
	shares := uint64(total/mostGrams + 1)
	seen := make([]uint64, 0, min(total, mostGrams))
	for share := range shares {
		seen = seen[:0]
		for h := range grams(text) {
			if h%shares == share {
				seen = append(seen, h)
			}
		}
		slices.Sort(seen)
		different += len(slices.Compact(seen))
	}
	return float64(total-different) / float64(total), ""
}

// grams returns 64-bit hashes of the four-word sequences in a text, ignoring case.
func grams(text string) iter.Seq[uint64] {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a, over words and over sequences of them
	return func(yield func(uint64) bool) {
		var last [gram]uint64
		n := 0
		for word := range strings.FieldsSeq(text) {
			h := uint64(offset)
			for _, b := range []byte(strings.ToLower(word)) {
				h = (h ^ uint64(b)) * prime
			}
			copy(last[:], last[1:])
			last[gram-1] = h
			if n++; n < gram {
				continue
			}
			all := uint64(offset)
			for _, h := range last {
				for ; h > 0; h >>= 8 {
					all = (all ^ h&0xff) * prime
				}
			}
			if !yield(all) {
				return
			}
		}
	}
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
	for _, first := range c.indexed().same[turnOf{q.Conversation, q.Step, q.Item, q.Turn}] {
		if first == q || first.Err != nil {
			continue
		}
		if q.Warmup && !first.Warmup || q.Warmup == first.Warmup && (first.Repeat > q.Repeat ||
			first.Repeat == q.Repeat && first.Play >= q.Play) {
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
