package tokens

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// A text is summed as if no other had been, whatever was summed before.
func TestSumsAreThoseOfTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	c := Estimate(VocabularyOf("qwen2.5-3b"))
	last := readText(t, "prose") + readText(t, "code")
	for i := range 300 {
		text := last[:random.IntN(len(last)+1)]
		if random.IntN(3) > 0 {
			text += strings.Repeat("\n", random.IntN(3)) + readText(t, []string{"json", "chinese", "prose"}[random.IntN(3)])
		}
		want, err := Estimate(VocabularyOf("qwen2.5-3b")).Count(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Count(text); err != nil || got != want {
			t.Fatalf("text %d of %d bytes: %+v, %v; want %+v", i, len(text), got, err, want)
		}
		if len(text) > longText {
			last = text
		}
		if len(last) > 40_000 {
			last = last[:20_000]
		}
	}
}

// A different text of the same length as a part of the last one is counted again.
func TestSumsAreNotOfAnotherText(t *testing.T) {
	var s Sums[int]
	lengths := func(rest string, sum int) (int, int, error) { return segment(rest), sum + int(rest[0]), nil }
	first, second, other := line("f"), line("s"), line("o")
	for _, text := range []string{first + second, other, first, first + other} {
		got, err := s.Over(text, 1, lengths)
		var fresh Sums[int]
		if want, _ := fresh.Over(text, 1, lengths); err != nil || got != want {
			t.Errorf("%.1q: %d, %v; want %d", text, got, err, want)
		}
	}
}

func line(of string) string { return strings.Repeat(of, longText) + "\n" }

// What a conversation of a thousand turns had before is not looked at again.
func TestSumsLookAtWhatIsNew(t *testing.T) {
	var s Sums[int]
	var text strings.Builder
	looked := 0
	for i := range 1000 {
		text.WriteString("question and answer of some length\n")
		short := "a reply in between\n"
		if n, err := s.Over(short, 1, func(rest string, sum int) (int, int, error) { return len(rest), 1, nil }); n != 1 {
			t.Fatalf("a short text: %d, %v", n, err)
		}
		for _, cut := range []int{text.Len(), text.Len() - 20} { // as a prompt, and what of it was seen
			lines, err := s.Over(text.String()[:cut], 1, func(rest string, sum int) (int, int, error) {
				n := segment(rest)
				looked += n
				return n, sum + 1, nil
			})
			if err != nil || lines != i+1 {
				t.Fatalf("%d lines, %v; want %d", lines, err, i+1)
			}
		}
	}
	if most := 4*text.Len() + longText*longText/20; looked > most {
		t.Errorf("%d bytes were looked at for a text of %d, want at most %d", looked, text.Len(), most)
	}
}
