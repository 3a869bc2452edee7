// Package tune decides which variants of a server are played on, and which of them is the best.
//
// The input is one value of a figure for every variant and round, or the fold of the run that measured them. The output
// is who plays the next round, and how the variants stand in the end with how sure that is. It starts no server, plays
// nothing and shows nothing.
package tune

import (
	"math"
	"slices"
	"time"

	"homellm/engine/stats"
)

// The settings of a search.
const (
	// fewestAside is the number of rounds from which a variant may be set aside.
	fewestAside = 4
	// asideP is the probability below which a variant that is behind is set aside where the time is too short for all: to
	// be behind in each of four rounds by chance.
	asideP = 1.0 / 16
	// mostRounds limits a search: differences that need more rounds are of no use.
	mostRounds = 60
)

// Standing is where a variant stands in a search.
type Standing string

// The standings.
const (
	Playing Standing = "playing" // it is among those that may be the best
	Worse   Standing = "worse"   // another one is certainly better
	Aside   Standing = "aside"   // it was behind when the time became too short for all, which is not certain
	Out     Standing = "out"     // it cannot be started, has no values, or does not meet the condition
)

// Condition is whether a variant meets what the best one must meet.
type Condition string

// The conditions.
const (
	Met       Condition = "met"
	Unmet     Condition = "unmet"
	Undecided Condition = "undecided"
)

// Search finds the best of several variants that are played in rounds, each variant once a round and all of them under
// the same conditions.
//
// A variant is worse only if a one-sided paired test against another one, which meets the condition, excludes chance.
// Each test may err with 5 % divided by the number of variants and, at its n-th look, multiplied by [stats.Share]. The
// best variant is then called worse in at most 5 % of searches: it is compared with fewer others than there are
// variants. And if all variants are equal, a single one is left in at most 5 % of searches: any of k variants is called
// worse with a probability of at most (k-1) times 5 % / k, so that on average fewer than 5 % of the k-1 that would have
// to be called worse are, and all of them are with at most that probability (Markov).
//
// If the time is too short for all to reach a look, halving sets aside variants of the slower half that are behind with
// a probability of 1/16. They are not called worse. If there is time left when all others are, they are played again.
type Search struct {
	sign   float64 // -1: lower values are better
	mean   bool    // means are compared, not medians
	all    []variant
	rounds int
	rung   int // the round after which variants were last set aside
}

// variant is what is known of one variant.
type variant struct {
	standing  Standing
	condition Condition
	values    map[int]float64 // by round
	looks     int             // tests that could have decided
	looked    int             // number of rounds at the last of them
	p         float64         // of the latest test; 1: there was none
	by        int             // the variant that is better; -1: none
}

// New begins a search among a number of variants. Better is +1 if higher values of the figure are better, -1 if lower
// ones are; mean says that means are compared, not medians.
func New(variants, better int, mean bool) *Search {
	s := &Search{sign: float64(better), mean: mean, all: make([]variant, variants)}
	for i := range s.all {
		s.all[i] = variant{standing: Playing, condition: Met, values: map[int]float64{}, p: 1, by: -1}
	}
	return s
}

// Leave takes a variant out of the search. Those that were worse than it may again be the best.
func (s *Search) Leave(v int) {
	s.all[v].standing = Out
	for i := range s.all {
		if one := &s.all[i]; one.standing == Worse && one.by == v {
			one.standing, one.by = Playing, -1
		}
	}
}

// Rounds is in how many rounds a variant has a value.
func (s *Search) Rounds(v int) int { return len(s.all[v].values) }

// Meets says whether a variant meets the condition. One that does not leaves the search.
func (s *Search) Meets(v int, c Condition) {
	s.all[v].condition = c
	if c == Unmet {
		s.Leave(v)
	}
}

// Round adds a round that some variants were to play, and finds who is worse. One of them without a value was not
// played any more, or its value is not known.
func (s *Search) Round(playing []int, values map[int]float64) {
	s.rounds++
	for v := range s.all {
		one := &s.all[v]
		switch plays := slices.Contains(playing, v); {
		case one.standing == Aside && plays:
			one.standing = Playing
		case one.standing == Playing && !plays:
			one.standing = Aside
		}
		if x, known := values[v]; known {
			one.values[s.rounds] = x
		}
	}
	s.look(false)
}

// look tests every variant that has played enough rounds since its last test; at the end all of them.
func (s *Search) look(end bool) {
	leader := s.Leader()
	if leader < 0 {
		return
	}
	for v := range s.all {
		if v == leader || s.all[v].standing != Playing {
			continue
		}
		n := s.common(leader, v)
		if n < s.due(v) && (!end || n <= s.all[v].looked || !s.decides(n, s.all[v].looks+1)) {
			continue
		}
		one := &s.all[v]
		one.looks, one.looked = one.looks+1, n
		one.p = s.behind(leader, v)
		if one.p <= s.level(one.looks) {
			one.standing, one.by = Worse, leader
		}
	}
}

// level is the probability of an error that the n-th look at a variant may have.
func (s *Search) level(look int) float64 {
	return (1 - stats.Level) / float64(len(s.all)) * stats.Share(look)
}

// decides says whether a test of n pairs can be that certain at all: the best that it can find is n times the same
// side.
func (s *Search) decides(n, look int) bool { return math.Pow(2, float64(-n)) <= s.level(look) }

// due is the number of rounds together with the leader at which a variant is tested next.
func (s *Search) due(v int) int {
	one := s.all[v]
	n := 1
	if one.looks > 0 {
		n = stats.NextLook(one.looked)
	}
	for !s.decides(n, one.looks+1) {
		n++
	}
	return n
}

// pairs are the values of two variants in the rounds that both have.
func (s *Search) pairs(a, b int) (x, y []float64) {
	for r := 1; r <= s.rounds; r++ {
		p, ok := s.all[a].values[r]
		q, both := s.all[b].values[r]
		if ok && both {
			x, y = append(x, p), append(y, q)
		}
	}
	return x, y
}

// common is the number of rounds that two variants have both.
func (s *Search) common(a, b int) int {
	x, _ := s.pairs(a, b)
	return len(x)
}

// shift is how far the values of b lie from those of a, round by round.
func (s *Search) shift(a, b int, confidence float64) (stats.Shift, bool) {
	x, y := s.pairs(a, b)
	test := stats.Paired
	if s.mean {
		test = stats.PairedMeans
	}
	out, err := test(x, y, confidence)
	return out, err == nil
}

// behind is the probability that b is behind a as far as it is, or farther, if both are equal.
func (s *Search) behind(a, b int) float64 {
	d, ok := s.shift(a, b, stats.Level)
	switch {
	case !ok:
		return 1
	case s.sign > 0:
		return d.Down
	}
	return d.Up
}

// lag is how far b is behind a, by the median or the mean of the rounds that both have; below 0 if it is ahead.
func (s *Search) lag(a, b int) float64 {
	x, y := s.pairs(a, b)
	if len(x) == 0 {
		return math.Inf(1)
	}
	for i := range y {
		y[i] = s.sign * (x[i] - y[i])
	}
	if s.mean {
		return stats.Mean(y)
	}
	return stats.Median(y)
}

// Leader is the variant that is ahead of the others among those that play and meet the condition; -1 if there is none.
func (s *Search) Leader() int {
	leader := -1
	for v, one := range s.all {
		if one.standing != Playing || one.condition != Met || len(one.values) == 0 {
			continue
		}
		if leader < 0 || s.lag(leader, v) < 0 {
			leader = v
		}
	}
	return leader
}

// with are the variants of a standing.
func (s *Search) with(standing Standing) []int {
	var out []int
	for v, one := range s.all {
		if one.standing == standing {
			out = append(out, v)
		}
	}
	return out
}

// Next are the variants that play the next round; none if the search is over. Left is the time that remains, and cost
// what a variant takes in a round.
func (s *Search) Next(left time.Duration, cost func(v int) time.Duration) []int {
	playing := s.with(Playing)
	leader := s.Leader()
	switch {
	case s.rounds >= mostRounds:
		return nil
	case len(playing) == 1 && leader >= 0:
		return s.recall(leader, left, cost)
	case len(playing) < 2:
		return nil
	}
	if leader >= 0 && len(playing) > 2 && s.rounds-s.rung > 1 && !s.fits(leader, playing, left, cost) {
		s.halve(leader, playing, left, cost)
		playing = s.with(Playing)
	}
	if whole(playing, cost) > left {
		return nil
	}
	return playing
}

// whole is the time of a round.
func whole(playing []int, cost func(v int) time.Duration) (d time.Duration) {
	for _, v := range playing {
		d += cost(v)
	}
	return d
}

// fits says whether the time suffices for all to reach their next look.
func (s *Search) fits(leader int, playing []int, left time.Duration, cost func(v int) time.Duration) bool {
	most := 0
	var need time.Duration
	for _, v := range playing {
		if v != leader {
			n := max(1, s.due(v)-s.common(leader, v))
			most = max(most, n)
			need += time.Duration(n) * cost(v)
		}
	}
	return need+time.Duration(most)*cost(leader) <= left
}

// halve sets aside variants of the half that is farther behind, the last ones first, until the time suffices for the
// others. A variant is set aside only if it is behind in nearly all rounds.
func (s *Search) halve(leader int, playing []int, left time.Duration, cost func(v int) time.Duration) {
	order := slices.DeleteFunc(slices.Clone(playing), func(v int) bool { return v == leader })
	s.nearest(leader, order)
	for i := len(order) - 1; i >= len(order)-len(playing)/2; i-- {
		v := order[i]
		if s.common(leader, v) < fewestAside || s.behind(leader, v) > asideP {
			continue
		}
		s.all[v].standing, s.rung = Aside, s.rounds
		if s.fits(leader, s.with(Playing), left, cost) {
			return
		}
	}
}

// nearest sorts variants by how far they are behind.
func (s *Search) nearest(leader int, order []int) {
	lag := map[int]float64{}
	for _, v := range order {
		lag[v] = s.lag(leader, v)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case lag[a] < lag[b]:
			return -1
		case lag[a] > lag[b]:
			return 1
		}
		return 0
	})
}

// recall lets those play again that were set aside, the nearest first, as many as can reach a look in the time left.
func (s *Search) recall(leader int, left time.Duration, cost func(v int) time.Duration) []int {
	order := s.with(Aside)
	s.nearest(leader, order)
	playing := []int{leader}
	for _, v := range order {
		if more := append(slices.Clone(playing), v); s.fits(leader, more, left, cost) {
			playing = more
			s.all[v].standing = Playing
		}
	}
	if len(playing) == 1 {
		return nil
	}
	slices.Sort(playing)
	return playing
}
