package observe

import "homellm/engine/event"

// choice counts the replies that ignore tool_choice. Servers may ignore it without saying so.
type choice struct {
	asked   string // the value that was ignored first
	turns   int    // that had a tool_choice
	ignored int
	first   string // the first turn that ignored it, and how
}

// check counts a turn with a tool_choice; why says how its reply ignores it.
func (c *choice) check(r *event.Request, asked, why string) {
	if r.Err != nil || r.Prefill || r.Warmup {
		return
	}
	c.turns++
	if why == "" {
		return
	}
	if c.ignored++; c.ignored == 1 {
		c.asked, c.first = asked, turnOf(r)+" ("+why+")"
	}
}

// sum notes in how many turns tool_choice was ignored.
func (c *choice) sum(notes notes) {
	if c.ignored > 0 {
		notes.add("tool_choice_ignored", "the server ignored tool_choice: %s in %d of %d turns and did not say so, first in "+
			"%s; a server does so if it does not support the key, or if the model's chat template has no tools", c.asked,
			c.ignored, c.turns, c.first)
	}
	*c = choice{}
}
