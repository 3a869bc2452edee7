package tokens

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"github.com/google/go-cmp/cmp"
)

// The pattern of cl100k_base, as its makers publish it. It is in a group since tiktoken-go
// registers code for the bare one that takes "\n \n" apart and finds nothing in DEL.
var cl100kPattern = regexp2.MustCompile(`(?:(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|`+
	` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)`, regexp2.None)

func wordsByPattern(t *testing.T, text string) []string {
	t.Helper()
	var out []string
	m, err := cl100kPattern.FindStringMatch(text)
	for ; m != nil && err == nil; m, err = cl100kPattern.FindNextMatch(m) {
		out = append(out, m.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wordsOf(text string) []string {
	var out []string
	for text != "" {
		n := firstWord(text)
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

// checkWords compares the scanner with the pattern, and the segments with both.
func checkWords(t *testing.T, text string) {
	t.Helper()
	if got, want := fmt.Sprintf("%q", wordsOf(text)), fmt.Sprintf("%q", wordsByPattern(t, text)); got != want {
		t.Errorf("%q is cut into\n %s, the pattern says\n %s", text, got, want)
	}
	var parts []string
	for rest := text; rest != ""; {
		n := segment(rest)
		parts = append(parts, wordsOf(rest[:n])...)
		rest = rest[n:]
	}
	if got, want := fmt.Sprintf("%q", parts), fmt.Sprintf("%q", wordsOf(text)); got != want {
		t.Errorf("%q by segments:\n %s, whole:\n %s", text, got, want)
	}
}

var wordTexts = []string{
	"The pump's seal isn't tight; they'LL see. I'd've 's",
	"a  b\n\n  c \t\n\nd   ", " 12345 1 2  3", "!!!\r\n\r\n x\n", "x\u00a0y\u3000z", "日本語 と 中文。\n", "é\u0301 ½ ⅷ ٣٤",
	"🙂🙂 a🙂b", "'Sx 'tx 'rex 'x '",
	strings.Repeat("a long line of words ", 80) + "\n  and\nmore", "\n\n\n", "   ", "a\n b\n\nc",
}

func TestWordsAreThoseOfThePattern(t *testing.T) {
	for _, text := range wordTexts {
		checkWords(t, text)
	}
	for _, name := range []string{"prose", "code", "json", "chinese"} {
		checkWords(t, readText(t, name))
	}
}

// What cuts for the tokenisers of Llama 3 and Qwen does as their patterns say.
func TestScannedPatterns(t *testing.T) {
	texts := slices.Clone(wordTexts)
	for _, name := range []string{"prose", "code", "json", "chinese"} {
		texts = append(texts, readText(t, name))
	}
	for expression, digits := range scanned {
		// In a group, for the reason given above.
		re := regexp2.MustCompile("(?:"+expression+")", regexp2.Unicode)
		for _, text := range texts {
			got, err := scan(digits)(text, true)
			if err != nil {
				t.Fatal(err)
			}
			matches, err := re.FindAllStringIndex(text, -1)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, m := range matches {
				want = append(want, text[m[0]:m[1]])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q with %d digits: -pattern +scanner\n%s", text, digits, diff)
			}
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, text := range wordTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		checkWords(t, text)
	})
}

// A growing prompt is counted as if it were new.
func TestEstimateRemembersNothingWrong(t *testing.T) {
	grown := Estimate(VocabularyOf("gemma-3-4b"))
	text := readText(t, "prose") + readText(t, "code") + readText(t, "chinese") + readText(t, "json")
	for end := 1; end <= len(text); end += 97 {
		got, err := grown.Count(text[:end])
		if err != nil {
			t.Fatal(err)
		}
		fresh := Estimate(VocabularyOf("gemma-3-4b"))
		fresh.segment = nil
		whole, err := fresh.Count(text[:end])
		if err != nil {
			t.Fatal(err)
		}
		if got.Tokens != whole.Tokens || math.Abs(got.Spread-whole.Spread) > 1e-9 {
			t.Fatalf("first %d bytes: %v, want %v", end, got, whole)
		}
		if end > 400 {
			end += 400 // building the vocabulary takes 10 ms
		}
	}
}
