package dsl

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"homellm/dsl/syntax"
)

// longestPiece limits the pieces that a text is cut between, in characters. Words are shorter; a text without blanks,
// as in Chinese, is cut inside.
const longestPiece = 24

// pieces cuts a text before each word with the blanks before it, and words that are too long inside. Each piece is
// given by where it ends. Whole says that a word ends there.
func pieces(text string) (ends []int, whole []bool) {
	n := 0
	inWord := false
	for i, r := range text {
		blank := unicode.IsSpace(r)
		if blank && inWord || n == longestPiece {
			ends, whole = append(ends, i), append(whole, blank)
			n = 0
		}
		inWord = !blank
		n++
	}
	if len(text) > 0 {
		ends, whole = append(ends, len(text)), append(whole, true)
	}
	return ends, whole
}

// cutText cuts a text into spans of at most so many tokens, each of which repeats at most overlap tokens of the one
// before it. A span ends at the end of a word, unless a single word is longer than a span. Every character other than
// blanks is in a span. The sizes of the pieces say about where a span ends, since counting every possible span would
// take too long; the count of the span itself decides.
func cutText(text string, tokens, overlap int, count func(string) int) []span {
	ends, whole := pieces(text)
	sums := make([]int, len(ends)+1) // tokens of the pieces before
	start := func(i int) int {
		if i == 0 {
			return 0
		}
		return ends[i-1]
	}
	for i, end := range ends {
		sums[i+1] = sums[i] + count(text[start(i):end])
	}
	var out []span
	for from := 0; from < len(ends); {
		to := from + 1
		for to < len(ends) && sums[to+1]-sums[from] <= tokens {
			to++
		}
		to = wordEnd(whole, from, to)
		size := count(text[start(from):ends[to-1]])
		for size > tokens && to > from+1 {
			to = wordEnd(whole, from, to-1)
			size = count(text[start(from):ends[to-1]])
		}
		at, end := trimmed(text, start(from), ends[to-1])
		if at < end {
			out = append(out, span{at, end, count(text[at:end])})
		}
		if to == len(ends) {
			break
		}
		next := to
		for next > from+1 && sums[to]-sums[next-1] <= overlap {
			next--
		}
		for next < to && !whole[next-1] { // a span begins with a word
			next++
		}
		from = next
	}
	return out
}

// wordEnd moves the end of a span back to the end of a word, if there is one.
func wordEnd(whole []bool, from, to int) int {
	for at := to; at > from; at-- {
		if whole[at-1] {
			return at
		}
	}
	return to
}

// trimmed is a part of a text without the blanks around it.
func trimmed(text string, from, to int) (int, int) {
	for from < to {
		r, n := utf8.DecodeRuneInString(text[from:to])
		if !unicode.IsSpace(r) {
			break
		}
		from += n
	}
	for from < to {
		r, n := utf8.DecodeLastRuneInString(text[from:to])
		if !unicode.IsSpace(r) {
			break
		}
		to -= n
	}
	return from, to
}

// cut cuts the files of a corpus into chunks. A file is cut once for all cells that count alike.
func (p *planner) cut(c *Cell) {
	for _, corpus := range c.Scenario.Corpora {
		for _, f := range corpus.Files {
			key := cutKey{c.Model, f, corpus.Tokens, corpus.Overlap}
			spans, done := p.cuts[key]
			if !done {
				count := func(text string) int { return p.count(c.Model, text).tokens }
				spans = cutText(f.Text, corpus.Tokens, corpus.Overlap, count)
				p.cuts[key] = spans
			}
			for i, s := range spans {
				doc := &Document{ID: chunkID(corpus.ID, len(corpus.Chunks)+1), Source: "chunk", Text: f.Text[s.from:s.to],
					Title: fmt.Sprintf("%s, part %d of %d", f.Name, i+1, len(spans))}
				corpus.Chunks = append(corpus.Chunks, &Chunk{doc, f.Name, s.tokens})
			}
		}
		if n := len(corpus.Chunks); n > maxChunks {
			d := corpus.place
			d.Code, d.Severity = "plan/size", syntax.Error
			d.Message = fmt.Sprintf("corpus %q has %s chunks, and %s are possible", corpus.ID, thousands(n),
				thousands(maxChunks))
			d.Help = "make the chunks larger, or name fewer files"
			p.once(d)
		}
	}
	p.checkChunks(c)
}

// checkChunks reports chunks that steps name and their corpus does not have.
func (p *planner) checkChunks(c *Cell) {
	for _, conversation := range c.Scenario.Conversations {
		for _, step := range conversation.Steps {
			does, ok := step.Do.(chunkNamer)
			if !ok {
				continue
			}
			for _, n := range does.chunkNames() {
				for _, corpus := range c.Scenario.Corpora {
					if corpus.ID != corpusOf(n.chunk) || corpus.chunk(n.chunk) != nil {
						continue
					}
					d := n.at
					d.Code, d.Severity = "plan/chunk", syntax.Error
					d.Message = fmt.Sprintf("corpus %q has no chunk %q", corpus.ID, n.chunk)
					d.Help = fmt.Sprintf("its chunks are %s to %s", chunkID(corpus.ID, 1), chunkID(corpus.ID, len(corpus.Chunks)))
					p.once(d)
				}
			}
		}
	}
}
