package sim

import (
	"hash/fnv"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// noInformation is the simulator's answer if nothing in its context matches the question.
const noInformation = "I have no information on that in my context."

// acknowledged is its answer to a message with documents and no question.
const acknowledged = "I have read it."

// The marks around a document inside a message.
const (
	blockOpen  = "[RETRIEVED INFORMATION"
	blockClose = "[END RETRIEVED INFORMATION]"
)

const (
	documentBoost = 1.5 // weight of a sentence of a document, relative to one in a message
	quoteShare    = 0.6 // a sentence is quoted if it scores at least this share of the best one
	quoteMost     = 3   // sentences quoted at most
)

// sentence is a candidate for the answer.
type sentence struct {
	text     string
	document bool
	words    uint64 // bit set of the question's words that it has
	length   int    // words in it
	score    float64
}

// answer quotes the parts of the conversation that best match its last question: sentences of the documents, of the
// system message, and of earlier user messages. It does not read earlier replies, so what has left the context is
// gone. The search is a small tf-idf: a word counts more if few sentences have it.
func answer(messages []Message) string {
	last := len(messages) - 1
	for last >= 0 && messages[last].Role != "user" {
		last--
	}
	if last < 0 {
		return noInformation
	}
	asked := withoutCalls(outside(messages[last].Content))
	if strings.TrimSpace(asked) == "" {
		return acknowledged
	}
	terms := questionTerms(asked)
	if len(terms) == 0 {
		return noInformation
	}
	var found []sentence
	total := 0
	for i, m := range messages {
		if m.Role == "assistant" {
			continue
		}
		for text, document := range passages(m.Content) {
			if !document && i == last {
				continue
			}
			for s := range sentences(text) {
				if !document && m.Role == "user" && strings.HasSuffix(s, "?") {
					continue // an earlier question is not knowledge
				}
				total++
				if words, n := matches(s, terms); words != 0 {
					found = append(found, sentence{text: s, document: document, words: words, length: n})
				}
			}
		}
	}
	return quote(found, len(terms), total)
}

// quote scores the candidates and joins the best ones, the best first.
func quote(found []sentence, terms, total int) string {
	weight := make([]float64, terms)
	for k := range weight {
		have := 0
		for _, s := range found {
			have += int(s.words >> k & 1)
		}
		weight[k] = math.Log(1 + float64(total)/float64(1+have))
	}
	best := 0.0
	for i := range found {
		s := &found[i]
		n := 0
		for k, w := range weight {
			if s.words>>k&1 == 1 {
				s.score += w
				n++
			}
		}
		if n < min(2, terms) && 2*n < terms {
			s.score = 0 // one word of many is chance
			continue
		}
		s.score /= 1 + 0.01*float64(s.length) // of two that match alike, the shorter one
		if s.document {
			s.score *= documentBoost
		}
		best = max(best, s.score)
	}
	if best == 0 {
		return noInformation
	}
	var b strings.Builder
	quoted := 0
	for least := quoteShare * best; quoted < quoteMost; {
		top := -1
		for i, s := range found {
			if s.score >= least && (top < 0 || s.score > found[top].score) {
				top = i
			}
		}
		if top < 0 {
			break
		}
		if quoted > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.Join(strings.Fields(found[top].text), " "))
		found[top].score = 0
		quoted++
	}
	return b.String()
}

// questionTerms returns the distinct words of a question that carry meaning, 64 at most, by their hash.
func questionTerms(text string) map[uint64]int {
	terms := map[uint64]int{}
	for word := range words(text) {
		if _, stop := stopWords[strings.ToLower(word)]; stop {
			continue
		}
		h := stem(word)
		if _, known := terms[h]; !known && len(terms) < 64 {
			terms[h] = len(terms)
		}
	}
	return terms
}

// matches returns which of the terms a sentence has, and how many words it has.
func matches(s string, terms map[uint64]int) (set uint64, n int) {
	for word := range words(s) {
		n++
		if k, ok := terms[stem(word)]; ok {
			set |= 1 << k
		}
	}
	return set, n
}

// words yields the runs of letters and digits.
func words(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		from := -1
		for i := 0; i < len(s); {
			c, n := classAt(s, i)
			switch wordy := c == letter || c == digit; {
			case wordy && from < 0:
				from = i
			case !wordy && from >= 0:
				if !yield(s[from:i]) {
					return
				}
				from = -1
			}
			i += n
		}
		if from >= 0 {
			yield(s[from:])
		}
	}
}

// suffixes are cut from longer words, so that "bolts" finds "bolt" and "tightened" finds "tighten".
var suffixes = []string{"ing", "ed", "es", "s"}

// stem hashes a word without regard to case and to the commonest endings (FNV-1a).
func stem(word string) uint64 {
	for _, x := range suffixes {
		if len(word) > len(x)+3 && strings.HasSuffix(word, x) {
			word = word[:len(word)-len(x)]
			break
		}
	}
	if len(word) > 4 && word[len(word)-1] == 'e' {
		word = word[:len(word)-1] // "pressures" and "pressure" meet
	}
	h := uint64(14695981039346656037)
	for i := 0; i < len(word); i++ {
		b := word[i]
		switch {
		case 'A' <= b && b <= 'Z':
			b += 'a' - 'A'
		case b >= utf8.RuneSelf:
			f := fnv.New64a()
			_, _ = io.WriteString(f, strings.ToLower(word)) // a hash takes every byte
			return f.Sum64()
		}
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// passages yields the parts of a message and whether each is the inside of a document's block.
func passages(content string) func(yield func(string, bool) bool) {
	return func(yield func(string, bool) bool) {
		for {
			before, rest, ok := strings.Cut(content, blockOpen)
			if before != "" && !yield(before, false) || !ok {
				return
			}
			_, rest, ok = strings.Cut(rest, "]") // the rest of the heading
			if !ok {
				return
			}
			inside, after, _ := strings.Cut(rest, blockClose)
			if !yield(inside, true) {
				return
			}
			content = after
		}
	}
}

// outside returns what a message says outside the blocks.
func outside(content string) string {
	var b strings.Builder
	for text, document := range passages(content) {
		if !document {
			b.WriteString(text)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// sentences yields the sentences of a text, trimmed. A sentence ends with . ! or ? before white space
// that a lower-case letter or a digit does not follow, at an empty line, and before a line that
// begins like a heading, a list or a table.
func sentences(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		from := 0
		for i := 0; i < len(text); i++ {
			switch b := text[i]; {
			case b == '\n' && endsLine(text[i+1:]):
			case (b == '.' || b == '!' || b == '?') && endsSentence(text[i+1:]):
			default:
				continue
			}
			if s := strings.TrimSpace(text[from : i+1]); s != "" && !yield(s) {
				return
			}
			from = i + 1
		}
		if s := strings.TrimSpace(text[from:]); s != "" {
			yield(s)
		}
	}
}

func endsLine(rest string) bool {
	rest = strings.TrimLeft(rest, " \t\r")
	if rest == "" || strings.ContainsRune("\n#|-*•>", firstRune(rest)) {
		return true
	}
	after := strings.TrimLeft(rest, "0123456789")
	return len(after) < len(rest) && (strings.HasPrefix(after, ". ") || strings.HasPrefix(after, ") "))
}

func endsSentence(rest string) bool {
	trimmed := strings.TrimLeft(rest, " \t\r\n\"')”’")
	if trimmed == "" {
		return true
	}
	r := firstRune(trimmed)
	return len(trimmed) < len(rest) && !unicode.IsLower(r) && !unicode.IsDigit(r)
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// stopWords carry no meaning in a question.
var stopWords = func() map[string]struct{} {
	set := map[string]struct{}{}
	for w := range strings.FieldsSeq(`a about according after all also am an and any answer are as ask asked at be been
		briefly but by can context could describe did do does document each exactly explain find for from get give given
		had has have how i if in information into is it its itself just know let list may me mention might more most much
		must my name need no not now of on one only or our please question quote same say says sentence shall she should
		so some state such summarise summarize tell than that the their them then there these they this those to told
		under up us use was we were what when where which who whose why will with would you your`) {
		set[w] = struct{}{}
	}
	return set
}()
