package sim

import "time"

const (
	defaultBundle  = 4                      // tokens of an event of the fault "bundle"
	defaultPace    = 200 * time.Microsecond // between the events of the fault "buffer"
	defaultLateEnd = 300 * time.Millisecond // of the fault "late_end"
)

// complete says whether the tokens from one to another make an event.
func (x *exchange) complete(from, i int) bool {
	r := x.reply
	last := i == len(r.tokens)-1 || i == r.reasoning-1
	if r.silent(i) && !last {
		return false
	}
	if i < r.reasoning && (x.trouble.has("whole_reasoning") || x.trouble.has("hidden_reasoning")) {
		return last
	}
	if f, ok := x.trouble.find("bundle"); ok {
		return last || i-from+1 >= orDefault(f.Count, defaultBundle)
	}
	return true
}

// speak adds the event of the tokens from one to another to what flush writes; false of reasoning that is hidden, which
// is counted only.
func (x *exchange) speak(from, i int) bool {
	if i < x.reply.reasoning && x.trouble.has("hidden_reasoning") {
		return false
	}
	x.hold(x.form.pieces(x, from, i)...)
	return true
}

// keepsBack puts what was to be written aside, where the reply is held back.
func (x *exchange) keepsBack() bool {
	if !x.trouble.has("buffer") {
		return false
	}
	x.kept = append(x.kept, x.held)
	x.held = nil
	return true
}

// release sends what was held back, an event after the other; false if the client has gone.
func (x *exchange) release() bool {
	f, ok := x.trouble.find("buffer")
	if !ok {
		return true
	}
	tokens := x.heldTokens
	for i, data := range x.kept {
		x.held, x.heldTokens = data, 0
		if i > 0 {
			x.due = x.due.Add(time.Duration(orDefault(int(f.Delay), int(defaultPace))))
			if !x.wait(x.due) {
				return false
			}
		}
		if i == len(x.kept)-1 {
			x.heldTokens = tokens
		}
		if !x.flush() {
			return false
		}
	}
	return true
}

// finishLate sends the finish reason that the last token came without; false if the client has gone.
func (x *exchange) finishLate() bool {
	f, ok := x.trouble.find("late_end")
	if !ok || x.quietEnd() {
		return true
	}
	x.due = x.due.Add(time.Duration(orDefault(int(f.Delay), int(defaultLateEnd))))
	if !x.wait(x.due) {
		return false
	}
	x.hold(x.form.ending(x)...)
	return x.flush()
}
