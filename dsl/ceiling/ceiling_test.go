package ceiling

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"
)

func TestTokens(t *testing.T) {
	for _, c := range []struct{ common, prompt, block, want int }{
		{0, 100, 16, 0},
		{15, 100, 16, 0},
		{16, 100, 16, 16},
		{47, 100, 16, 32},
		{32, 32, 16, 16}, // the last token of a prompt is always computed, and with it its block
		{33, 33, 16, 32},
		{32, 33, 16, 32},
		{50, 50, 1, 49},
		{50, 60, 1, 50},
		{50, 60, 0, 50}, // a block size that is not known is one token
		{0, 0, 16, 0},
	} {
		if got := Tokens(c.common, c.prompt, c.block); got != c.want {
			t.Errorf("%d common tokens of a prompt of %d in blocks of %d: got %d, want %d", c.common, c.prompt, c.block, got,
				c.want)
		}
	}
}

// blocks is a cache as the engines with paged caches have it: it keeps every full block by the tokens
// up to its end, and computes the last token of every prompt.
type blocks struct {
	size int
	kept map[string]bool
}

// take plays one prompt and returns how many of its tokens the cache served.
func (b *blocks) take(prompt []int) int {
	served := 0
	for end := b.size; end < len(prompt) && b.kept[fmt.Sprint(prompt[:end])]; end += b.size {
		served = end
	}
	for end := b.size; end <= len(prompt); end += b.size {
		b.kept[fmt.Sprint(prompt[:end])] = true
	}
	return served
}

// TestTokensAreThoseOfAPagedCache plays random prompts, most of which begin like an earlier one, and compares the
// ceiling of each with what a cache without eviction serves.
func TestTokensAreThoseOfAPagedCache(t *testing.T) {
	served := 0
	property := func(seed uint64) bool {
		random := rand.New(rand.NewPCG(seed, 1))
		cache := blocks{size: 1 + random.IntN(5), kept: map[string]bool{}}
		var earlier [][]int
		var seen Seen[int]
		for range 12 {
			var prompt []int
			if len(earlier) > 0 && random.IntN(4) > 0 {
				one := earlier[random.IntN(len(earlier))]
				prompt = slices.Clone(one[:random.IntN(len(one)+1)])
			}
			for range random.IntN(9) {
				prompt = append(prompt, random.IntN(3))
			}
			got := Tokens(seen.Longest(prompt), len(prompt), cache.size)
			want := cache.take(prompt)
			if got != want {
				t.Logf("%v after %v in blocks of %d: %d tokens, and the cache serves %d", prompt, earlier, cache.size, got, want)
				return false
			}
			served += want
			earlier = append(earlier, prompt)
			seen.Add(prompt)
		}
		return true
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 500}); err != nil {
		t.Error(err)
	}
	if served == 0 {
		t.Error("the cache has served nothing: the prompts do not begin alike")
	}
}

// TestTokensAreBounded checks properties of every ceiling.
func TestTokensAreBounded(t *testing.T) {
	property := func(common, prompt uint16, block uint8) bool {
		n := Tokens(int(common), int(prompt), int(block))
		return n >= 0 && n <= max(0, int(prompt)-1) && n <= int(common) &&
			n%max(1, int(block)) == 0 &&
			n <= Tokens(int(common)+1, int(prompt), int(block)) &&
			n <= Tokens(int(common), int(prompt)+1, int(block)) &&
			n <= Tokens(int(common), int(prompt), 1)
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

func TestCommonTextKeepsCharactersWhole(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abd", 2}, {"aä", "aö", 1}, {"abc", "abc", 3}, {"ab", "abc", 2}, {"a", "aä", 1}} {
		got := CommonText(tt.a, tt.b)
		if got != tt.want || got != CommonText(tt.b, tt.a) || !utf8.ValidString(tt.a[:got]) {
			t.Errorf("%q and %q: %d", tt.a, tt.b, got)
		}
	}
}

// A conversation of a thousand turns is kept once, and each turn finds the whole of the last one. Kept as they
// were sent, its prompts would be 500 times as much.
func TestSeenKeepsWhatIsNew(t *testing.T) {
	var seen Seen[byte]
	var prompt []byte
	for i := range 1000 {
		if got := seen.Longest(append(prompt, "other"...)); got != len(prompt) {
			t.Fatalf("turn %d finds %d bytes, want %d", i, got, len(prompt))
		}
		prompt = fmt.Appendf(prompt, "turn %d: %s\n", i, strings.Repeat("x", i%300))
		seen.Add(prompt)
	}
	if kept := size(seen.children); kept != len(prompt) || seen.Len() != 1000 {
		t.Errorf("%d bytes are kept of %d prompts, want %d of 1000", kept, seen.Len(), len(prompt))
	}
}

func size(all []*stretch[byte]) (n int) {
	for _, s := range all {
		n += len(s.text) + size(s.children)
	}
	return n
}
