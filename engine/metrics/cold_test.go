package metrics

import (
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// TestCold_TooFarApart: if the times of cold prompts scatter as much as they are long, they tell nothing about the
// cache, and the run says so.
func TestCold_TooFarApart(t *testing.T) {
	for spread, blind := range map[float64]bool{0.02: false, 0.4: false, 0.79: true} {
		why := (&coldFit{curve: stats.Quadratic{Spread: spread}}).why()
		if strings.Contains(why, "too far apart to tell") != blind {
			t.Errorf("a spread of %v: %s", spread, why)
		}
	}
}

// coldPrompts are prompts that take a millisecond for each token, and every other one a percent more.
func coldPrompts(tokens ...int) (b event.ColdPrompts) {
	for i, n := range tokens {
		took := time.Duration(n) * time.Millisecond * time.Duration(100+i%2) / 100
		b.Prompts = append(b.Prompts, event.ColdPrompt{Tokens: n, TTFT: took})
	}
	return b
}

// TestCold_Moved takes a prompt that took long for a stall if another of its length right after it did not, while
// stalls are rare.
func TestCold_Moved(t *testing.T) {
	first := coldPrompts(20, 80, 115, 170, 250, 370, 540, 780, 1150, 1650, 2400, 2400, 1650, 1150, 780, 540, 370, 250, 170,
		115, 80, 20)
	const usual, slow = 1.0, 1.6
	for name, tt := range map[string]struct {
		factors [][]float64 // on the times of prompts of one length, after each repeat
		moved   bool        // in the first repeat
	}{
		"usual":                    {[][]float64{{usual}, {usual}}, false},
		"a stall":                  {[][]float64{{slow, usual}, {usual}}, false},
		"slower":                   {[][]float64{{slow, slow}, {usual}}, true},
		"slower, and not repeated": {[][]float64{{slow}, {usual}}, true},
		"stalls":                   {[][]float64{{slow, usual}, {slow, usual}}, true},
		"slower later":             {[][]float64{{usual}, {slow, slow}}, false},
	} {
		f := fitCold(first)
		for i, factors := range tt.factors {
			b := event.ColdPrompts{After: i + 1}
			for _, by := range factors {
				b.Prompts = append(b.Prompts, event.ColdPrompt{Tokens: 1200,
					TTFT: time.Duration(1200 * by * float64(time.Millisecond))})
			}
			f.add(b)
		}
		if more, _ := f.curve.Moved(timesOf(f.beside(1))).Since(); (more > 0) != tt.moved {
			t.Errorf("%s: %.2f more", name, more)
		}
	}
}
