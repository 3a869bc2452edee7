package dsl

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// wordTokens counts a word as one token, and each further eight characters of it as one more.
func wordTokens(text string) (n int) {
	for w := range strings.FieldsSeq(text) {
		n += 1 + utf8.RuneCountInString(w)/8
	}
	return n
}

func TestCutText(t *testing.T) {
	for name, text := range map[string]string{
		"prose":        strings.Repeat("The pump in the cellar has to be bled before the winter comes.\n\n", 30),
		"one word":     "pump",
		"a long word":  strings.Repeat("x", 5000),
		"no blanks":    strings.Repeat("泵房里的水泵必须在冬天之前排气", 200),
		"lists":        strings.Repeat("- a\n  - b\n", 300),
		"blank ends":   "\n\n  The pump.  \n\n",
		"mixed widths": strings.Repeat("Die Kellerpumpe entlüften, 泵房里的水泵。 ", 100),
	} {
		for _, size := range []struct{ tokens, overlap int }{{16, 0}, {16, 8}, {40, 10}, {1000, 500}} {
			spans := cutText(text, size.tokens, size.overlap, wordTokens)
			if len(spans) == 0 {
				t.Fatalf("%s: no chunk", name)
			}
			for i, s := range spans {
				got := text[s.from:s.to]
				if n := wordTokens(got); n != s.tokens || n > size.tokens {
					t.Errorf("%s, %v: chunk %d has %d tokens, and says %d", name, size, i, n, s.tokens)
				}
				if !utf8.ValidString(got) || strings.TrimSpace(got) != got || got == "" {
					t.Errorf("%s, %v: chunk %d is %q", name, size, i, got)
				}
				if i == 0 {
					continue
				}
				last := spans[i-1]
				if s.from <= last.from || s.to <= last.to {
					t.Fatalf("%s, %v: chunk %d does not go on from the one before", name, size, i)
				}
				if s.from > last.to && strings.TrimSpace(text[last.to:s.from]) != "" {
					t.Errorf("%s, %v: %q is in no chunk", name, size, text[last.to:s.from])
				}
				if s.from < last.to && wordTokens(text[s.from:last.to]) > size.overlap {
					t.Errorf("%s, %v: chunk %d repeats %q", name, size, i, text[s.from:last.to])
				}
			}
			if first, last := spans[0], spans[len(spans)-1]; strings.TrimSpace(text[:first.from]+text[last.to:]) != "" {
				t.Errorf("%s, %v: the ends are in no chunk", name, size)
			}
		}
	}
	spans := cutText(strings.Repeat("one two three four ", 40), 16, 4, wordTokens)
	for i, s := range spans[1:] {
		if overlap := spans[i].to - s.from; overlap <= 0 {
			t.Errorf("chunk %d repeats nothing of the one before", i+1)
		}
	}
	text := strings.Repeat("The cellar pump. ", 100)
	for _, s := range cutText(text, 20, 5, wordTokens) {
		if before, _ := utf8.DecodeLastRuneInString(text[:s.from]); s.from > 0 && !unicode.IsSpace(before) {
			t.Errorf("a chunk begins inside a word: %q", text[s.from:s.to])
		}
	}
}
