package metrics

import (
	"cmp"
	"slices"

	"homellm/engine/event"
)

// index finds the requests of a cell by step, turn and pass, so that a query does not scan all of them. It grows with
// the cell.
type index struct {
	known    int            // requests that are in the index
	last     *event.Request // the last of them
	disorder bool           // one began before another that is in the index
	groups   map[Group][]*event.Request
	repeats  []int                             // measured ones
	same     map[turnOf][]*event.Request       // the requests of one turn over all repeats, in the order of the cell
	prompts  map[passOf]*event.Request         // the latest request of a pass whose prompt was counted
	before   map[*event.Request]*event.Request // the prompt before that of a request
}

// turnOf names a turn of every repeat.
type turnOf struct {
	conversation, step string
	item, turn         int
}

// passOf names one play of a conversation.
type passOf struct {
	repeat       int
	warmup       bool
	play, user   int
	conversation string
	item         int
}

// indexed brings the index up to date.
func (c *Cell) indexed() *index {
	x := &c.index
	if n := len(c.Requests); n < x.known || x.known > 0 && c.Requests[x.known-1] != x.last {
		*x = index{}
	}
	if x.groups == nil {
		x.groups, x.same = map[Group][]*event.Request{}, map[turnOf][]*event.Request{}
		x.prompts, x.before = map[passOf]*event.Request{}, map[*event.Request]*event.Request{}
	}
	for _, q := range c.Requests[x.known:] {
		x.add(q)
	}
	if x.disorder {
		for _, g := range x.groups {
			slices.SortStableFunc(g, byTime)
		}
		x.disorder = false
	}
	return x
}

func byTime(a, b *event.Request) int {
	return cmp.Or(cmp.Compare(a.Repeat, b.Repeat), cmp.Compare(a.Due, b.Due))
}

func (x *index) add(q *event.Request) {
	x.known, x.last = x.known+1, q
	turn := turnOf{q.Conversation, q.Step, q.Item, q.Turn}
	x.same[turn] = append(x.same[turn], q)
	pass := passOf{q.Repeat, q.Warmup, q.Play, q.User, q.Conversation, q.Item}
	if p := x.prompts[pass]; p != nil {
		x.before[q] = p
	}
	if !q.Prefill && q.Err == nil && q.Usage.Prompt != nil {
		x.prompts[pass] = q
	}
	if q.Warmup || Cancelled(q) {
		return
	}
	if i, found := slices.BinarySearch(x.repeats, q.Repeat); !found {
		x.repeats = slices.Insert(x.repeats, i, q.Repeat)
	}
	if all := x.groups[Group{}]; len(all) > 0 && byTime(all[len(all)-1], q) > 0 {
		x.disorder = true
	}
	groups := []Group{
		{}, {Conversation: q.Conversation}, {Conversation: q.Conversation, Step: q.Step},
		{Repeat: q.Repeat}, {Repeat: q.Repeat, Conversation: q.Conversation},
		{Repeat: q.Repeat, Conversation: q.Conversation, Step: q.Step},
		{Repeat: q.Repeat, Conversation: q.Conversation, Item: q.Item},
		{Repeat: q.Repeat, Conversation: q.Conversation, Item: q.Item, Step: q.Step},
	}
	for i, g := range groups {
		if !slices.Contains(groups[:i], g) { // a field may be empty
			x.groups[g] = append(x.groups[g], q)
		}
	}
}

// Measured returns the requests of a group, ordered by repeat and by time, without warm-ups and without those that
// the end of the run cancelled.
func (c *Cell) Measured(g Group) []*event.Request {
	x := c.indexed()
	from := g
	from.Phase, from.Turn, from.User, from.Play = "", 0, 0, 0
	if g.Conversation == "" {
		from.Step, from.Item = "", 0
	}
	if g.Repeat == 0 {
		from.Item = 0
	}
	group := x.groups[from]
	if from == g {
		return slices.Clone(group)
	}
	var out []*event.Request
	for _, q := range group {
		if (g.Item == 0 || q.Item == g.Item) && (g.Step == "" || q.Step == g.Step) && (g.Turn == 0 || q.Turn == g.Turn) &&
			(g.Phase == "" || q.Phase == g.Phase) && (g.User == 0 || q.User == g.User) &&
			(g.Play == 0 || q.Play == g.Play) {
			out = append(out, q)
		}
	}
	return out
}

// Repeats lists the numbers of the measured repeats of which at least one request ended.
func (c *Cell) Repeats() []int { return slices.Clone(c.indexed().repeats) }

// spot is the position of a step as announced in the journal.
type spot struct {
	at    int // among the steps of its conversation
	turns int
	items int // of the conversation's data set; 0: it has none
}

// spots finds the steps of the scenario by their conversation and their own name.
func (r *Run) spots() map[[2]string]spot {
	if r.steps == nil {
		r.steps = map[[2]string]spot{}
		for _, conv := range r.Started.Scenario.Conversations {
			for i, s := range conv.Steps {
				r.steps[[2]string{conv.ID, s.ID}] = spot{i, s.Turns, conv.Items}
			}
		}
	}
	return r.steps
}
