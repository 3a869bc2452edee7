package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Budget lets a run play more repeats than planned, until every gate is certain or the time is used up. The planned
// repeats are played however long they take.
type Budget struct {
	Time time.Duration // from the start of the run, including earlier parts of a resumed one; 0: no limit

	// Judge says what is uncertain of cells that are compared with each other, at these looks. Such cells differ only
	// in their server and are played in turn, equally often. Nil: nothing is compared, and each cell is judged by its
	// assertions.
	Judge func(f *metrics.Run, cells []string, looks stats.Looks) []judge.Doubt
}

// mostRepeats limits what a budget adds: more repeats would not make a gate certain.
const mostRepeats = 1000

// Why no more repeats of a cell were played.
const (
	stoppedCertain = "certain" // every gate is certain
	stoppedBudget  = "budget"  // the next repeat might not have fitted into the time
	stoppedMost    = "maximum" // mostRepeats were played
	stoppedPartner = "partner" // the cell that it is compared with failed
	stoppedEarly   = "ended"   // the run ended
)

// group is a set of cells that are played together.
type group struct {
	cells   []int
	planned int // repeats of each cell
	extra   int // that were added to each cell
	waiting int // cells with planned repeats left to play
	looks   stats.Looks
	doubts  []judge.Doubt
	broken  bool // one of its cells failed
	stopped string
}

func (g *group) repeats() int { return g.planned + g.extra }

// next is the number of repeats at the next look.
func (g *group) next() int { return stats.NextLook(g.looked()) }

// looked is the number of repeats at the latest look.
func (g *group) looked() int { return g.looks[len(g.looks)-1] }

// most returns how uncertain the group is: the repeats that its least certain gate needs.
func (g *group) most() int {
	n := 0
	for _, d := range g.doubts {
		n = max(n, d.More)
	}
	return n
}

// groups divides the playable cells into groups: cells that are compared share one.
func (r *run) groups(playable []int) []*group {
	var out []*group
	by := map[string]*group{}
	compared := r.plan.Paired()
	for _, i := range playable {
		c := r.plan.Cells[i]
		key := compared[c.ID]
		g := by[key]
		if g == nil {
			g = &group{planned: c.Scenario.Run.Repeats}
			by[key] = g
			out = append(out, g)
		}
		g.cells = append(g.cells, i)
		g.waiting++
	}
	return out
}

// spend plays on after the planned repeats, as long as the budget lasts.
//
// Groups whose gates are certain are finished. Of the others it plays the one with the fewest looks, and of those the
// least certain one, so that a gate that cannot become certain does not use up the others' time. If the scenario plays
// its cells in turn, no group is more than a round ahead; otherwise a group is played until its next look, so that its
// server is started rarely.
func (r *run) spend(ctx context.Context, groups []*group) error {
	inTurn := len(groups) > 0 && r.plan.Cells[groups[0].cells[0]].Scenario.Run.Order != dsl.Sequential
	var current *group
	for {
		open := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return g.stopped != "" })
		if len(open) == 0 {
			return nil
		}
		if current == nil || inTurn || current.stopped != "" || current.looked() == current.repeats() {
			current = slices.MinFunc(open, func(a, b *group) int {
				if inTurn && a.extra != b.extra {
					return a.extra - b.extra
				}
				if len(a.looks) != len(b.looks) {
					return len(a.looks) - len(b.looks)
				}
				return b.most() - a.most()
			})
		}
		if err := r.round(ctx, current); err != nil {
			return err
		}
	}
}

// round plays every cell of a group once more, if that fits, and assesses the group when it has grown enough. The
// direction alternates as in the order abba.
func (r *run) round(ctx context.Context, g *group) error {
	var need time.Duration
	for _, i := range g.cells {
		need += r.needs(i)
	}
	switch {
	case g.repeats() >= mostRepeats:
		return r.finishGroup(g, stoppedMost)
	case time.Since(r.epoch)+need > r.budget.Time:
		return r.finishGroup(g, stoppedBudget)
	}
	g.extra++
	cells := slices.Clone(g.cells)
	if g.repeats()%2 == 0 {
		slices.Reverse(cells)
	}
	var passes []pass
	for _, i := range cells {
		passes = append(passes, pass{cell: i, repeat: g.repeats()})
	}
	r.progress.extend(passes, r.epoch.Add(r.budget.Time), g.next())
	for _, p := range passes {
		if s := r.sessions[p.cell]; s != nil {
			s.looks = append(slices.Clone(g.looks), g.repeats()) // in case it is judged before the next look
		}
		failed, err := r.playPass(ctx, p, true)
		if err != nil {
			g.extra--
			return err
		}
		g.broken = g.broken || failed
	}
	if g.broken || g.repeats() >= g.next() {
		return r.assess(g)
	}
	return nil
}

// needs is how long a pass of a cell may take: as long as the longest so far, plus opening its server if that was
// closed.
func (r *run) needs(cell int) time.Duration {
	t := r.took[cell]
	need := t.pass
	if !r.isOpen(cell) {
		need += t.open
	}
	return need
}

// assess finds out which gates of a group are uncertain, and finishes the group if none is.
func (r *run) assess(g *group) error {
	if g.broken {
		return r.finishGroup(g, stoppedPartner)
	}
	g.looks = append(g.looks, g.repeats())
	g.doubts = nil
	r.out.read(func(f *metrics.Run) {
		if r.budget.Judge != nil {
			var ids []string
			for _, i := range g.cells {
				ids = append(ids, r.plan.Cells[i].ID)
			}
			g.doubts = r.budget.Judge(f, ids, g.looks)
			return
		}
		var cells []*dsl.Cell
		for _, i := range g.cells {
			g.doubts = append(g.doubts, r.sessions[i].judge.Doubts(f, g.looks)...)
			cells = append(cells, r.plan.Cells[i])
		}
		g.doubts = append(g.doubts, judge.OverallDoubts(r.plan, f, cells, g.looks)...)
	})
	if len(g.doubts) == 0 {
		return r.finishGroup(g, stoppedCertain)
	}
	return nil
}

// finishGroup finishes the cells of a group. If it has grown since the latest look, its judgement is a further look.
func (r *run) finishGroup(g *group, why string) error {
	g.stopped = why
	switch {
	case g.extra == 0:
		g.looks = nil // no look has decided how much was played
	case g.looked() != g.repeats():
		g.looks = append(g.looks, g.repeats())
	}
	var first error
	for _, i := range g.cells {
		s := r.sessions[i]
		if s == nil || r.failed[i] {
			continue
		}
		s.looks = g.looks
		s.notes.add("budget", "%s", g.tell(r.budget.Time, why))
		if err := r.finish(i, event.CellDone{Repeats: g.repeats(), Looks: g.looks, Stopped: why}); err != nil &&
			first == nil {
			first = err
		}
	}
	return first
}

// tell notes how many repeats were played, and why no more.
func (g *group) tell(budget time.Duration, why string) string {
	played := fmt.Sprintf("%d repeats were played, %d more than planned", g.repeats(), g.extra)
	if g.extra == 0 {
		played = fmt.Sprintf("the %d planned repeats were played and none was added", g.planned)
	}
	var open []string
	for _, d := range g.doubts {
		open = append(open, d.Gate)
	}
	text := map[string]string{
		stoppedCertain: "every gate is as certain as it will be",
		stoppedBudget:  "the time is used up before these are certain: " + strings.Join(open, ", "),
		stoppedMost:    "more would not help, though these are not certain: " + strings.Join(open, ", "),
		stoppedPartner: "the cell that it is compared with failed",
		stoppedEarly:   "the run was ended",
	}[why]
	return fmt.Sprintf("budget of %s: %s; %s", budget, played, text)
}

// finishAll finishes the cells with all planned repeats if the run ends before its budget.
func (r *run) finishAll(groups []*group) {
	for _, g := range groups {
		if g.stopped == "" && g.waiting == 0 {
			_ = r.finishGroup(g, stoppedEarly) // --fail-fast has nothing left to end
		}
	}
}
