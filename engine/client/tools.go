package client

import (
	"slices"
	"time"

	"homellm/engine/large"
	"homellm/engine/wire"
)

// piece is what one event says of one tool call.
type piece struct {
	index     int // of the call in the reply; -1: the event does not say
	id, name  string
	arguments []byte // valid until the next event, unless they are large
	whole     bool   // the arguments came as a value, so there is no more of them
	again     bool   // it repeats the whole call, of which earlier events may have said nothing
	none      bool   // the call has no arguments, unless they follow
}

// builtCall is a tool call as it comes in.
type builtCall struct {
	call      wire.ToolCall
	index     int // -1: not told
	arguments []byte
	sizes     []int // of its pieces, in bytes
	whole     bool
	none      bool // without arguments it is called with an empty object
}

// calls are the tool calls of a reply.
type calls struct {
	built []builtCall
	first time.Duration // arrival of the last piece of the first call
}

// add takes the pieces of one event.
func (k *calls) add(at time.Duration, pieces []piece) {
	for _, p := range pieces {
		i := k.of(p)
		b := &k.built[i]
		if b.call.ID == "" {
			b.call.ID = p.id
		}
		if p.name != b.call.Function.Name { // some servers repeat it with every piece
			b.call.Function.Name += p.name
		}
		b.arguments = large.Append(b.arguments, p.arguments)
		b.sizes = append(b.sizes, len(p.arguments))
		b.whole, b.none = b.whole || p.whole, b.none || p.none
		if i == 0 {
			k.first = at
		}
	}
}

// news keeps of the pieces of an event that repeat a call what no event before has said, as text of the event too.
func (k *calls) news(c *chunk) {
	kept := c.calls[:0]
	for _, p := range c.calls {
		if p.again {
			if i := k.known(p); i >= 0 {
				if len(k.built[i].arguments) > 0 || len(p.arguments) == 0 {
					continue
				}
				p.name = ""
			}
			c.tool = append(append(c.tool, p.name...), p.arguments...)
		}
		kept = append(kept, p)
	}
	c.calls = kept
}

// known is the index of the call that a piece repeats; -1: nothing was said of it.
func (k *calls) known(p piece) int {
	for i := range slices.Backward(k.built) {
		b := &k.built[i]
		if p.id != "" && p.id == b.call.ID || p.index >= 0 && p.index == b.index || p.id == "" && p.index < 0 {
			return i
		}
	}
	return -1
}

// of returns the index of the call that a piece belongs to. Some servers number nothing, and some give all calls the
// same number: there another identity with a name begins another call.
func (k *calls) of(p piece) int {
	i := -1
	if p.again {
		i = k.known(p)
	} else if p.index >= 0 {
		for j := range slices.Backward(k.built) {
			if k.built[j].index == p.index {
				i = j
				break
			}
		}
	} else if !p.whole {
		i = len(k.built) - 1
	}
	if i >= 0 {
		b := &k.built[i]
		renamed := p.id != "" && b.call.ID != "" && p.id != b.call.ID || b.whole
		another := renamed && b.call.Function.Name != ""
		another = another || p.index < 0 && p.name != b.call.Function.Name && len(b.arguments) > 0
		if p.name == "" || !another {
			return i
		}
	}
	k.built = append(k.built, builtCall{index: p.index, call: wire.Call("", "", "")})
	return len(k.built) - 1
}

// done returns the calls; nil for none. Arguments that pieces repeat are taken once.
func (k *calls) done() []wire.ToolCall {
	var out []wire.ToolCall
	for _, b := range k.built {
		if kept, _ := dropCumulative(b.arguments, b.sizes); kept != nil {
			b.arguments = kept
		}
		if b.none && len(b.arguments) == 0 {
			b.arguments = []byte("{}")
		}
		b.call.Function.Arguments = large.Own(b.arguments)
		if b.call.Function.Name != "" || len(b.arguments) > 0 {
			out = append(out, b.call)
		}
	}
	return out
}
