package fleet

import (
	"fmt"
	"slices"
	"time"
)

// Board is what a coordinator knows of the jobs of its run.
type Board struct {
	Jobs     []*Posted
	byID     map[string]*Posted
	boxes    map[string]Box
	assigned map[string]Assignment
	settled  int
}

// Posted is a job with what became of it.
type Posted struct {
	Job
	Queue    string // of its demand
	Settled  bool   // its result is stored
	Attempts []*Attempt
	offered  bool // it was put into its queue, or was found there
	missed   int  // how often it was not found there since
}

// Attempt is one play of a job.
type Attempt struct {
	ID     string
	Box    Box
	Number int       // from 1, in the order in which they began
	Began  time.Time // by the broker's clock
	Over   string    // why it ended without a result; empty: it is under way, or has a result
}

// MostAttempts limits how often a job is begun whose attempts end without a result: it would take down one box after
// another.
const MostAttempts = 10

// NewBoard puts up the jobs of a run.
func NewBoard(jobs []Job) *Board {
	b := &Board{byID: map[string]*Posted{}, boxes: map[string]Box{}, assigned: map[string]Assignment{}}
	for _, j := range jobs {
		p := &Posted{Job: j, Queue: j.Demand().Queue()}
		b.Jobs = append(b.Jobs, p)
		b.byID[j.ID] = p
	}
	return b
}

// Job is the job of an id; nil: there is none.
func (b *Board) Job(id string) *Posted { return b.byID[id] }

// Meet notes what a box says of itself, and reports whether that may change where jobs can play.
func (b *Board) Meet(box Box) bool {
	before, known := b.boxes[box.ID()]
	box.Drained = b.assigned[box.ID()].Drained == box.Instance
	b.boxes[box.ID()] = box
	return !known || before.Instance != box.Instance || before.Left != box.Left || before.Drained != box.Drained ||
		!slices.Equal(before.Profiles, box.Profiles)
}

// Assign notes what the broker keeps for a box, and reports whether that may change where jobs can play.
func (b *Board) Assign(id string, a Assignment) bool {
	before := b.assigned[id]
	b.assigned[id] = a
	if box, known := b.boxes[id]; known {
		box.Drained = a.Drained == box.Instance
		b.boxes[id] = box
	}
	return before.Drained != a.Drained || !slices.Equal(before.Queues, a.Queues)
}

// Begin notes the beginning of an attempt. The attempt of an earlier worker of the same box has ended: a box has one
// worker.
func (p *Posted) Begin(id string, box Box, at time.Time) *Attempt {
	for _, a := range p.Attempts {
		if a.Over == "" && a.Box.ID() == box.ID() && a.Box.Instance != box.Instance {
			a.Over = "its worker was started again"
		}
	}
	a := &Attempt{ID: id, Box: box, Number: len(p.Attempts) + 1, Began: at}
	p.Attempts = append(p.Attempts, a)
	return a
}

// Attempt is the attempt of an id; nil: it has not begun.
func (p *Posted) Attempt(id string) *Attempt {
	i := slices.IndexFunc(p.Attempts, func(a *Attempt) bool { return a.ID == id })
	if i < 0 {
		return nil
	}
	return p.Attempts[i]
}

// Moves are what brings the queues in line with the boxes.
type Moves struct {
	Queues []string // that have to be there
	Assign map[string]Assignment
	Offer  []*Posted
	GiveUp []*Posted
	Skip   []Lost
}

// Lost is a job whose box will not play it any more.
type Lost struct {
	Job *Posted
	Why string
}

// Patience is how long a box that gives no sign of life may be away before its jobs are skipped: a network that is cut
// comes back.
const Patience = 5 * time.Minute

// mostQueues limits the queues that a box asks: of the oldest nothing is left to play.
const mostQueues = 64

// oftenMissed is how often a job must not be found in its queue before it is offered again: a box may have played it
// whose word of that has not come yet.
const oftenMissed = 2

// Arrange finds the moves at a time of the broker's clock. Queued are the ids of the jobs that are in a queue, waiting
// or under way. A job that is under way on a box that is there is left alone: it ends by itself, or its queue offers
// it again when the box stops answering for it.
func (b *Board) Arrange(now time.Time, queued map[string]bool) Moves {
	m := Moves{Assign: map[string]Assignment{}}
	demands := map[string]Demand{} // of the queues of jobs that may have to be played
	var waiting []*Posted          // not in a queue, and not under way
	for _, p := range b.Jobs {
		if p.Settled {
			continue
		}
		if why := b.lost(p, now); why != "" && !b.underWay(p, now) {
			m.Skip = append(m.Skip, Lost{p, why})
			continue
		}
		if _, known := demands[p.Queue]; !known {
			demands[p.Queue] = p.Demand()
		}
		switch {
		case b.underWay(p, now):
		case len(p.Attempts) >= MostAttempts:
			m.GiveUp = append(m.GiveUp, p)
		case queued[p.ID]:
			p.offered, p.missed = true, 0
		default:
			waiting = append(waiting, p)
		}
	}
	able := map[string]bool{}
	for queue, d := range demands {
		if able[queue] = b.assign(m.Assign, queue, d, now); able[queue] {
			m.Queues = append(m.Queues, queue)
		}
	}
	slices.Sort(m.Queues)
	for _, p := range waiting {
		if !able[p.Queue] {
			continue
		}
		if p.missed++; p.offered && p.missed < oftenMissed {
			continue
		}
		p.offered, p.missed = true, 0
		m.Offer = append(m.Offer, p)
	}
	return m
}

// assign notes for which boxes the broker has to keep something else, so that those ask a queue that can meet its
// demand, and no others. It says whether there is such a box.
func (b *Board) assign(to map[string]Assignment, queue string, d Demand, now time.Time) (some bool) {
	for id, box := range b.boxes {
		if !box.Here(now) {
			continue
		}
		can := box.Cannot(d) == ""
		some = some || can
		a, changed := to[id]
		if !changed {
			a = b.assigned[id]
		}
		if slices.Contains(a.Queues, queue) == can {
			continue
		}
		if can {
			a.Queues = append(slices.Clone(a.Queues[max(0, len(a.Queues)+1-mostQueues):]), queue)
		} else {
			a.Queues = slices.DeleteFunc(slices.Clone(a.Queues), func(q string) bool { return q == queue })
		}
		to[id] = a
	}
	return some
}

// lost says why the box that must play a job will not play it; empty: it may still.
func (b *Board) lost(p *Posted, now time.Time) string {
	if p.Box == "" {
		return ""
	}
	demand := p.Demand()
	demand.Servers = nil // a server that does not answer may do so again
	why := "it is not in the fleet"
	for _, box := range b.boxes {
		away := now.Sub(box.Seen)
		switch {
		case box.Name != p.Box:
		case box.Left && away >= Pulse: // what it played until then has arrived
			why = "it left the fleet before"
		case !box.Left && away >= Patience:
			why = fmt.Sprintf("it has not been seen for %v", away.Truncate(time.Minute))
		case !box.Here(now):
			return ""
		default:
			if why = box.Cannot(demand); why == "" {
				return ""
			}
		}
	}
	return "box " + p.Box + " did not play it: " + why
}

// underWay says whether a box that is there plays the job.
func (b *Board) underWay(p *Posted, now time.Time) bool {
	return slices.ContainsFunc(p.Attempts, func(a *Attempt) bool {
		box, known := b.boxes[a.Box.ID()]
		return a.Over == "" && known && box.Here(now) && box.Instance == a.Box.Instance
	})
}

// Settle notes that a job has its result.
func (b *Board) Settle(p *Posted) {
	if !p.Settled {
		p.Settled = true
		b.settled++
	}
}

// Settled is how many jobs have their result.
func (b *Board) Settled() int { return b.settled }

// Tell says what became of the attempts beside the one that counts; empty: there is none.
func (p *Posted) Tell(counts *Attempt) string {
	text := ""
	for _, a := range p.Attempts {
		if a == counts {
			continue
		}
		why := a.Over
		if why == "" {
			why = "its result did not come first"
		}
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("attempt %d on box %s does not count: %s", a.Number, a.Box.Name, why)
	}
	return text
}
