package metrics

import (
	"reflect"

	"homellm/engine/event"
)

// attained says whether a turn met an objective.
type attained struct {
	met, unknown, unsupported bool
	why                       string // it is unknown
}

// HasAttained reports whether the fold already has what an event says.
func (c *Cell) HasAttained(b event.Attained) bool {
	last, ok := c.judged[judgedOf{b.Objective, b.Repeat}]
	return ok && reflect.DeepEqual(last, canonicalAttained(b))
}

// judgedOf names an objective in one repeat.
type judgedOf struct {
	objective string
	repeat    int
}

// attain folds what is known of one objective in one repeat.
func (c *Cell) attain(b event.Attained) {
	if c.judged == nil {
		c.judged = map[judgedOf]event.Attained{}
	}
	c.judged[judgedOf{b.Objective, b.Repeat}] = canonicalAttained(b)
	c.attained = nil
}

// attainedBy finds what is known of every turn that was judged.
func (c *Cell) attainedBy(objective string) map[*event.Request]attained {
	if of := c.attained[objective]; of != nil {
		return of
	}
	of := map[*event.Request]attained{}
	set := func(turns []int, a attained) {
		for _, n := range turns {
			if n > 0 && n <= len(c.Requests) {
				of[c.Requests[n-1]] = a
			}
		}
	}
	for at, b := range c.judged {
		if at.objective != objective {
			continue
		}
		for _, q := range c.Measured(Group{Repeat: at.repeat}) {
			of[q] = attained{met: true}
		}
		set(b.Missed, attained{})
		for _, u := range b.Unknown {
			set(u.Turns, attained{unknown: true, unsupported: u.Unsupported, why: u.Why})
		}
	}
	if c.attained == nil {
		c.attained = map[string]map[*event.Request]attained{}
	}
	c.attained[objective] = of
	return of
}
