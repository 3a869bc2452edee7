package tokens

import (
	"fmt"
	"math"
	"strings"
	"sync"
)

// Count is a number of tokens and its confidence.
type Count struct {
	Tokens int
	Confidence
}

// String reads "1204 tokens, exact" or "1204 tokens, estimated ± 5 %".
func (c Count) String() string { return fmt.Sprintf("%d tokens, %s", c.Tokens, c.Confidence) }

// Confidence says how precise a token count is.
type Confidence struct {
	Exact  bool
	Spread float64 // relative half width of the estimate: 0.05 is ± 5 %; 0 if Exact
	Source string  // the counter: "tokenizer.json", "cl100k scaled to gemma"
}

// String reads "exact" or "estimated ± 5 %".
func (c Confidence) String() string {
	if c.Exact {
		return "exact"
	}
	return fmt.Sprintf("estimated ± %.0f %%", math.Ceil(c.Spread*100))
}

// Add adds counts of parts of one text. The sum is exact only if both are. The spread is weighted by size, because
// the parts of one text err in the same direction.
func (c Count) Add(d Count) Count {
	if c.Tokens == 0 {
		return d
	}
	if d.Tokens == 0 {
		return c
	}
	both := Confidence{Exact: c.Exact && d.Exact, Source: c.Source}
	sum := Count{Tokens: c.Tokens + d.Tokens, Confidence: both}
	if d.Tokens > c.Tokens {
		sum.Source = d.Source
	}
	sum.Spread = (c.Spread*float64(c.Tokens) + d.Spread*float64(d.Tokens)) / float64(sum.Tokens)
	return sum
}

// Counter counts the tokens of texts for one model. It is safe for concurrent use.
type Counter struct {
	tokens     func(text string) (counted, error)
	special    bool                  // tokens handles special tokens
	segment    func(text string) int // length of the first part that can be counted separately; nil: the whole
	confidence Confidence

	mu   sync.Mutex
	seen map[string]counted // parts that were counted before
	held int                // bytes of them

	long sync.Mutex
	last Sums[counted] // of the last long text
}

// counted is the count of one text.
type counted struct {
	tokens  float64
	foreign float64 // of those, tokens of words that are not ASCII
}

// A plan counts the same texts again and again: every turn after an injection has the document. The cache is cleared
// when it is full, which bounds it without bookkeeping on every hit.
const (
	seenLimit = 1 << 14 // parts
	heldLimit = 8 << 20 // bytes of them
)

// longText is the length in bytes from which a text may be a prompt that begins like the last one.
const longText = 4 << 10

func newCounter(tokens func(string) (counted, error), c Confidence) *Counter {
	return &Counter{tokens: tokens, confidence: c, seen: map[string]counted{}}
}

// Estimate counts for a model whose vocabulary is not available: in tokens of cl100k_base, which is embedded in the
// program, with each class of text scaled by v. The first call of [Counter.Count] builds the vocabulary (about 10
// ms).
func Estimate(v Vocabulary) *Counter {
	vocabulary := newCL100K()
	tokens := func(text string) (counted, error) {
		n, err := vocabulary.count(text)
		foreign := v.Foreign * float64(n.foreign)
		known := v.Words*float64(n.words) + v.Marks*float64(n.marks) + float64(n.digits+splitDigits(text, v.Digits))
		return counted{foreign + known, foreign}, err
	}
	c := newCounter(tokens, Confidence{Spread: v.Spread, Source: "cl100k scaled to " + v.Name})
	c.segment = segment
	return c
}

// foreignSpread widens an estimate for words outside ASCII, where vocabularies differ most: scripts differ by up to
// 60 % within one vocabulary (measured over 289 texts in 12 scripts).
const foreignSpread = 0.60

// Count returns the number of tokens of text, with special tokens taken as ordinary text; to count a prompt with its
// special tokens, cut it at those first.
func (c *Counter) Count(text string) (Count, error) {
	t, err := c.countParts(text)
	if err != nil {
		return Count{}, err
	}
	out := Count{Tokens: int(math.Round(t.tokens)), Confidence: c.confidence}
	if !out.Exact && t.foreign > 0 {
		out.Spread += (foreignSpread - out.Spread) * t.foreign / t.tokens
	}
	return out, nil
}

// countParts counts a text part by part: parts are cached, and the prefix that it shares with the last text is
// skipped.
func (c *Counter) countParts(text string) (counted, error) {
	if c.segment == nil {
		return c.part(text)
	}
	sums := new(Sums[counted])
	if len(text) >= longText {
		c.long.Lock()
		defer c.long.Unlock()
		sums = &c.last
	}
	const ahead = 1 // segment reads one byte after a part
	return sums.Over(text, ahead, func(rest string, sum counted) (int, counted, error) {
		n := c.segment(rest)
		part, err := c.part(rest[:n])
		return n, counted{sum.tokens + part.tokens, sum.foreign + part.foreign}, err
	})
}

func (c *Counter) part(text string) (counted, error) {
	c.mu.Lock()
	t, ok := c.seen[text]
	c.mu.Unlock()
	if ok {
		return t, nil
	}
	t, err := c.tokens(text)
	if err != nil {
		return counted{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.seen) >= seenLimit || c.held+len(text) > heldLimit {
		clear(c.seen)
		c.held = 0
	}
	c.held += len(text)
	c.seen[strings.Clone(text)] = t
	return t, nil
}

// KnowsSpecial says whether the counter counts a special token in a text as one token.
func (c *Counter) KnowsSpecial() bool { return c.special }

// Confidence is the confidence of the counts.
func (c *Counter) Confidence() Confidence { return c.confidence }

// splitDigits is the number of additional tokens of text if a token holds at most size digits, and not cl100k's
// three.
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
