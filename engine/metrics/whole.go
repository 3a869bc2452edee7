package metrics

import (
	"fmt"
	"slices"

	"homellm/dsl/figure"
	"homellm/engine/event"
)

// cut says why a group of one repeat is incomplete, so that it has no value of a metric: not all of its turns were
// played. It is empty if they were, and for metrics that count requests and their failures.
func (c *Cell) cut(d *Def, g Group) string {
	if d.counts || c.run == nil || g.Repeat == 0 {
		return ""
	}
	if c.Windows != nil && g.Play == 0 {
		return c.cutWindow(g.Repeat)
	}
	if g.Step != "" && g.Conversation != "" {
		step := c.run.spots()[[2]string{g.Conversation, g.Step}]
		turns := c.Measured(Group{Repeat: g.Repeat, Play: g.Play, User: g.User, Conversation: g.Conversation,
			Item: g.Item})
		return c.short(g, step, g.Step, turns)
	}
	for _, conv := range c.run.Started.Scenario.Conversations {
		if g.Conversation != "" && g.Conversation != conv.ID {
			continue
		}
		of := g
		of.Conversation = conv.ID
		turns := c.Measured(Group{Repeat: g.Repeat, Play: g.Play, User: g.User, Conversation: conv.ID, Item: g.Item})
		for _, step := range conv.Steps {
			if g.Step != "" && g.Step != step.ID {
				continue
			}
			if why := c.short(of, spot{turns: step.Turns, items: conv.Items}, step.ID, turns); why != "" {
				return why
			}
		}
	}
	return ""
}

// short says why a step has fewer turns in a repeat than the scenario has for all users and items; empty if it has them
// all. Turns are those of its conversation.
func (c *Cell) short(g Group, of spot, step string, turns []*event.Request) string {
	want := of.turns
	if g.User == 0 {
		want *= max(1, c.Planned.Users)
	}
	if g.Item == 0 {
		want *= max(1, of.items)
	}
	played := len(c.Measured(Group{Repeat: g.Repeat, Play: g.Play, User: g.User, Conversation: g.Conversation,
		Item: g.Item, Step: step}))
	if played < want && c.reaches(g.Conversation, step, g.Phase, turns) {
		return cutBy(g.Repeat, turns)
	}
	return ""
}

// reaches says whether a step has turns in a phase. A phase that was never played must come after the played ones.
func (c *Cell) reaches(conversation, step, phase string, turns []*event.Request) bool {
	if phase == "" {
		return true
	}
	seen := false
	for _, q := range c.Requests {
		if q.Conversation == conversation && q.Step == step && !Cancelled(q) {
			if q.Phase == phase {
				return true
			}
			seen = true
		}
	}
	if seen || len(turns) == 0 {
		return !seen
	}
	order := figure.Phases()
	return slices.Index(order, phase) >= slices.Index(order, turns[len(turns)-1].Phase)
}

// cutBy says what ended a conversation early.
func cutBy(repeat int, turns []*event.Request) string {
	// with several users the failed turn of one may come before those of others
	last := slices.IndexFunc(turns, func(q *event.Request) bool { return q.Err != nil })
	if n := len(turns); n > 0 && turns[n-1].Err != nil {
		last = n - 1
	}
	if last >= 0 && (last == len(turns)-1 || turns[last].User > 0) {
		q := turns[last]
		return fmt.Sprintf("not all turns of repeat %d were played: %s turn %d failed (%s)", repeat, q.Step, q.Turn,
			q.Err.Class)
	}
	return fmt.Sprintf("not all turns of repeat %d were played", repeat)
}
