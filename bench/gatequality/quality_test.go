package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"homellm/engine/compare"
	"homellm/engine/metrics"
)

// TestPage makes the page again from a few comparisons and compares every figure of the committed one with it, within
// the error of both. This checks the promises too, which the page keeps.
func TestPage(t *testing.T) {
	committed, err := os.ReadFile("../../docs/gate-quality.md")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	page(&b, 50) // what it misses with so few comparisons is no finding
	want, got := figures(string(committed)), figures(b.String())
	if len(want) < 100 || len(want) != len(got) {
		t.Fatalf("the committed page has %d figures, the code makes %d: go run ./bench/gatequality -o docs/gate-quality.md",
			len(want), len(got))
	}
	for i, w := range want {
		g := got[i]
		if w.text != g.text {
			t.Fatalf("figure %d stands behind %q on the committed page, and the code says %q: make it anew", i+1, w.text, g.text)
		}
		if apart := math.Abs(w.value - g.value); apart > 2*math.Hypot(w.margin, g.marginAt(w.value)) {
			t.Errorf("figure %d, %s: the page says %.1f ± %.1f, the code finds %.1f ± %.1f", i+1, w.text, w.value, w.margin,
				g.value, g.margin)
		}
	}
}

type figure struct {
	text          string // what begins its line
	value, margin float64
}

// marginAt is the margin that so many comparisons have where the true share is value: 49 of 50 show a small margin
// whatever they were drawn from.
func (f figure) marginAt(value float64) float64 {
	own, there := f.value*(100-f.value), value*(100-value)
	if own == 0 || there <= own {
		return f.margin
	}
	return f.margin * math.Sqrt(there/own)
}

var shown = regexp.MustCompile(`([0-9.]+) % \(?± ([0-9.]+)`)

// figures are all figures of a page that have an error.
func figures(text string) []figure {
	var out []figure
	for line := range strings.Lines(text) {
		head := line
		if parts := strings.SplitN(line, "|", 3); len(parts) == 3 {
			head = strings.TrimSpace(parts[1])
		}
		if at := shown.FindStringIndex(head); at != nil {
			head = head[:at[0]]
		}
		for _, m := range shown.FindAllStringSubmatch(line, -1) {
			value, _ := strconv.ParseFloat(m[1], 64) // the expression lets numbers through alone
			margin, _ := strconv.ParseFloat(m[2], 64)
			out = append(out, figure{head, value, margin})
		}
	}
	return out
}

// TestPromises checks the promises on the committed page, at the default repeats.
func TestPromises(t *testing.T) {
	committed, err := os.ReadFile("../../docs/gate-quality.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^\| homellm gates \|.*$`).FindString(string(committed))
	f := figures(line)
	if len(f) != 3 || f[0].value > 100*mostAlarms || f[1].value < 100*leastFound || f[2].value < 100*leastFound {
		t.Errorf("the promises are not kept: %s", line)
	}
	for _, must := range []string{fmt.Sprintf("compared %d times", usualTrials),
		fmt.Sprintf("(`homellm ab`), %d repeats of each side",
			compare.DefaultRepeats)} {
		if !strings.Contains(string(committed), must) {
			t.Errorf("the page does not say %q", must)
		}
	}
}

// TestNoise compares the generator with the figures that the page states.
func TestNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	jitter := noise{Jitter: 0.03}.run(random)
	var v []float64
	for range 20000 {
		v = append(v, jitter.at(0.5, 0, 100))
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
	if early, late := step.at(0, 0, 100), step.at(1, 0, 100); early != 100 || late <= 109 {
		t.Errorf("throttling: %v and %v", early, late)
	}
}
