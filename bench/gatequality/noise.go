package main

import (
	"math"
	"math/rand/v2"
)

// noise is what makes one repeat of an unchanged server differ from the next. The figures are
// shares of the true value.
type noise struct {
	Jitter   float64 // standard deviation of the logarithm of each repeat, on its own
	Drift    float64 // largest linear rise or fall over a run, uniform in ±Drift
	StepOdds float64 // share of runs in which the machine throttles at a random moment …
	Step     float64 // … and is slower by this from then on
	Odds     float64 // share of repeats that something else disturbs …
	Least    float64 // … which then take at least this many times as long,
	Most     float64 // and at most this many times
	AR       float64 // correlation of the jitter of a repeat with that of the one before
	Heat     float64 // linear rise over a run, which goes on in the next
	Between  float64 // standard deviation of the logarithm of each run
	Half     float64 // half of the runs are slower by this in their second half
	Warm     float64 // the first repeat of each side is slower by this, each later one by half of the one before
	Tick     float64 // the clock tells shares of the true value that are multiples of this
}

// noises lists the kinds of noise that the gates are tested with, one at a time.
var noises = []struct {
	name string
	noise
}{
	{"independent, 3 %", noise{Jitter: 0.03}},
	{"correlated, AR(1) 0.5", noise{Jitter: 0.03, AR: 0.5}},
	{"correlated, AR(1) 0.8", noise{Jitter: 0.03, AR: 0.8}},
	{"a rise of 8 % over each run", noise{Jitter: 0.03, Heat: 0.08}},
	{"runs shifted, 1 %", noise{Jitter: 0.03, Between: 0.01}},
	{"second half throttled by 10 %, half of the runs", noise{Jitter: 0.03, Half: 0.1}},
	{"warm-up of 30 %", noise{Jitter: 0.03, Warm: 0.3}},
	{"bimodal, one of ten 10 times slower", noise{Jitter: 0.03, Odds: 0.1, Least: 10, Most: 10}},
	{"ties, one of twenty 1.5 times slower", noise{Odds: 0.05, Least: 1.5, Most: 1.5}},
	{"a clock of 4 % ticks", noise{Jitter: 0.03, Tick: 0.04}},
}

// typical has repeats whose own coefficient of variation is 3 %; what the machine does comes on top.
var typical = noise{Jitter: 0.03, Drift: 0.02, StepOdds: 0.3, Step: 0.02, Odds: 0.02, Least: 1.2, Most: 2.5}

// scaled is the same noise, multiplied; how often things happen does not change.
func (n noise) scaled(by float64) noise {
	n.Jitter, n.Drift, n.Step = n.Jitter*by, n.Drift*by, n.Step*by
	return n
}

// machine is the state of a machine during one run, which all repeats share, on any server.
type machine struct {
	noise
	slope, from, level, jitter float64
	throttled                  bool
	began                      float64 // number of earlier runs, which have heated the machine
	random                     *rand.Rand
}

func (n noise) run(random *rand.Rand) *machine {
	m := &machine{noise: n, slope: n.Drift * (2*random.Float64() - 1), from: 2, random: random,
		level: n.Between * random.NormFloat64(), jitter: random.NormFloat64(), throttled: random.Float64() < 0.5}
	if random.Float64() < n.StepOdds {
		m.from = random.Float64()
	}
	return m
}

// at is one measured value of a server whose true value is mean, at a moment of the run from 0 to 1; it is the
// repeat-th of its side, from 0.
func (m *machine) at(moment float64, repeat int, mean float64) float64 {
	m.jitter = m.AR*m.jitter + math.Sqrt(1-m.AR*m.AR)*m.random.NormFloat64()
	v := mean * (1 + m.slope*moment) * (1 + m.Heat*(m.began+moment)) * math.Exp(m.Jitter*m.jitter+m.level)
	if moment > m.from {
		v *= 1 + m.Step
	}
	if moment >= 0.5 && m.throttled {
		v *= 1 + m.Half
	}
	v *= 1 + m.Warm/math.Pow(2, float64(repeat))
	if m.random.Float64() < m.Odds {
		v *= m.Least + (m.Most-m.Least)*m.random.Float64()
	}
	if m.Tick > 0 {
		v = mean * m.Tick * math.Round(v/mean/m.Tick)
	}
	return v
}

// inTurn plays two servers in one run in the order A B B A A B …, repeats times each.
func (n noise) inTurn(random *rand.Rand, a, b float64, repeats int) (x, y []float64) {
	m := n.run(random)
	for r := range repeats {
		first, second := float64(2*r)/float64(2*repeats), float64(2*r+1)/float64(2*repeats)
		if r%2 == 0 {
			x, y = append(x, m.at(first, r, a)), append(y, m.at(second, r, b))
		} else {
			v := m.at(first, r, b)
			x, y = append(x, m.at(second, r, a)), append(y, v)
		}
	}
	return x, y
}

// runs plays servers with the given true values one after the other, each in a separate run.
func (n noise) runs(random *rand.Rand, means []float64, repeats int) (out [][]float64) {
	for k, mean := range means {
		m := n.run(random)
		m.began = float64(k)
		var v []float64
		for r := range repeats {
			v = append(v, m.at(float64(r)/float64(repeats), r, mean))
		}
		out = append(out, v)
	}
	return out
}
