package dsl

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Ways of counting tokens that no real tokenizer is further away from.
var counts = map[string]func(string) int{
	"characters":      utf8.RuneCountInString,
	"words":           func(s string) int { return len(strings.Fields(s)) },
	"four characters": func(s string) int { return (len(s) + 3) / 4 },
	"long words are two": func(s string) int {
		n := 0
		for w := range strings.FieldsSeq(s) {
			n += 1 + len(w)/7
		}
		return n
	},
}

func TestSyntheticIsExact(t *testing.T) {
	for name, count := range counts {
		for _, tokens := range []int{1, 2, 7, 100, 1023, 1024, 20_000} {
			calls := 0
			text := syntheticText(3, tokens, func(s string) int { calls++; return count(s) })
			if got := count(text); got != tokens {
				t.Errorf("%s: %d tokens instead of %d", name, got, tokens)
			}
			if !utf8.ValidString(text) {
				t.Errorf("%s: %d tokens: a character was cut", name, tokens)
			}
			if calls > 60 {
				t.Errorf("%s: %d tokens were counted %d times", name, tokens, calls)
			}
		}
	}
}

// TestSyntheticNeverExceeds uses a count that jumps over every odd number.
func TestSyntheticNeverExceeds(t *testing.T) {
	even := func(s string) int { return 2 * len(strings.Fields(s)) }
	if got := even(syntheticText(1, 101, even)); got != 100 {
		t.Errorf("%d tokens, want the 100 below 101", got)
	}
	if got := syntheticText(1, 50, func(string) int { return 0 }); got == "" {
		t.Error("a count that is always 0 must not loop, and gives a text")
	}
	if syntheticText(1, 0, even) != "" || syntheticText(1, -1, even) != "" {
		t.Error("no tokens are no text")
	}
}

func TestSyntheticSeeds(t *testing.T) {
	words := counts["words"]
	a, again, b := syntheticText(1, 3000, words), syntheticText(1, 3000, words), syntheticText(2, 3000, words)
	if a != again {
		t.Error("the same seed gives another text")
	}
	sentences := map[string]bool{}
	for s := range strings.SplitSeq(a, ".") {
		sentences[strings.TrimSpace(s)] = true
	}
	for s := range strings.SplitSeq(b, ".") {
		if s = strings.TrimSpace(s); s != "" && sentences[s] {
			t.Errorf("both texts say %q", s)
		}
	}
	if !strings.HasPrefix(syntheticText(1, 5000, words), a[:len(a)/2]) {
		t.Error("a longer text of one seed starts differently")
	}
	if strings.Count(a, ".") < 150 || strings.Count(a, "\n\n") < 20 {
		t.Errorf("this is no prose: %.200s", a)
	}
}
