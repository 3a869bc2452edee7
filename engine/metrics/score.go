package metrics

import (
	"fmt"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/stats"
	"homellm/engine/text"
)

// Score is the share of a cell's evaluations of one assertion that held. The items of a data set are the sample, each
// with the share of its repeats and users; without a data set the repeats are.
type Score struct {
	N         int     // of the sample
	Low, High float64 // passed, of N: with every undecided evaluation as a failure, and as a pass
	Undecided int     // evaluations
	noun      string  // of the sample
}

// ScoreOf is the score of an assertion of a step or a conversation, which every user plays.
func ScoreOf(v event.Verdict, users int) Score {
	s := Score{Undecided: v.Unknown, noun: "item", N: len(v.Items)}
	for _, one := range v.Items {
		n := float64(max(1, one.Evaluated))
		s.Low += float64(one.Passed) / n
		s.High += float64(one.Passed+one.Unknown) / n
	}
	if s.N == 0 {
		s.noun, s.N = "repeat", v.Evaluated/max(1, users) // in a window some users may begin no conversation
		if s.N == 0 && v.Evaluated > 0 {
			s.N = 1
		}
		each := float64(max(1, v.Evaluated))
		s.Low = float64(v.Passed*s.N) / each
		s.High = float64((v.Passed+v.Unknown)*s.N) / each
	}
	return s
}

// Score is the score of the assertion of the cell with a name; ok is false if it has none.
func (c *Cell) Score(name string) (s Score, ok bool) {
	for _, v := range c.Verdicts {
		if v.Name == name && v.Scored() {
			return ScoreOf(v, c.Planned.Users), true
		}
	}
	return Score{}, false
}

// Scores are the paths of the pass rates of the cell that are over the items of a data set.
func (c *Cell) Scores() (paths []string) {
	for _, v := range c.Verdicts {
		if v.Scored() && len(v.Items) > 0 {
			paths = append(paths, figure.Score(v.Name))
		}
	}
	return paths
}

// scores is the sample of a pass rate: one value for each item, the share of its evaluations that passed.
func (c *Cell) scores(name string) Sample {
	s := Sample{Path: figure.Score(name), Unit: "ratio", Better: +1,
		Why: fmt.Sprintf("no assertion %q was judged for the items of a data set", name)}
	for _, v := range c.Verdicts {
		if v.Name != name || !v.Scored() || len(v.Items) == 0 {
			continue
		}
		s.Why = ""
		for _, one := range v.Items {
			n := float64(max(1, one.Evaluated))
			if one.Unknown > 0 {
				s.Unknown++
				s.Why = "the answer could not be judged"
				s.Hidden = append(s.Hidden, Hidden{one.Item, event.Range{Low: float64(one.Passed) / n,
					High: float64(one.Passed+one.Unknown) / n}})
				continue
			}
			s.Values, s.Repeats = append(s.Values, float64(one.Passed)/n), append(s.Repeats, one.Item)
		}
	}
	return s
}

// Value is the share that passed.
func (s Score) Value() Value {
	v := Value{Unit: "ratio"}
	if s.N == 0 {
		v.Why = "no repeat was played"
		return v
	}
	low, high := s.Interval()
	v.Source = fmt.Sprintf("%s; 95 %% interval %.3g to %.3g", s.Words(), low, high)
	if s.Undecided > 0 {
		v.Why = fmt.Sprintf("%s could not be judged", text.Plural(s.Undecided, "evaluation"))
		v.Range = &event.Range{Low: s.Low / float64(s.N), High: s.High / float64(s.N)}
		return v
	}
	v.V = s.Low / float64(s.N)
	return v
}

// Words say how many passed: 57 of 60 items.
func (s Score) Words() string {
	passed := fmt.Sprintf("%.4g", s.Low)
	if s.High > s.Low {
		passed += fmt.Sprintf(" to %.4g", s.High)
	}
	return passed + " of " + text.Plural(s.N, s.noun)
}

// Interval is the 95 % interval of the true share.
func (s Score) Interval() (low, high float64) {
	const eachSide = 1 - (1-stats.Level)/2
	return stats.ShareBounds(s.Low, s.N, eachSide).Lo, stats.ShareBounds(s.High, s.N, eachSide).Hi
}

// Certain compares the bounds of the true share with a limit. More repeats do not settle what is open if the items are
// the sample.
func (s Score) Certain(op string, limit float64, looks stats.Looks) Certainty {
	holds, known := compares[op]
	if !known || s.N == 0 || holds(s.Low/float64(s.N), limit) != holds(s.High/float64(s.N), limit) {
		return Certainty{OK: true} // or the undecided evaluations leave it open
	}
	level := stats.Confidence(len(looks))
	passed, upper := s.Low, (op == "<" || op == "<=") == holds(s.Low/float64(s.N), limit)
	if upper {
		passed = s.High
	}
	bound := shareBound(passed, s.N, level, upper)
	at := passed / float64(s.N)
	if holds(bound, limit) == holds(at, limit) {
		return Certainty{OK: true}
	}
	out := Certainty{Why: fmt.Sprintf("%s passed, a share of %.4g, but with %.4g %% confidence it may be %.4g, on the "+
		"other side of %.4g", s.Words(), at, 100*level, bound, limit)}
	more := s.more(func(n int) bool {
		return holds(shareBound(at*float64(n), n, level, upper), limit) == holds(at, limit)
	})
	if more > 0 {
		out.Why += fmt.Sprintf(": about %s more would settle it", text.Plural(more, s.noun))
	}
	if s.noun == "repeat" {
		out.More = max(1, min(more, mostRepeats))
	}
	return out
}

// more is how many more trials would decide at the same share; 0: more than are practical.
func (s Score) more(decides func(n int) bool) int {
	const most = 100_000
	above := s.N
	for !decides(above) {
		if above *= 2; above > most {
			return 0
		}
	}
	below := above / 2
	for above-below > 1 {
		if n := (above + below) / 2; decides(n) {
			above = n
		} else {
			below = n
		}
	}
	return max(1, above-s.N)
}

func shareBound(passed float64, n int, level float64, upper bool) float64 {
	b := stats.ShareBounds(passed, n, level)
	if upper {
		return b.Hi
	}
	return b.Lo
}
