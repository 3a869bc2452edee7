package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"homellm/engine/compare"
	"homellm/engine/crash"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// The promises about noise of many kinds: upper 95 % bounds of what is counted.
const (
	mostFalse  = 0.005 // of one gate to call an unchanged server worse
	mostFamily = 0.05  // of any of twenty
	leastPass  = 0.95  // of unchanged servers in turn to pass
	leastToken = 0.90
	leastFifth = 0.90
	family     = 20
	fifths     = 40 // repeats at which two fifths of them are twice as slow
)

// way is a way to play both sides: in turn in one run, in two runs, or in one run against three of a baseline.
type way struct {
	name string
	runs int // of the old side; 0: in turn
}

var ways = []way{{"`ab`", 0}, {"run after run", 1}, {"baseline of three runs", 3}}

// metric is one of those that are simulated.
type metric struct {
	path string
	true float64
}

var simulated = []metric{{"steps.a.ttft_ms", ttft}, {"steps.a.tpot_ms", tpot}, {"steps.b.ttft_ms", ttft},
	{"steps.b.tpot_ms", tpot}}

// alike is how many of them are of one kind, and so how many gates the counts of one kind include.
const alike = 2

// values of a side by the path of the metric, one list for each run.
type values map[string][][]float64

// side is what was played as one side of a comparison.
func (v values) side(runs int) compare.Source {
	s := compare.Source{Fingerprint: compare.Fingerprint{}, Runs: runs, Sample: func(path string) metrics.Sample {
		s := sample(slices.Concat(v[path]...))
		s.Path = path
		return s
	}}
	if runs > 1 {
		s.BetweenRuns = func(path, stat string) (float64, bool) {
			var each []float64
			for _, run := range v[path] {
				each = append(each, center(run, stat))
			}
			return stats.Deviation(each) * math.Sqrt2 / stats.Mean(each), true
		}
	}
	return s
}

func center(v []float64, stat string) float64 {
	p, err := strconv.Atoi(strings.TrimPrefix(stat, "p"))
	switch {
	case stat == "mean":
		return stats.Mean(v)
	case stat == "p50":
		return stats.Median(v)
	case err != nil:
		return slices.Max(v)
	}
	return stats.Percentile(slices.Sorted(slices.Values(v)), p)
}

// play plays both sides once. change alters what the new side takes.
func (l way) play(n noise, random *rand.Rand, of []metric, repeats int, change func(v []float64, m metric)) (old,
	now compare.Source) {
	before, after := values{}, values{}
	for _, m := range of {
		var x [][]float64
		var y []float64
		if l.runs == 0 {
			a, b := n.inTurn(random, m.true, m.true, repeats)
			x, y = [][]float64{a}, b
		} else {
			all := n.runs(random, slices.Repeat([]float64{m.true}, l.runs+1), repeats)
			x, y = all[:l.runs], all[l.runs]
		}
		if change != nil {
			change(y, m)
		}
		before[m.path], after[m.path] = x, [][]float64{y}
	}
	return before.side(l.runs), after.side(0)
}

// builtIn are the built-in gates of the times of two steps, named by their kind.
func builtIn() []compare.Gate {
	var out []compare.Gate
	for _, g := range compare.DefaultRules().Gates {
		for i, m := range simulated {
			if strings.HasPrefix(g.Name, []string{"ttft-with-rag", "decode-speed"}[i%2]) {
				g.Metric = m.path
				out = append(out, g)
			}
		}
	}
	return out
}

// counts holds the results of many comparisons.
type counts struct {
	trials  int
	worse   map[string]int // by kind of gate
	any     int            // gates of a comparison called worse
	pass    int            // comparisons that end with 0
	unknown int            // comparisons that end with 4
}

// most is how often a gate was called worse, for the kind of gate with the most such calls.
func (c counts) most() int {
	n := 0
	for _, k := range c.worse {
		n = max(n, k)
	}
	return n
}

// compared plays many comparisons and judges them as compare and ab do.
func compared(l way, n noise, gates []compare.Gate, of []metric, repeats, trials int,
	change func(random *rand.Rand) func(v []float64, m metric)) counts {
	c := counts{trials: trials, worse: map[string]int{}}
	rules := compare.DefaultRules()
	rules.Gates, rules.Usual, rules.Match, rules.InTurn = gates, false, nil, l.runs == 0
	random := rand.New(rand.NewPCG(uint64(repeats), uint64(len(gates)))) // the page is reproducible
	for range trials {
		var changed func(v []float64, m metric)
		if change != nil {
			changed = change(random)
		}
		old, now := l.play(n, random, of, repeats, changed)
		p := rules.Compare("", old, now, time.Time{})
		alarm := false
		for _, d := range p.Deltas {
			if d.Verdict == compare.Worse {
				c.worse[d.Gate.Name]++
				alarm = true
			}
		}
		if alarm {
			c.any++
		}
		switch verdict, _, _ := (compare.Comparison{Pairs: []compare.Pair{p}}).Outcome(); verdict {
		case event.Pass:
			c.pass++
		case metrics.Inconclusive:
			c.unknown++
		}
	}
	return c
}

// later starts a comparison now, to be read later; as many run at once as there are processors.
func later(l way, n noise, gates []compare.Gate, of []metric, repeats, trials int,
	change func(random *rand.Rand) func(v []float64, m metric)) func() counts {
	out := make(chan counts, 1)
	crash.Go(func() {
		slots <- struct{}{}
		out <- compared(l, n, gates, of, repeats, trials, change)
		<-slots
	})
	return func() counts { return <-out }
}

var slots = make(chan struct{}, runtime.GOMAXPROCS(0))

// times makes one metric of the new side slower.
func times(path string, by float64) func(*rand.Rand) func([]float64, metric) {
	return func(*rand.Rand) func([]float64, metric) {
		return func(v []float64, m metric) {
			for i := range v {
				if m.path == path {
					v[i] *= by
				}
			}
		}
	}
}

// often makes a share of the repeats of the new side slower.
func often(odds, by float64) func(*rand.Rand) func([]float64, metric) {
	return func(random *rand.Rand) func([]float64, metric) {
		return func(v []float64, m metric) {
			for i := range v {
				if m.path == simulated[0].path && random.Float64() < odds {
					v[i] *= by
				}
			}
		}
	}
}

// found counts the comparisons in which a gate on the metric that was changed is worse.
func (c counts) found() string { return share(c.any, c.trials) }

// noisy writes what the gates make of each kind of noise, and returns the promises that were missed.
func noisy(w io.Writer, trials int) (missed []error) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	check := func(ok bool, format string, args ...any) {
		if !ok {
			missed = append(missed, fmt.Errorf(format, args...))
		}
	}
	repeats := compare.DefaultRepeats
	gates := builtIn()
	p("\n## Unchanged servers, in noise of many kinds\n\nThe %d built-in gates on the median, the mean and the tail of "+
		"TTFT and of the time per token of two steps, %d repeats of each side,\njudged as `ab` and `compare` do, with "+
		"Holm's adjustment. False alarms are those of the kind of gate that has most; behind them stands\nthe upper "+
		"95 %% bound. A comparison that cannot tell ends with 4.\n\n", len(gates), repeats)
	p("| noise | played | false alarms of one gate | at most | any of %d gates | ends with 0 | says it cannot tell |\n"+
		"|---|---|---:|---:|---:|---:|---:|\n", len(gates))
	var still []func() counts
	for _, n := range noises {
		for _, l := range ways {
			still = append(still, later(l, n.noise, gates, simulated, repeats, trials, nil))
		}
	}
	for i, n := range noises {
		for j, l := range ways {
			c := still[i*len(ways)+j]()
			bound := upper(c.most(), alike*trials)
			p("| %s | %s | %s | %.2f %% | %s | %s | %s |\n", n.name, l.name, share(c.most(), alike*trials), 100*bound,
				share(c.any, trials), share(c.pass, trials), share(c.unknown, trials))
			check(bound <= mostFalse, "%s, %s: a gate is called worse in up to %.2f %%", n.name, l.name, 100*bound)
			if l.runs == 0 {
				check(float64(c.pass) >= leastPass*float64(trials), "%s, %s: %d of %d pass", n.name, l.name, c.pass, trials)
			}
		}
	}

	var many []compare.Gate
	var of []metric
	for i := range family {
		g := gates[0]
		g.Name, g.Metric = fmt.Sprint("gate-", i), fmt.Sprintf("steps.q%d.ttft_ms", i)
		many, of = append(many, g), append(of, metric{g.Metric, ttft})
	}
	p("\n## Twenty gates\n\n%d gates on metrics of their own, independent noise of 3 %%, %d repeats of each side.\n\n",
		family, repeats)
	p("| played | any gate called worse | at most | ends with 0 |\n|---|---:|---:|---:|\n")
	var together []func() counts
	for _, l := range ways {
		together = append(together, later(l, noises[0].noise, many, of, repeats, trials, nil))
	}
	for i, l := range ways {
		c := together[i]()
		bound := upper(c.any, trials)
		p("| %s | %s | %.2f %% | %s |\n", l.name, share(c.any, trials), 100*bound, share(c.pass, trials))
		check(bound <= mostFamily, "%d gates, %s: one is called worse in up to %.2f %%", family, l.name, 100*bound)
	}

	p("\n## Changed servers\n\nHow often a gate finds the change, independent noise of 3 %%.\n\n")
	p("| change | repeats |")
	for _, l := range ways {
		p(" %s |", l.name)
	}
	p("\n|---|---:|---:|---:|---:|\n")
	for _, c := range []struct {
		name    string
		repeats int
		change  func(*rand.Rand) func([]float64, metric)
		least   float64 // in turn
	}{
		{"TTFT +10 %", repeats, times(simulated[0].path, slowerFirst), leastFound},
		{"time per token +5 %", repeats, times(simulated[1].path, slowerToken), leastToken},
		{"TTFT +20 %", repeats, times(simulated[0].path, 1.2), leastFound},
		{"TTFT 5 times", repeats, times(simulated[0].path, 5), leastFound},
		{"TTFT of two fifths of the repeats twice", fifths, often(0.4, 2), leastFifth},
		{"TTFT of one fifth of the repeats twice", repeats, often(0.2, 2), 0},
	} {
		p("| %s | %d |", c.name, c.repeats)
		var changed []func() counts
		for _, l := range ways {
			changed = append(changed, later(l, noises[0].noise, gates, simulated, c.repeats, trials, c.change))
		}
		for i, l := range ways {
			got := changed[i]()
			p(" %s |", got.found())
			check(l.runs > 0 || float64(got.any) >= c.least*float64(trials), "%s, %s: found %d times in %d", c.name, l.name,
				got.any, trials)
		}
		p("\n")
	}
	return missed
}

// upper is the one-sided upper 95 % bound of a share of which k of n were counted (Clopper and Pearson).
func upper(k, n int) float64 {
	low, high := float64(k)/float64(n), 1.0
	for range 60 {
		q := (low + high) / 2
		below := 0.0
		for i := range k + 1 {
			a, _ := math.Lgamma(float64(n + 1))
			b, _ := math.Lgamma(float64(i + 1))
			c, _ := math.Lgamma(float64(n - i + 1))
			below += math.Exp(a - b - c + float64(i)*math.Log(q) + float64(n-i)*math.Log(1-q))
		}
		if below > 1-stats.Level {
			low = q
		} else {
			high = q
		}
	}
	return high
}
