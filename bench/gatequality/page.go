package main

import (
	"fmt"
	"io"
	"math"

	"homellm/engine/compare"
	"homellm/engine/metrics"
)

// The promises.
const (
	mostAlarms  = 0.01
	leastFound  = 0.95
	mostWrong   = 0.05
	slowerFirst = 1.10
	slowerToken = 1.05
)

func judges() []judge {
	return []judge{
		{"homellm gates", byGates},
		{"fixed threshold, p95 at most 10 % above the true value", fixed(0.10)},
		{"fixed threshold, p95 at most 5 % above the true value", fixed(0.05)},
		{"change of the mean, +5 % TTFT or +2.5 % TPOT", delta(0.05, 0.025)},
		{"change of the mean, +10 % TTFT or +5 % TPOT", delta(0.10, 0.05)},
	}
}

// page writes docs/gate-quality.md and returns the promises that were missed.
func page(w io.Writer, trials int) (missed []error) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	first, token := gates()
	repeats := compare.DefaultRepeats
	p("# How well gates judge\n\nGenerated: `go run ./bench/gatequality -o docs/gate-quality.md`. Do not edit.\n\n")
	p("Two simulated servers are compared %d times for each figure below. What they truly differ by is known, so every\n"+
		"verdict is right or wrong. The samples come from this noise model, with a fixed seed:\n\n", trials)
	n := typical
	p("- each repeat has its own lognormal jitter (sigma %.1f %%);\n- the machine drifts linearly by up to ±%.0f "+
		"%% over a run;\n", 100*n.Jitter, 100*n.Drift)
	p("- in %.0f %% of the runs it throttles at a random moment and is %.0f %% slower from then on;\n", 100*n.StepOdds,
		100*n.Step)
	p("- %.0f %% of the repeats are disturbed and take %.1f to %.1f times as long.\n\n", 100*n.Odds, n.Least, n.Most)
	p("The gates are the built-in ones: TTFT (true value %.0f ms) may rise by %.0f %%, TPOT (%.0f ms) by %.1f %%, at "+
		"two-sided\nalpha %g. A comparison is a false alarm if it calls either of them worse.\n\n",
		ttft, 100**first.MaxWorse, tpot, 100**token.MaxWorse, token.Alpha)

	p("## Played in turn (`homellm ab`), %d repeats of each side\n\n", repeats)
	all := judges()
	same := trial(ab, typical, 1, 1, repeats, trials, all)
	slow := trial(ab, typical, slowerFirst, slowerToken, repeats, trials, all)
	p("The repeats of one side spread by %.1f %% (half the middle 68 %% over the median, mean of all runs).\n\n",
		100*metrics.NewDist(same[0].spreads).Mean)
	p("| judge | false alarms | found TTFT +10 %% | found TPOT +5 %% | of the missed TPOT: said so |\n" +
		"|---|---:|---:|---:|---:|\n")
	for i, j := range all {
		p("| %s | %s | %s | %s | %s |\n", j.name, share(same[i].alarm, trials), share(slow[i].found[0], trials),
			share(slow[i].found[1], trials), admitted(slow[i]))
	}
	p("\nThe figure behind ± is twice its standard error. \"Said so\" is the share of the misses in which the verdict "+
		"is `unknown`\n(exit code 4) and not `same`. Identical servers are `unknown` in %s of the comparisons for TTFT and "+
		"%s for TPOT.\n",
		share(same[0].unsure[0], trials), share(same[0].unsure[1], trials))
	check := func(ok bool, format string, args ...any) {
		if !ok {
			missed = append(missed, fmt.Errorf(format, args...))
		}
	}
	check(float64(same[0].alarm) <= mostAlarms*float64(trials), "%d false alarms in %d comparisons", same[0].alarm, trials)
	check(float64(slow[0].found[0]) >= leastFound*float64(trials), "TTFT +10 %% was found %d times in %d",
		slow[0].found[0], trials)
	check(float64(slow[0].found[1]) >= leastFound*float64(trials), "TPOT +5 %% was found %d times in %d", slow[0].found[1],
		trials)

	p("\n## How many repeats\n\n%d of each side are the default of a comparison; `homellm ab` plays as many. Below %d "+
		"the gates answer `unknown`, and so the\n5 repeats of a scenario that says nothing else are enough to look at and "+
		"not to gate. That is no weakness of this test: the\nlast column is what a test finds at best that knows the size "+
		"of the noise beforehand and meets jitter alone, no drift, no\nthrottling, no disturbance.\n\n", repeats,
		token.MinSamples)
	p("| repeats | false alarms | found TTFT +10 %% | found TPOT +5 %% | TPOT +5 %% called the same | identical TPOT " +
		"unknown | TPOT +5 %%, at best |\n|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range []int{5, 10, 12, 16, 20, 30} {
		same := trial(ab, typical, 1, 1, r, trials, all[:1])[0]
		slow := trial(ab, typical, slowerFirst, slowerToken, r, trials, all[:1])[0]
		p("| %d | %s | %s | %s | %s | %s | %.1f %% |\n", r, share(same.alarm, trials), share(slow.found[0], trials),
			share(slow.found[1], trials), share(slow.missed[1], trials), share(same.unsure[1], trials), 100*best(r, token))
	}

	p("\n## With a time budget (`--budget`)\n\nHow sure is a verdict if the run goes on until there is one? An "+
		"assertion `p50 < limit` is played on a server whose true median\nlies above the limit, so that a pass is wrong; "+
		"jitter of %.0f %%, %d to %d repeats.\n\n", 100*typical.Jitter, firstRepeats, mostRepeats)
	p("| true median above the limit | when it stops | wrongly passed | rightly failed | repeats, mean |\n" +
		"|---:|---|---:|---:|---:|\n")
	for _, above := range []float64{0.001, 0.005, 0.02} {
		for i, s := range stoppings() {
			wrong, right, n := sequential(s, above, trials)
			p("| %.1f %% | %s | %s | %s | %.0f |\n", 100*above, s.name, share(wrong, trials), share(right, trials), n)
			check(i != 2 || float64(wrong) <= mostWrong*float64(trials), "a budget passed %d of %d assertions that are false",
				wrong, trials)
		}
	}
	p("\nA run that looks after every repeat and believes each look is wrong far more often than the 5 %% that a look "+
		"promises. With\nhomellm's shares of the error all looks together stay below it.\n\nThe same for "+
		"`homellm ab --budget`, from %d repeats of each side on, with all the noise:\n\n", firstRepeats)
	p("| servers | called worse | TPOT found | TTFT found | TPOT unknown | repeats, mean |\n" +
		"|---|---:|---:|---:|---:|---:|\n")
	still, n1 := budgeted(typical, 1, 1, trials)
	slower, n2 := budgeted(typical, slowerFirst, slowerToken, trials)
	p("| identical | %s | – | – | %s | %.0f |\n", share(still.alarm, trials), share(still.unsure[1], trials), n1)
	p("| TTFT +10 %%, TPOT +5 %% | %s | %s | %s | %s | %.0f |\n", share(slower.alarm, trials),
		share(slower.found[1], trials), share(slower.found[0], trials), share(slower.unsure[1], trials), n2)
	check(float64(still.alarm) <= mostAlarms*float64(trials), "%d false alarms in %d comparisons with a budget",
		still.alarm, trials)
	check(float64(slower.found[0]) >= leastFound*float64(trials), "with a budget TTFT +10 %% was found %d times in %d",
		slower.found[0], trials)

	p("\n## Less noise, and more\n\n%d repeats in turn; jitter, drift and throttling so many times as large.\n\n", repeats)
	p("| noise | spread | false alarms | found TTFT +10 %% | found TPOT +5 %% | TPOT +5 %% called the same |\n" +
		"|---:|---:|---:|---:|---:|---:|\n")
	for _, by := range []float64{1. / 3, 2. / 3, 1, 2, 3} {
		same := trial(ab, typical.scaled(by), 1, 1, repeats, trials, all[:1])[0]
		slow := trial(ab, typical.scaled(by), slowerFirst, slowerToken, repeats, trials, all[:1])[0]
		p("| x %.2g | %.1f %% | %s | %s | %s | %s |\n", by, 100*metrics.NewDist(same.spreads).Mean, share(same.alarm, trials),
			share(slow.found[0], trials), share(slow.found[1], trials), share(slow.missed[1], trials))
	}

	missed = append(missed, noisy(w, trials)...)
	return append(missed, changes(w, trials)...)
}

// best is how often the most powerful test finds TPOT +5 %: the difference of the means against its
// standard error, which is known, and against the margin.
func best(repeats int, g compare.Gate) float64 {
	normal := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
	quantile := math.Sqrt2 * math.Erfinv(1-g.Alpha)
	se := typical.Jitter * math.Sqrt(2/float64(repeats))
	return normal((slowerToken - 1 - max(*g.MaxWorse, quantile*se)) / se)
}

// share writes k of n with twice its standard error, in percent. None of n can still be up to
// 3/n (the rule of three).
func share(k, n int) string {
	q := float64(k) / float64(n)
	if k == 0 || k == n {
		return fmt.Sprintf("%.0f %% (± %.1f)", 100*q, 300/float64(n))
	}
	return fmt.Sprintf("%.1f %% ± %.1f", 100*q, 200*math.Sqrt(q*(1-q)/float64(n)))
}

func admitted(t tally) string {
	misses := t.unsure[1] + t.missed[1]
	if misses == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", t.unsure[1], misses)
}
