package tune

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Objective is the figure that is to be as good as possible.
type Objective struct {
	Name string // with its statistic, such as steps.q.ttft_ms.p50
	Def  *metrics.Def

	path string // without the statistic
	mean bool
}

// ObjectiveOf reads the name of a figure, or says what is wrong with it and what helps.
func ObjectiveOf(name string) (o Objective, wrong, help string) {
	path, stat, ok := metrics.CutStat(name)
	if !ok {
		path = name
	}
	def, found := metrics.OfPath(path)
	switch {
	case found && !ok:
		return o, name + " has no statistic", "write " + name + ".p50"
	case !found:
		return o, path + " has no value for each repeat, so that rounds cannot be compared by it",
			"name a figure of a step, a phase, a conversation or the run, such as steps.q.ttft_ms.p50"
	case def.Better == 0:
		return o, def.Name + " does not say which direction is better", "name a figure with one, such as ttft_ms, tpot_ms " +
			"or output_tps"
	case stat != "p50" && stat != "mean":
		return o, "rounds are compared by their median or their mean, and not by " + stat, "write " + path + ".p50"
	}
	return Objective{Name: name, Def: def, path: path, mean: stat == "mean"}, "", ""
}

// Trial is the search among the cells of a run. It knows nothing that is not in the fold, so that the fold of a journal
// gives the same outcome as the run that wrote it.
type Trial struct {
	Objective Objective
	Search    event.Search
	Cells     []string // ids, in the order of the plan
	// says whether a cell meets the condition; looks are the numbers of repeats at each judgement, including this one;
	// nil: there is no condition
	Holds func(f *metrics.Run, cell string, looks stats.Looks) (c Condition, why string)

	search  *Search
	seen    int         // rounds of the fold that have been searched
	looks   stats.Looks // at the conditions, in repeats
	why     map[int]string
	played  map[int]int // rounds that a variant was to play
	decided map[string]string
}

// Next says who plays the next round. It is over if nobody does; then Over has every cell.
func (t *Trial) Next(f *metrics.Run, spent time.Duration, cost func(cell string) time.Duration) (cells []string,
	met map[string]string, over map[string]string) {
	t.follow(f)
	who := t.search.Next(t.Search.Budget-spent, t.costs(cost))
	if len(who) == 0 {
		t.judge(f, true)
		end := t.search.End()
		over = map[string]string{}
		for v, p := range end.Places {
			over[t.Cells[v]] = stopped(end, v, p)
		}
		return nil, nil, over
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(f.Started.ID)) // a hash does not fail
	random := rand.New(rand.NewPCG(sum.Sum64(), uint64(t.seen)))
	random.Shuffle(len(who), func(i, j int) { who[i], who[j] = who[j], who[i] })
	for _, v := range who {
		cells = append(cells, t.Cells[v])
	}
	return cells, t.decided, nil
}

// stopped is why a variant is not played any more, for its cell.
func stopped(end Result, v int, p Place) string {
	switch {
	case p.Standing == Worse || p.Standing == Out:
		return string(p.Standing)
	case v == end.Winner:
		return "certain"
	}
	return "budget"
}

// costs are the durations of rounds of the variants; of one that was not played, their average.
func (t *Trial) costs(of func(cell string) time.Duration) func(v int) time.Duration {
	known, n := time.Duration(0), 0
	for _, id := range t.Cells {
		if d := of(id); d > 0 {
			known, n = known+d, n+1
		}
	}
	return func(v int) time.Duration {
		if d := of(t.Cells[v]); d > 0 || n == 0 {
			return d
		}
		return known / time.Duration(n)
	}
}

// follow searches the rounds of a fold that are new.
func (t *Trial) follow(f *metrics.Run) {
	if t.search == nil {
		t.search = New(len(t.Cells), t.Objective.Def.Better, t.Objective.mean)
		t.why, t.played = map[int]string{}, map[int]int{}
		for v := range t.Cells {
			if t.Holds != nil {
				t.search.Meets(v, Undecided)
			}
			if c := f.Cell(t.Cells[v]); c != nil && c.Planned.Skip != "" {
				t.why[v] = c.Planned.Skip
				t.search.Leave(v)
			}
		}
	}
	for ; t.seen < len(f.Rounds); t.seen++ {
		round := f.Rounds[t.seen]
		if at := (round.N - 1) * t.Search.Visit; len(round.Conditions) > 0 && !slices.Contains(t.looks, at) {
			t.looks = append(t.looks, at)
		}
		for v, id := range t.Cells {
			if c, ok := round.Conditions[id]; ok {
				t.search.Meets(v, Condition(c))
			}
		}
		var playing []int
		values := map[int]float64{}
		for _, id := range round.Cells {
			v := slices.Index(t.Cells, id)
			if v < 0 {
				continue
			}
			playing = append(playing, v)
			t.played[v]++
			if x, why := t.value(f, v, round.N); why == "" {
				values[v] = x
			} else {
				t.why[v] = why
			}
		}
		t.search.Round(playing, values)
		t.leave(f)
	}
	t.judge(f, false)
}

// leave takes out who did not start, whose requests fail more often than the scenario allows, and who has no value
// after two rounds.
func (t *Trial) leave(f *metrics.Run) {
	for v, id := range t.Cells {
		c := f.Cell(id)
		switch {
		case c == nil:
		case t.seen < len(f.Rounds)-1: // whether it has failed by then is not known any more
		case c.Failed != nil:
			t.why[v] = c.Failed.Err
			t.search.Leave(v)
		case c.Done != nil && c.Done.Err != "":
			t.why[v] = c.Done.Err
			t.search.Leave(v)
		case t.Objective.Def.Name != "error_rate" && c.OverBudget() != "":
			t.why[v] = c.OverBudget()
			t.search.Leave(v)
		case t.played[v] >= 2 && t.search.Rounds(v) == 0:
			t.search.Leave(v)
		}
	}
}

// value is the figure of a variant in a round, or why there is none.
func (t *Trial) value(f *metrics.Run, v, round int) (x float64, why string) {
	c := f.Cell(t.Cells[v])
	if c == nil || c.Started == nil {
		return 0, "it was not started"
	}
	first, last := (round-1)*t.Search.Visit+1, round*t.Search.Visit
	failed := 0
	for n := first; n <= last; n++ {
		failed += metrics.CountFailed(c.Measured(metrics.Group{Repeat: n}))
	}
	if failed > 0 && t.Objective.Def.Name != "error_rate" {
		return 0, fmt.Sprintf("%d requests failed in round %d", failed, round) // the others may look better than they are
	}
	s := c.Sample(t.Objective.path)
	var own []float64
	for i, n := range s.Repeats {
		if first <= n && n <= last {
			own = append(own, s.Values[i])
		}
	}
	switch {
	case len(own) < t.Search.Visit && s.Why != "":
		return 0, s.Why
	case len(own) < t.Search.Visit:
		return 0, fmt.Sprintf("it was not measured in round %d", round)
	case t.Objective.mean:
		return stats.Mean(own), ""
	}
	return stats.Median(own), ""
}

// judge finds who meets the condition, after few rounds often and later seldom, because each further look must be more
// certain; and at the end.
func (t *Trial) judge(f *metrics.Run, end bool) {
	t.decided = nil
	repeats, next := t.seen*t.Search.Visit, 1
	if n := len(t.looks); n > 0 {
		if next = stats.NextLook(t.looks[n-1]); end {
			next = t.looks[n-1] + 1
		}
	}
	if t.Holds == nil || repeats < next {
		return
	}
	t.looks = append(t.looks, repeats)
	t.decided = map[string]string{}
	for v, id := range t.Cells {
		if one := t.search.all[v]; len(one.values) == 0 || one.standing == Out || one.condition != Undecided {
			continue // a condition that was certain at one look is not asked for again at a stricter one
		}
		c, why := t.Holds(f, id, t.looks)
		t.decided[id] = string(c)
		t.search.Meets(v, c)
		t.why[v] = why
	}
}
