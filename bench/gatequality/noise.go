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
}

// typical has repeats whose own coefficient of variation is 3 %; what the machine does comes on top.
var typical = noise{Jitter: 0.03, Drift: 0.02, StepOdds: 0.3, Step: 0.02, Odds: 0.02, Least: 1.2, Most: 2.5}

// scaled is the same noise, multiplied; how often things happen does not change.
func (n noise) scaled(by float64) noise {
	n.Jitter, n.Drift, n.Step = n.Jitter*by, n.Drift*by, n.Step*by
	return n
}

// machine is the state of a machine over one run: what all repeats share, whichever side is played.
type machine struct {
	noise
	slope, from float64
	random      *rand.Rand
}

func (n noise) run(random *rand.Rand) machine {
	m := machine{noise: n, slope: n.Drift * (2*random.Float64() - 1), from: 2, random: random}
	if random.Float64() < n.StepOdds {
		m.from = random.Float64()
	}
	return m
}

// at is one measured value of a server whose true value is mean, at a moment of the run from 0 to 1.
func (m machine) at(moment, mean float64) float64 {
	v := mean * (1 + m.slope*moment) * math.Exp(m.Jitter*m.random.NormFloat64())
	if moment > m.from {
		v *= 1 + m.Step
	}
	if m.random.Float64() < m.Odds {
		v *= m.Least + (m.Most-m.Least)*m.random.Float64()
	}
	return v
}

// inTurn plays two servers in one run in the order A B B A A B …, repeats times each.
func (n noise) inTurn(random *rand.Rand, a, b float64, repeats int) (x, y []float64) {
	m := n.run(random)
	for r := range repeats {
		first, second := float64(2*r)/float64(2*repeats), float64(2*r+1)/float64(2*repeats)
		if r%2 == 0 {
			x, y = append(x, m.at(first, a)), append(y, m.at(second, b))
		} else {
			v := m.at(first, b)
			x, y = append(x, m.at(second, a)), append(y, v)
		}
	}
	return x, y
}

// apart plays two servers in two runs, as a baseline and a later run are.
func (n noise) apart(random *rand.Rand, a, b float64, repeats int) (x, y []float64) {
	before, after := n.run(random), n.run(random)
	for r := range repeats {
		moment := float64(r) / float64(repeats)
		x, y = append(x, before.at(moment, a)), append(y, after.at(moment, b))
	}
	return x, y
}
