package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"homellm/engine/metrics"
)

// TestPromises is the page in small: the bounds leave room for the error of 200 comparisons.
func TestPromises(t *testing.T) {
	const trials = 200
	same := trial(ab, typical, 1, 1, metrics.DefaultRepeats, trials, judges())
	slow := trial(ab, typical, slowerFirst, slowerToken, metrics.DefaultRepeats, trials, judges())
	if n := same[0].alarm; n > 4 {
		t.Errorf("%d false alarms in %d", n, trials)
	}
	if n := slow[0].found[0]; n < 196 {
		t.Errorf("TTFT +10 %% found %d times in %d", n, trials)
	}
	if n := slow[0].found[1]; n < 186 {
		t.Errorf("TPOT +5 %% found %d times in %d", n, trials)
	}
	// The simpler judges are told apart from ours by this data, or the page would show nothing.
	if same[1].alarm <= 4 || slow[4].found[1] > 150 {
		t.Errorf("the fixed threshold has %d false alarms, the percent delta finds %d", same[1].alarm, slow[4].found[1])
	}
	// A server that is truly slower must hardly ever be called the same.
	if n := slow[0].missed[1]; n > 8 {
		t.Errorf("TPOT +5 %% called the same %d times in %d", n, trials)
	}
}

// TestNoise holds the generator against the figures that the page states.
func TestNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	jitter := noise{Jitter: 0.03}.run(random)
	var v []float64
	for range 20000 {
		v = append(v, jitter.at(0.5, 100))
	}
	d := metrics.NewDist(v)
	if cv := d.Stddev / d.Mean; math.Abs(cv-0.03) > 0.001 {
		t.Errorf("the coefficient of variation is %v, want 0.03", cv)
	}
	// A pure drift of slope s in the order A B B A …: both sides see the same mean moment.
	x, y := noise{Drift: 0.5}.inTurn(random, 100, 100, 20)
	if a, b := metrics.NewDist(x).Mean, metrics.NewDist(y).Mean; math.Abs(a-b) > 1e-9 {
		t.Errorf("a linear drift makes %v of one side and %v of the other", a, b)
	}
	step := noise{StepOdds: 1, Step: 0.1}.run(random)
	if early, late := step.at(0, 100), step.at(1, 100); early != 100 || late <= 109 {
		t.Errorf("throttling: %v and %v", early, late)
	}
}

func TestPage(t *testing.T) {
	var b bytes.Buffer
	page(&b, 5)
	for _, want := range []string{"# How well gates judge", "| homellm gates |", "Against a baseline"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
}
