package text

import "testing"

// Whatever turns, hides or steers text is shown as what it is, everywhere in the same way.
func TestActs(t *testing.T) {
	for r, want := range map[rune]string{
		'\x1b': `\x1b`, '\u0085': `\x85`, '\u00ad': `\xad`, '\u200e': `\u200e`, '\u2028': `\u2028`, '\u202e': `\u202e`,
		'\ufeff': `\ufeff`, '\U000e0041': `\U000e0041`,
	} {
		if !Acts(r) || Visible(r) != want {
			t.Errorf("%q: acts %v, shown as %s, want %s", r, Acts(r), Visible(r), want)
		}
	}
	for _, r := range "aé漢 \u00a0😀" {
		if Acts(r) {
			t.Errorf("%q acts", r)
		}
	}
}

func TestPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0 turns", 1: "1 turn", 2: "2 turns", 1000: "1,000 turns", -3: "-3 turns"} {
		if got := Plural(n, "turn"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
