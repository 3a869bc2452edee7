package sim

import (
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"
)

// reply is the simulator's reply, decided before the first token is due.
type reply struct {
	tokens    []Token   // everything sampled, including the token that ends a natural reply
	texts     []string  // what each token adds to the text on the wire; empty for the end token
	reasoning int       // how many of the first tokens are reasoning
	thought   string    // all text of the reasoning channel
	text      string    // all text of the answer
	finish    string    // "stop", "length" or "tool_calls"
	calls     []Call    // those that have begun by the end of the reply
	parts     [][]piece // the content of each token, if there are calls
	stop      any       // the stop string or token that ended it, or nil
	limit     int       // the most tokens it may have
}

// sampling is the part of a request that decides how long a reply gets.
type sampling struct {
	MaxTokens   int // at least 1
	MinTokens   int
	IgnoreEOS   bool
	Stop        []string
	StopTokens  []Token
	IncludeStop bool
	Seed        int64
}

// compose makes the reply: reasoning, then text, then neutral sentences if more tokens are requested. Padding depends
// only on the seed, the request's seed and key, so that equal requests get equal text.
func compose(seed uint64, key, text string, reasoning int, p sampling) *reply {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // a hash takes every byte
	rng := rand.New(rand.NewPCG(seed^uint64(p.Seed), h.Sum64()))
	thought := []Token{}
	for len(thought) < reasoning {
		thought = appendTokens(thought, padding(rng, len(thought) == 0))
	}
	thought = thought[:min(reasoning, p.MaxTokens)]

	out := tokenize(text)
	least := max(0, p.MinTokens-len(thought))
	if p.IgnoreEOS {
		least = p.MaxTokens - len(thought)
	}
	for len(out) < least {
		out = appendTokens(out, padding(rng, len(out) == 0))
	}
	r := &reply{reasoning: len(thought), finish: "stop", limit: p.MaxTokens}
	room := p.MaxTokens - len(thought)
	if p.IgnoreEOS || len(out) >= room {
		out, r.finish = out[:room], "length"
	} else {
		out = append(out, endOfText)
	}
	r.tokens = slices.Concat(thought, out)
	r.cut(p)
	return r
}

// cut ends the reply at the first stop string or stop token and lays out the text of each token. While
// a stop string may still be completed, the text that could be its beginning is held back, as vLLM does.
func (r *reply) cut(p sampling) {
	var all strings.Builder
	ends := make([]int, len(r.tokens)) // of the answer's text, after each token
	longest := 1
	for _, s := range p.Stop {
		longest = max(longest, len(s))
	}
	hold := longest - 1
	if p.IncludeStop {
		hold = 0
	}
	visible := -1 // bytes of the answer that are shown; all if negative
	for i, t := range r.tokens {
		text, _ := t.Text()
		switch {
		case i < r.reasoning:
			r.thought += text
			continue
		case i == len(r.tokens)-1 && t == endOfText && r.finish == "stop":
			text = ""
		}
		before := all.Len()
		all.WriteString(text)
		ends[i] = all.Len()
		if i+1 < p.MinTokens {
			continue
		}
		if slices.Contains(p.StopTokens, t) {
			visible, r.stop = before, t
			if p.IncludeStop {
				visible = all.Len()
			}
		} else if from, s := firstStop(all.String(), max(0, before-longest+1), p.Stop); s != "" {
			visible, r.stop = from, s
			if p.IncludeStop {
				visible = from + len(s)
			}
		}
		if r.stop != nil {
			r.finish = "stop"
			r.tokens, ends = r.tokens[:i+1], ends[:i+1]
			break
		}
	}
	r.text = all.String()
	if visible >= 0 {
		r.text = r.text[:visible]
	}
	r.layOut(ends, hold)
}

// layOut gives each token its piece of the text. The last bytes of the text so far, as many as hold, wait
// for the next token.
func (r *reply) layOut(ends []int, hold int) {
	r.texts = make([]string, len(r.tokens))
	shown := 0
	for i := range r.tokens {
		if i < r.reasoning {
			r.texts[i], _ = r.tokens[i].Text()
			continue
		}
		to := min(max(shown, ends[i]-hold), len(r.text))
		if i == len(r.tokens)-1 {
			to = len(r.text)
		}
		for to > shown && to < len(r.text) && !utf8.RuneStart(r.text[to]) {
			to--
		}
		r.texts[i] = r.text[shown:to]
		shown = to
	}
}

// firstStop returns the first position at or after from at which a stop string begins.
func firstStop(text string, from int, stops []string) (int, string) {
	at, found := -1, ""
	for _, s := range stops {
		if i := strings.Index(text[from:], s); s != "" && i >= 0 && (at < 0 || from+i < at) {
			at, found = from+i, s
		}
	}
	return at, found
}

// padding returns one neutral sentence, with the space before it unless it opens the text.
func padding(rng *rand.Rand, opens bool) string {
	s := neutral[rng.IntN(len(neutral))]
	if opens {
		return s
	}
	return " " + s
}

// neutral are sentences that hold no fact and no number, so that padding never answers a question.
var neutral = []string{
	"There is nothing further to add to this point.",
	"The rest follows from what was said before.",
	"This holds as long as nothing else changes.",
	"It is best to go through it step by step.",
	"Each part can be looked at on its own.",
	"The order matters less than it may seem.",
	"Some care is needed in practice, as always.",
	"In most cases the simple way is good enough.",
	"A second look rarely hurts and often helps.",
	"What remains is a matter of taste.",
	"The same idea applies elsewhere as well.",
	"Nothing here depends on anything unusual.",
	"One could put it in other words, too.",
	"The main thing is to keep it consistent.",
	"It helps to write down what was done.",
	"Small differences are to be expected here.",
	"That is the short form of a longer story.",
	"If in doubt, start again from the beginning.",
	"The details vary from one case to another.",
	"Taken together, this gives a clear picture.",
	"Patience pays off more often than not.",
	"Everything else stays as it is for now.",
	"This much can be said with some confidence.",
	"Further remarks would only repeat the above.",
}

// stopReason renders the field stop_reason.
func (r *reply) stopReason() json.RawMessage {
	if r.stop == nil {
		return json.RawMessage("null")
	}
	return encode(r.stop)
}
