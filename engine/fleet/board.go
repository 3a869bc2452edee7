package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Board is what a coordinator knows of the jobs of its run.
type Board struct {
	Jobs  []*Posted
	boxes map[string]Box
}

// Posted is a job with what became of it.
type Posted struct {
	Job
	Set      string // whose queue it is in; empty: in none
	Settled  bool   // its result is stored
	Attempts []*Attempt
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
	b := &Board{boxes: map[string]Box{}}
	for _, j := range jobs {
		b.Jobs = append(b.Jobs, &Posted{Job: j})
	}
	return b
}

// Job is the job of an id; nil: there is none.
func (b *Board) Job(id string) *Posted {
	i := slices.IndexFunc(b.Jobs, func(p *Posted) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return b.Jobs[i]
}

// Meet notes what a box says of itself, and reports whether that may change where jobs can play.
func (b *Board) Meet(box Box) bool {
	before, known := b.boxes[box.ID()]
	b.boxes[box.ID()] = box
	return !known || before.Instance != box.Instance || before.Left != box.Left || before.Drained != box.Drained ||
		!slices.Equal(before.Profiles, box.Profiles)
}

// Boxes are the boxes that are known, by their ids.
func (b *Board) Boxes() []Box {
	return slices.SortedFunc(maps.Values(b.boxes), func(x, y Box) int { return strings.Compare(x.ID(), y.ID()) })
}

// Begin notes the beginning of an attempt.
func (p *Posted) Begin(id string, box Box, at time.Time) *Attempt {
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
	Withdraw []Move
	Offer    []Move
	GiveUp   []*Posted
}

// Move is a job and the set whose queue it leaves or enters.
type Move struct {
	Job *Posted
	Set Set
}

// Arrange finds the moves at a time of the broker's clock. Queued are the ids of the jobs that are in a queue, waiting
// or under way. A job that is under way on a box that is there is left alone: it ends by itself, or its queue offers
// it again when the box stops answering for it.
func (b *Board) Arrange(now time.Time, queued map[string]bool) (m Moves) {
	boxes := b.Boxes()
	for _, p := range b.Jobs {
		switch {
		case p.Settled || b.underWay(p, now):
			continue
		case len(p.Attempts) >= MostAttempts:
			m.GiveUp = append(m.GiveUp, p)
			continue
		}
		want := SetFor(p.Job, boxes, now)
		if p.Set != "" && p.Set != want.Name && queued[p.ID] {
			m.Withdraw = append(m.Withdraw, Move{p, Set{Name: p.Set}})
		}
		if want.Name != "" && (p.Set != want.Name || !queued[p.ID]) {
			m.Offer = append(m.Offer, Move{p, want})
		}
	}
	return m
}

// underWay says whether a box that is there plays the job.
func (b *Board) underWay(p *Posted, now time.Time) bool {
	return slices.ContainsFunc(p.Attempts, func(a *Attempt) bool {
		box, known := b.boxes[a.Box.ID()]
		return a.Over == "" && known && box.Here(now) && box.Instance == a.Box.Instance
	})
}

// Settled is how many jobs have their result.
func (b *Board) Settled() (n int) {
	for _, p := range b.Jobs {
		if p.Settled {
			n++
		}
	}
	return n
}

// Tell says what became of the attempts before the one that counts; empty: there were none.
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
