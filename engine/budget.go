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

// Budget lets a run play more repeats than the scenario says: until every gate is certain or the time
// is used up. The planned repeats are played whatever they take.
type Budget struct {
	Time time.Duration // from the start of the run, earlier parts of a resumed one included; 0: none

	// Judge tells what is not certain yet of cells that are compared with each other, at these
	// looks. Such cells differ in nothing but their server and are played on in turn, equally often.
	// Nil: nothing is compared, and each cell is judged by its own assertions.
	Judge func(f *metrics.Run, cells []string, looks stats.Looks) []judge.Doubt
}

// mostRepeats bounds what a budget adds: more repeats than that would not make a gate certain.
const mostRepeats = 1000

// Why no more repeats were played than a cell has.
const (
	stoppedCertain = "certain" // every gate is
	stoppedBudget  = "budget"  // the next repeat might not have fitted
	stoppedMost    = "maximum" // mostRepeats were played
	stoppedPartner = "partner" // the cell that it is compared with failed
	stoppedEarly   = "ended"   // the run ended
)

// group is a set of cells that are played on together.
type group struct {
	cells   []int
	planned int // repeats of each cell
	extra   int // that were added to each
	waiting int // cells that have not played their planned repeats
	looks   stats.Looks
	doubts  []judge.Doubt
	broken  bool // a cell of it failed
	stopped string
}

func (g *group) repeats() int { return g.planned + g.extra }

// next is how many repeats there are at the next look.
func (g *group) next() int { return stats.NextLook(g.looked()) }

// looked is how many there were at the latest one.
func (g *group) looked() int { return g.looks[len(g.looks)-1] }

// most is how uncertain the group is: what its least certain gate would take.
func (g *group) most() int {
	n := 0
	for _, d := range g.doubts {
		n = max(n, d.More)
	}
	return n
}

// groups sorts the playable cells into groups: cells that are compared share one.
func (r *run) groups(playable []int) []*group {
	var out []*group
	by := map[string]*group{}
	for _, i := range playable {
		c := r.plan.Cells[i]
		key := c.ID
		if r.budget.Judge != nil {
			key = apartFromServer(c)
		}
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

func apartFromServer(c *dsl.Cell) string {
	var b strings.Builder
	for _, l := range c.Labels {
		if l.Name != "server" {
			fmt.Fprintf(&b, "%q=%q ", l.Name, l.Value)
		}
	}
	return b.String()
}

// spend plays on after the planned repeats, as long as the budget lasts.
//
// Certain groups are finished. Of the others the one that has been looked at least often is played
// next, and of those the least certain one, so that a gate that cannot become certain does not use up
// the time of those that can. Where the scenario wants its cells in turn, no group is a round
// ahead of another; else a group is played until its next look, so that a server that is started
// for it is started rarely.
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

// round plays every cell of a group once more, if that fits, and assesses the group when it has
// grown enough. The direction alternates as it does in the order abba.
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
			s.looks = append(slices.Clone(g.looks), g.repeats()) // should it be judged before the next look
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

// needs is how long a pass of a cell may take: as long as its longest so far, with the opening of
// its server where that has been closed.
func (r *run) needs(cell int) time.Duration {
	t := r.took[cell]
	need := t.pass
	if !r.isOpen(cell) {
		need += t.open
	}
	return need
}

// assess finds out what is not certain of a group, and finishes it if that is nothing.
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
		for _, i := range g.cells {
			g.doubts = append(g.doubts, r.sessions[i].judge.Doubts(f, g.looks)...)
		}
	})
	if len(g.doubts) == 0 {
		return r.finishGroup(g, stoppedCertain)
	}
	return nil
}

// finishGroup finishes the cells of a group. If it has grown since the latest look, judging it is
// another one.
func (r *run) finishGroup(g *group, why string) error {
	g.stopped = why
	switch {
	case g.extra == 0:
		g.looks = nil // nothing that was seen has decided how much was played
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

// tell says how many repeats were played, and why no more.
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

// finishAll finishes what has played its planned repeats when the run ends before its budget.
func (r *run) finishAll(groups []*group) {
	for _, g := range groups {
		if g.stopped == "" && g.waiting == 0 {
			_ = r.finishGroup(g, stoppedEarly) // --fail-fast has nothing left to end
		}
	}
}
