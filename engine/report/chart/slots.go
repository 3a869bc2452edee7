package chart

import (
	"fmt"
	"slices"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// slot is a turn of the scenario, the same in every repeat, or several neighbouring turns of one phase if a run has
// more turns than a chart has room for.
type slot struct {
	conversation, step, phase string
	turn                      int // within the step
	turns                     int // number of turns in this slot
	index                     int // number of the first of them in the cell, from 1
	requests                  []*event.Request
	warmups                   []*event.Request
}

func (p slot) name() string {
	name := p.conversation + "/" + p.step
	if p.turn > 1 {
		name += fmt.Sprintf(" turn %d", p.turn)
	}
	if p.turns > 1 {
		name += fmt.Sprintf(" and %d more", p.turns-1)
	}
	return name
}

type slotKey struct {
	conversation, step string
	turn               int
}

// slotsOf lists the turns of a cell in the order played, as at most limit slots with at least one for each phase of a
// conversation.
func slotsOf(c *metrics.Cell, limit int) []slot {
	at := map[slotKey]int{}
	var out []slot
	for _, pass := range c.Passes() {
		for _, q := range slices.SortedStableFunc(slices.Values(pass),
			func(a, b *event.Request) int { return int(a.Due - b.Due) }) {
			if metrics.Cancelled(q) {
				continue
			}
			k := slotKey{q.Conversation, q.Step, q.Turn}
			i, ok := at[k]
			if !ok {
				i = len(out)
				at[k] = i
				out = append(out, slot{conversation: q.Conversation, step: q.Step, phase: q.Phase, turn: q.Turn, turns: 1,
					index: i + 1})
			}
			if q.Warmup {
				out[i].warmups = append(out[i].warmups, q)
			} else {
				out[i].requests = append(out[i].requests, q)
			}
		}
	}
	return crowd(out, limit)
}

// crowd merges neighbours until there are no more slots than the limit. Turns of different phases and conversations
// are not merged.
func crowd(all []slot, limit int) []slot {
	if len(all) <= limit {
		return all
	}
	size := (len(all) + limit - 1) / limit
	var out []slot
	for _, p := range all {
		if n := len(out); n > 0 && out[n-1].turns < size && out[n-1].phase == p.phase &&
			out[n-1].conversation == p.conversation {
			last := &out[n-1]
			last.turns++
			last.requests = append(last.requests, p.requests...)
			last.warmups = append(last.warmups, p.warmups...)
			continue
		}
		out = append(out, p)
	}
	return out
}

// reading is one value and its repeat.
type reading struct {
	repeat int
	value  float64
}

// readings are the known values of a metric at a slot.
func readings(c *metrics.Cell, d *metrics.Def, q []*event.Request) []reading {
	var out []reading
	for _, q := range q {
		if v, ok := d.Each(c, q).Number(); ok {
			out = append(out, reading{q.Repeat, v})
		}
	}
	return out
}

// sortedValues are the values alone, in ascending order.
func sortedValues(all []reading) []float64 {
	out := make([]float64, 0, len(all))
	for _, r := range all {
		out = append(out, r.value)
	}
	slices.Sort(out)
	return out
}

// sorted is a copy in ascending order.
func sorted(v []float64) []float64 { return slices.Sorted(slices.Values(v)) }
