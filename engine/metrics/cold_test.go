package metrics

import (
	"strings"
	"testing"

	"homellm/engine/stats"
)

// TestCold_TooFarApart: where cold prompts scatter by as much as they take, the times say nothing, and the run
// says that.
func TestCold_TooFarApart(t *testing.T) {
	for spread, blind := range map[float64]bool{0.02: false, 0.4: false, 0.79: true} {
		why := (&coldFit{curve: stats.Quadratic{Spread: spread}}).why()
		if strings.Contains(why, "too far apart to tell") != blind {
			t.Errorf("a spread of %v: %s", spread, why)
		}
	}
}
