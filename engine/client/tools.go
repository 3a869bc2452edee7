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
	arguments []byte // valid until the next event
	at        int    // where the arguments are in the event's text on the tool channel
	whole     bool   // the arguments came as a JSON value, so they are complete
	again     bool   // it repeats the whole call, whether or not earlier events had it
	foreign   bool   // the server runs the tool of this index itself: later pieces with this index belong to that call
	follows   bool   // it continues what an earlier event of this index began
	none      bool   // the call has no arguments, unless they follow
}

// builtCall is a tool call as it comes in.
type builtCall struct {
	call      wire.ToolCall
	index     int // -1: unknown
	arguments []span
	sizes     []int // of its pieces, in bytes
	whole     bool
	none      bool // if no arguments come, they are an empty object
}

// span is a part of the reply's text on the tool channel.
type span struct{ from, end int }

// calls are the tool calls of a reply.
type calls struct {
	built []builtCall
	first time.Duration // arrival of the last piece of the first call

	foreign []int // indexes of calls of tools that the server itself runs
}

// add adds the pieces of one event. Base is where the event's text begins in the reply's text on the tool channel.
func (k *calls) add(at time.Duration, base int, pieces []piece) {
	for _, p := range pieces {
		i := k.of(p)
		b := &k.built[i]
		if b.call.ID == "" {
			b.call.ID = p.id
		}
		if p.name != b.call.Function.Name { // some servers repeat it with every piece
			b.call.Function.Name += p.name
		}
		from, end := base+p.at, base+p.at+len(p.arguments)
		switch last := len(b.arguments) - 1; {
		case from == end:
		case last >= 0 && b.arguments[last].end == from:
			b.arguments[last].end = end
		default:
			b.arguments = append(b.arguments, span{from, end})
		}
		b.sizes = append(b.sizes, len(p.arguments))
		b.whole, b.none = b.whole || p.whole, b.none || p.none
		if i == 0 {
			k.first = at
		}
	}
}

// news drops pieces that repeat a call unless they say something new, and those of calls that are the server's own. It
// adds the texts of the others to the event's text.
func (k *calls) news(c *chunk) {
	kept := c.calls[:0]
	for _, p := range c.calls {
		switch {
		case p.foreign:
			k.foreign = append(k.foreign, p.index)
			continue
		case p.follows && slices.Contains(k.foreign, p.index):
			continue
		case p.follows:
			c.addToolText(&p)
		}
		if p.again {
			if i := k.known(p); i >= 0 {
				if len(k.built[i].arguments) > 0 || len(p.arguments) == 0 {
					continue
				}
				p.name = ""
			}
			c.addToolText(&p)
		}
		kept = append(kept, p)
	}
	c.calls = kept
}

// known returns the index of the call that a piece repeats; -1 if the call is new.
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

// done returns the calls, whose arguments are parts of the reply's text on the tool channel; nil for none. Arguments
// that pieces repeat are counted once.
func (k *calls) done(text []byte) []wire.ToolCall {
	var out []wire.ToolCall
	for _, b := range k.built {
		arguments := assemble(text, b.arguments)
		if kept, _ := dropCumulative(arguments, b.sizes); kept != nil {
			arguments = kept
		}
		if b.none && len(arguments) == 0 {
			arguments = []byte("{}")
		}
		b.call.Function.Arguments = large.Own(arguments)
		if b.call.Function.Name != "" || len(arguments) > 0 {
			out = append(out, b.call)
		}
	}
	return out
}

// assemble joins parts of a text, without a copy if there is only one.
func assemble(text []byte, parts []span) (joined []byte) {
	if len(parts) == 1 {
		return text[parts[0].from:parts[0].end]
	}
	for _, p := range parts {
		joined = append(joined, text[p.from:p.end]...)
	}
	return joined
}
