package dsl

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"homellm/engine/text"
)

// Play is the order in which the conversations of a repeat are played.
type Play string

// The orders. The zero value is the first.
const (
	OneByOne Play = ""         // each conversation to its end, then the next
	ByTurn   Play = "by_turn"  // one turn of each conversation, then the next turn of each
	Together Play = "together" // the users at the same time, each with one conversation after another
)

// plays lists the orders by their names in files.
var plays = map[string]Play{"sequential": OneByOne, "by_turn": ByTurn, "together": Together}

// Part is a conversation of the scenario as played by one user.
type Part struct {
	User         int // from 1; 0: the scenario has no users
	Conversation *Conversation
}

// Lanes returns the parts of a repeat by lane. The parts of a lane are played one after another, in this order. A user
// who plays together with others is a lane; if the scenario has no users, each conversation is one.
func (s *Scenario) Lanes() [][]Part {
	var all []Part
	for user := min(1, s.Run.Users); user <= s.Run.Users; user++ {
		for _, c := range s.Conversations {
			all = append(all, Part{user, c})
		}
	}
	switch {
	case s.Run.Play == OneByOne:
		return [][]Part{all}
	case s.Run.Play == Together && s.Run.Users > 0:
		return slices.Collect(slices.Chunk(all, len(s.Conversations)))
	}
	lanes := make([][]Part, len(all))
	for i, part := range all {
		lanes[i] = []Part{part}
	}
	return lanes
}

// AtOnce reports whether several requests are under way at the same time.
func (s *Scenario) AtOnce() bool { return s.Run.Play == Together && len(s.Lanes()) > 1 }

// Who says who plays at the same time, such as "4 users".
func (s *Scenario) Who() string {
	if s.Run.Users == 0 {
		return text.Plural(len(s.Conversations), "conversation")
	}
	return text.Plural(s.Run.Users, "user")
}

// Race is why the ceiling of a prompt is unknown where [Scenario.Raced].
const Race = "users who play at the same time share prefixes, and whose prompt is computed first is unknown"

// Raced reports whether what a prompt finds in the cache depends on which of several requests under way is computed
// first.
func (s *Scenario) Raced() bool {
	apart := s.Run.Cache == BySalt && (s.Run.Scope == OfConversation || s.Run.Scope == OfUser && s.Run.Users > 0)
	return s.AtOnce() && !apart
}

// Parts lists the parts of the conversations with an id: one for each user and each item of its data set.
func (s *Scenario) Parts(conversation string) (out []Part) {
	for _, lane := range s.Lanes() {
		for _, part := range lane {
			if part.Conversation.ID == conversation {
				out = append(out, part)
			}
		}
	}
	return out
}

// Take plays n lanes in this order. Play plays one of them and calls turn after each of its turns; when turn returns
// Take plays n lanes in this order. Play plays one of them and calls turn after each of its turns; when turn returns
// false, the lane must end without a further turn. The first error ends all lanes. Plans and runs both call Take, so
// the planned order is the played order; lanes that a run plays together have no order, and take turns in a plan.
func (p Play) Take(n int, play func(i int, turn func() bool) error) error {
	if p != OneByOne {
		return takeTurns(n, play)
	}
	for i := range n {
		if err := play(i, func() bool { return true }); err != nil {
			return err
		}
	}
	return nil
}

// takeTurns plays one turn of each lane, then the next turn of each, until all have ended.
func takeTurns(n int, play func(i int, turn func() bool) error) error {
	type lane struct {
		next func() (struct{}, bool)
		err  error
	}
	var open []*lane
	for i := range n {
		l := &lane{}
		next, stop := iter.Pull(func(yield func(struct{}) bool) {
			l.err = play(i, func() bool { return yield(struct{}{}) })
		})
		defer stop()
		l.next = next
		open = append(open, l)
	}
	for len(open) > 0 {
		var going []*lane
		for _, l := range open {
			if _, ok := l.next(); ok {
				going = append(going, l)
			} else if l.err != nil {
				return l.err
			}
		}
		open = going
	}
	return nil
}

// plays describes the order in words.
func (r Run) plays() string {
	how := "one conversation after another"
	switch {
	case r.Play == ByTurn:
		how = "the conversations take turns"
	case r.Play == Together && r.Users == 0:
		how = "all conversations at the same time"
	}
	if r.Users > 0 {
		together := ""
		if r.Play == Together && r.Users > 1 {
			together = " at the same time"
		}
		how = text.Plural(r.Users, "user") + together + ", each with every conversation: " + how
	}
	if r.Ramp > 0 {
		how += fmt.Sprintf("; they begin within %v", r.Ramp)
	}
	if r.Think != (Think{}) {
		how += "; " + r.Think.String() + " between a reply and the next request"
	}
	return how
}

// Think is how long a user thinks between a reply and the next request. The zero value is not at all.
type Think struct {
	Mean         time.Duration
	Distribution string
	Seed         uint64
}

// The distributions.
const (
	constant    = "constant"
	exponential = "exponential"
	uniform     = "uniform" // from 0 to twice the mean
)

// Draw draws a time to think.
func (t Think) Draw(r *rand.Rand) time.Duration {
	switch t.Distribution {
	case exponential:
		return time.Duration(float64(t.Mean) * r.ExpFloat64())
	case uniform:
		return time.Duration(2 * float64(t.Mean) * r.Float64())
	}
	return t.Mean
}

func (t Think) String() string {
	if t.Distribution == constant {
		return t.Mean.String()
	}
	return fmt.Sprintf("%v on average (%s, seed %d)", t.Mean, t.Distribution, t.Seed)
}
