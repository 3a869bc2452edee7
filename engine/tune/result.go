package tune

import (
	"slices"

	"homellm/engine/stats"
)

// Result is how a search ended.
type Result struct {
	Winner int   // the variant that is certainly the best; -1: there is none
	Leader int   // the variant that is ahead; -1: none has values and meets the condition
	Alike  []int // with the leader, those of which none is certainly the best
	Open   []int // those whose condition is undecided and that are not worse than the leader
	Rounds int
	Least  int     // rounds in which one variant can be told from another at all
	Places []Place // of each variant
}

// Place is one variant in the result.
type Place struct {
	Standing  Standing
	Condition Condition
	Rounds    int          // in which it has a value
	By        int          // the variant that is certainly better; -1: none
	P         float64      // probability of being as far behind by chance, at the latest test; 1: it was not tested
	Behind    *stats.Shift // from the leader, with its 95 % interval; nil: for the leader, and without rounds in common
	Common    int          // rounds that it has in common with the leader
}

// End ends the search: every variant that has played on since its last test is tested once more.
func (s *Search) End() Result {
	s.look(true)
	out := Result{Winner: -1, Leader: s.Leader(), Rounds: s.rounds, Least: 1}
	for !s.decides(out.Least, 1) {
		out.Least++
	}
	if out.Leader < 0 { // those that were set aside are behind one that has left since
		out.Leader = s.ahead()
	}
	rest := 0
	for v, one := range s.all {
		p := Place{Standing: one.standing, Condition: one.condition, Rounds: len(one.values), By: one.by, P: one.p}
		if out.Leader >= 0 && v != out.Leader {
			p.Common = s.common(out.Leader, v)
			if d, ok := s.shift(out.Leader, v, stats.Level); ok {
				p.Behind = &d
			}
		}
		out.Places = append(out.Places, p)
		if one.standing != Playing && one.standing != Aside {
			continue
		}
		rest++
		switch {
		case one.condition == Met && one.standing == Playing:
			out.Alike = append(out.Alike, v)
		case one.condition == Undecided:
			out.Open = append(out.Open, v)
		}
	}
	if rest == 1 && slices.Equal(out.Alike, []int{out.Leader}) && len(s.all) > 1 {
		out.Winner = out.Leader
	}
	return out
}

// ahead is the variant with the best values among those that were set aside and meet the condition; -1: there is none.
func (s *Search) ahead() int {
	best := -1
	for v, one := range s.all {
		if one.standing == Aside && one.condition == Met && len(one.values) > 0 && (best < 0 || s.lag(best, v) < 0) {
			best = v
		}
	}
	return best
}
