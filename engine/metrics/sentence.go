package metrics

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"homellm/engine/event"
)

// firstSentence is the index of the chunk that holds the last character of the answer's first
// sentence.
func firstSentence(q *event.Request) (int, string) {
	if q.Sent == nil {
		return -1, neverSent
	}
	if !streamed(q) {
		return -1, noStream
	}
	end := sentenceEnd(q.Text)
	if end < 0 {
		return -1, "the answer holds no whole sentence"
	}
	have := 0
	for i, c := range q.Chunks {
		if !answers(c) {
			continue
		}
		if have += c.Bytes; have >= end {
			return i, ""
		}
	}
	return -1, "the chunks do not add up to the answer"
}

// sentenceEnd is the number of bytes up to the end of the first sentence, or -1. A sentence ends with one of . ! ?
// (and the closing quotes and brackets that follow) before white space or the end of the text, with 。！？ anywhere, or
// with a line break after a word. The dot of a list number such as "1. " at the start of a line does not end a
// sentence.
func sentenceEnd(text string) int {
	word, letters, bare := false, false, true // what the current line holds: a letter or digit; a letter; only digits
	for i, r := range text {
		switch {
		case unicode.IsLetter(r):
			word, letters = true, true
		case unicode.IsDigit(r):
			word = true
		case r == '\n' && word:
			return i + 1
		case r == '\n':
			letters, bare = false, true
		case strings.ContainsRune("。！？", r) && word:
			return i + utf8.RuneLen(r)
		case strings.ContainsRune(".!?", r) && word:
			end := i + 1 + closers(text[i+1:])
			next, _ := utf8.DecodeRuneInString(text[end:])
			listNumber := r == '.' && !letters && bare && next == ' '
			if !listNumber && (end == len(text) || unicode.IsSpace(next)) {
				return end
			}
		case !unicode.IsSpace(r) && word:
			bare = false
		}
	}
	return -1
}

// closers is the number of bytes at the start of text that still belong to a sentence's end.
func closers(text string) int {
	for i, r := range text {
		if !strings.ContainsRune(`.!?"')]}*_”’»`, r) {
			return i
		}
	}
	return len(text)
}
