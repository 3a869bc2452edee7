package model

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"unicode/utf8"
)

// Count is a number of tokens and how well it is known.
type Count struct {
	Tokens int
	Confidence
}

// String reads "1204 tokens, exact" or "1204 tokens, estimated ± 5 %".
func (c Count) String() string { return fmt.Sprintf("%d tokens, %s", c.Tokens, c.Confidence) }

// Confidence says how well a token count is known.
type Confidence struct {
	Exact  bool
	Spread float64 // half width of the estimate, as a share of it: 0.05 is ± 5 %; 0 where Exact
	Source string  // what counted: "tokenizer.json", "cl100k × 1.17", "server"
}

// String reads "exact" or "estimated ± 5 %".
func (c Confidence) String() string {
	if c.Exact {
		return "exact"
	}
	return fmt.Sprintf("estimated ± %.0f %%", math.Ceil(c.Spread*100))
}

// Add sums counts of parts of one text. The sum is exact only where both are; the spread is
// weighted by size, since the parts of one text err in the same direction.
func (c Count) Add(d Count) Count {
	if c.Tokens == 0 {
		return d
	}
	if d.Tokens == 0 {
		return c
	}
	sum := Count{Tokens: c.Tokens + d.Tokens, Confidence: Confidence{Exact: c.Exact && d.Exact, Source: c.Source}}
	if d.Tokens > c.Tokens {
		sum.Source = d.Source
	}
	sum.Spread = (c.Spread*float64(c.Tokens) + d.Spread*float64(d.Tokens)) / float64(sum.Tokens)
	return sum
}

// Counter counts the tokens of texts for one model. It is safe for concurrent use.
type Counter struct {
	tokens  func(text string) (int, error) // before any scaling
	special bool                           // tokens knows special tokens itself
	segment func(text string) int          // length of the first part that is counted on its own; nil: the whole

	mu         sync.Mutex
	seen       map[string]counted // parts of texts met before
	confidence Confidence
	factor     float64
	raw, told  float64 // sums over observed texts, for calibration
	residual   float64 // largest relative error of one observed text under the factor of its time
	observed   int
}

// counted is what is known about one text whatever the factor.
type counted struct {
	tokens         int
	foreign, runes int // characters that are not ASCII, and all
}

// Texts are counted again and again while a plan is made: the same document stands in every turn
// after it was injected. The memory is dropped whole when it is full, which keeps it bounded
// without bookkeeping on every hit.
const seenLimit = 1 << 14

func newCounter(tokens func(string) (int, error), factor float64, c Confidence) *Counter {
	return &Counter{tokens: tokens, factor: factor, confidence: c, seen: map[string]counted{}}
}

// Estimate counts for a model whose vocabulary is not at hand: as tokens of cl100k_base, which is
// embedded in the program, scaled by what v says about the model's own. The vocabulary (about
// 10 ms) is built at the first call of [Counter.Count], not before.
func Estimate(v Vocabulary) *Counter {
	vocabulary := newCL100K()
	tokens := func(text string) (int, error) {
		n, err := vocabulary.count(text)
		return n + splitDigits(text, v.Digits), err
	}
	c := newCounter(tokens, v.Factor, Confidence{Spread: v.Spread, Source: fmt.Sprintf("cl100k × %.2f", v.Factor)})
	c.segment = segment
	return c
}

// foreignSpread widens an estimate for text outside ASCII, where vocabularies differ most: the
// count of Llama 3 lies 0 to 23 %, that of Gemma 2 up to 45 % below the estimate for Chinese
// (measured over the documentation of Go modules and of vim, and the texts of this package's tests).
const foreignSpread = 0.35

// Count returns how many tokens text is, special tokens taken as ordinary text; to count a
// prompt with its special tokens use [Template.Count].
func (c *Counter) Count(text string) (Count, error) {
	t, err := c.look(text)
	if err != nil {
		return Count{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Count{Tokens: int(math.Round(float64(t.tokens) * c.factor)), Confidence: c.confidence}
	if !out.Exact {
		out.Spread += foreignSpread * float64(t.foreign) / float64(max(1, t.runes))
	}
	return out, nil
}

// look counts a text part by part: what a prompt shares with the ones before is remembered.
func (c *Counter) look(text string) (counted, error) {
	var sum counted
	for text != "" {
		n := len(text)
		if c.segment != nil {
			n = c.segment(text)
		}
		part, err := c.part(text[:n])
		if err != nil {
			return counted{}, err
		}
		sum.tokens += part.tokens
		sum.foreign += part.foreign
		sum.runes += part.runes
		text = text[n:]
	}
	return sum, nil
}

func (c *Counter) part(text string) (counted, error) {
	c.mu.Lock()
	t, ok := c.seen[text]
	c.mu.Unlock()
	if ok {
		return t, nil
	}
	n, err := c.tokens(text)
	if err != nil {
		return counted{}, err
	}
	t = counted{tokens: n}
	for _, r := range text {
		t.runes++
		if r >= utf8.RuneSelf {
			t.foreign++
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) >= seenLimit {
		clear(c.seen)
	}
	c.seen[strings.Clone(text)] = t
	return t, nil
}

// Confidence says how far the counts can be trusted now; calibration narrows it.
func (c *Counter) Confidence() Confidence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.confidence
}

// Observe calibrates an estimate with a count that is known: the server said that text is told
// tokens. Special tokens must not be in either. It changes nothing about exact counts.
//
// The factor is the ratio of sums over everything observed, so long texts weigh more than short
// ones. The spread is the largest error met and never below 2 %, since texts still to come may
// differ from those seen.
func (c *Counter) Observe(text string, told int) error {
	if told <= 0 || text == "" || c.Confidence().Exact {
		return nil
	}
	t, err := c.look(text)
	if err != nil || t.tokens == 0 {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw += float64(t.tokens)
	c.told += float64(told)
	c.observed++
	c.factor = c.told / c.raw
	off := math.Abs(float64(t.tokens)*c.factor-float64(told)) / float64(told)
	c.residual = max(c.residual, off)
	const floor = 0.02
	c.confidence.Spread = max(floor, c.residual)
	c.confidence.Source = fmt.Sprintf("cl100k × %.2f, calibrated on %d texts", c.factor, c.observed)
	return nil
}

// splitDigits is how many tokens more text is where a token holds at most size digits, rather
// than the three of cl100k.
func splitDigits(text string, size int) int {
	const ours = 3
	if size >= ours || size < 1 {
		return 0
	}
	extra, run := 0, 0
	for i := range len(text) + 1 {
		if i < len(text) && text[i] >= '0' && text[i] <= '9' {
			run++
			continue
		}
		if run > 0 {
			extra += (run+size-1)/size - (run+ours-1)/ours
			run = 0
		}
	}
	return extra
}
