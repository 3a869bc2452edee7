package sim

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	defaultOversize = 128 << 10 // bytes of a line of the fault "oversized"
	defaultGroup    = 4         // events of a write of the fault "coalesce"
	defaultGuest    = 256       // tokens of the prompt of the fault "guest"
	guestReply      = 8         // tokens of its reply
	defaultTrickle  = 10 * time.Millisecond
)

// doneMark ends a stream.
var doneMark = json.RawMessage("[DONE]")

// stream writes the reply as server-sent events, every chunk at its token's instant.
func (x *exchange) stream() {
	x.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	x.w.WriteHeader(http.StatusOK)
	roleDue := x.form.opening != nil
	if roleDue && (x.s.cfg.Wire.RoleEarly || x.trouble.has("role_early")) {
		x.hold(x.form.opening(x)...)
		roleDue = false
	}
	if !x.flush() {
		x.abandon("abort")
		return
	}
	total, group, from := len(x.reply.tokens), 1, 0
	if f, ok := x.trouble.find("coalesce"); ok {
		group = orDefault(f.Count, defaultGroup)
	}
	for i := range total {
		if !x.proceed(i) {
			return
		}
		if roleDue {
			x.hold(x.form.opening(x)...)
			roleDue = false
		}
		x.heldTokens++
		if !x.complete(from, i) {
			continue
		}
		said := x.speak(from, i)
		from = i + 1
		if !said || x.heldTokens < group && i < total-1 || x.keepsBack() {
			continue
		}
		if !x.flush() {
			x.abandon("abort")
			return
		}
	}
	if !x.release() || !x.finishLate() {
		x.abandon("abort")
		return
	}
	x.close(total)
}

// proceed waits for token i, and lets the faults strike that come before it; false if the exchange is over.
func (x *exchange) proceed(i int) bool {
	if !x.strikes(i) {
		return false
	}
	if !x.next() {
		x.abandon("abort")
		return false
	}
	return true
}

// close ends a stream after a number of tokens.
func (x *exchange) close(total int) {
	if !x.strikes(total) {
		return
	}
	x.hold(x.form.closing(x)...)
	if !x.flush() {
		x.abandon("abort")
	}
}

// answer writes the reply in one piece, when its last token has appeared.
func (x *exchange) answer() {
	total := len(x.reply.tokens)
	for i := range total {
		if !x.proceed(i) {
			return
		}
		x.entry.Tokens = append(x.entry.Tokens, x.due.Sub(x.arrival))
	}
	if !x.strikes(total) {
		return
	}
	body := x.padded(x.form.whole(x))
	if x.broken {
		body = body[:len(body)/2]
	}
	x.entry.Late = time.Since(x.due)
	x.finish(x.reply.finish)
	x.w.Header().Set("Content-Type", "application/json")
	_, _ = x.w.Write(body) // the client has closed the connection
}

func (x *exchange) wantsUsage() bool {
	o := x.req.StreamOptions
	return o != nil && (o.IncludeUsage == nil || *o.IncludeUsage)
}

func (x *exchange) continuous() bool {
	return x.wantsUsage() && x.req.StreamOptions.ContinuousUsage && !x.trouble.has("no_usage")
}

// quietEnd tells that the last chunk must not say that it is the last one.
func (x *exchange) quietEnd() bool {
	total := len(x.reply.tokens)
	for f := range x.trouble.at(total, total) {
		if f.Kind == "eof" {
			return true
		}
	}
	return false
}

// hold queues events for flush.
func (x *exchange) hold(events ...frame) {
	for _, e := range events {
		if e.name != "" {
			x.held = append(append(append(x.held, "event: "...), e.name...), '\n')
		}
		x.held = append(x.held, "data: "...)
		x.held = append(x.held, x.padded(e.data)...)
		x.held = append(x.held, "\n\n"...)
	}
}

// padded lengthens a JSON object with blanks to what the fault "oversized" asks for, once.
func (x *exchange) padded(object json.RawMessage) json.RawMessage {
	if x.fat <= len(object) || !bytes.HasSuffix(object, []byte("}")) {
		return object
	}
	blanks := strings.Repeat(" ", x.fat-len(object))
	x.fat = 0
	return append(append(bytes.TrimSuffix(object, []byte("}")), blanks...), '}')
}

// flush writes the held events now, and accounts for their tokens. The ledger has the last token before the client
// does. It returns false if the client has closed the connection.
func (x *exchange) flush() bool {
	tokens := x.heldTokens
	for range tokens {
		x.entry.Tokens = append(x.entry.Tokens, x.due.Sub(x.arrival))
	}
	x.heldTokens = 0
	late := time.Since(x.due)
	if tokens > 0 {
		x.late = max(x.late, late)
	}
	if len(x.entry.Tokens) == len(x.reply.tokens) && tokens > 0 {
		x.entry.Late = x.late
		x.finish(x.reply.finish)
	}
	data := x.held
	x.held = x.held[:0]
	if x.trouble.has("split_utf8") && len(data) > 0 {
		at := max(bytes.IndexFunc(data, func(r rune) bool { return r >= 0x80 }), 0)
		if at == 0 {
			at = len(data) / 2
		}
		if !x.write(data[:at+1]) {
			return false
		}
		data = data[at+1:]
	}
	return x.write(data)
}

func (x *exchange) write(data []byte) bool {
	for x.trickle > 0 && len(data) > 1 {
		if _, err := x.w.Write(data[:1]); err != nil || x.rc.Flush() != nil {
			return false
		}
		data = data[1:]
		if x.due = x.due.Add(x.trickle); !x.wait(x.due) {
			return false
		}
	}
	if _, err := x.w.Write(data); err != nil {
		return false
	}
	return x.rc.Flush() == nil
}

// strikes applies the faults that are due after a number of tokens; false if the exchange is over.
func (x *exchange) strikes(written int) bool {
	for f := range x.trouble.at(written, len(x.reply.tokens)) {
		act, ok := strikes[f.Kind]
		if !ok {
			continue
		}
		if len(x.held) > 0 && !x.flush() {
			x.abandon("abort")
			return false
		}
		if !act(x, f) {
			return false
		}
	}
	return true
}

// strikes is the table of faults that belong to a place in the reply. Each returns false if
// the exchange is over.
var strikes = map[string]func(x *exchange, f Fault) bool{
	"hang": func(x *exchange, f Fault) bool {
		if f.Delay == 0 {
			x.gone()
			x.abandon("abort")
			return false
		}
		x.due = x.due.Add(time.Duration(f.Delay))
		if !x.wait(x.due) {
			x.abandon("abort")
			return false
		}
		return true
	},
	"error": func(x *exchange, f Fault) bool {
		x.abandon("error")
		e := &refusal{
			http.StatusInternalServerError,
			errorType(http.StatusInternalServerError),
			"EngineCore encountered an issue. See stack trace (above) for the root cause.",
			"",
		}
		if !x.req.Stream {
			x.refuse(e)
			return false
		}
		x.hold(x.form.failing(x, e)...)
		x.write(x.held)
		return false
	},
	"eof": func(x *exchange, _ Fault) bool {
		x.abandon("error")
		return false
	},
	"cut": func(x *exchange, _ Fault) bool {
		x.write([]byte(`data: {"id":"` + x.entry.ID + `","choices":[{"index":0,"delta":{"content":"so f`))
		x.abandon("error")
		return false
	},
	"trickle": func(x *exchange, f Fault) bool {
		x.trickle = time.Duration(orDefault(int(f.Delay), int(defaultTrickle)))
		return true
	},
	"reset": func(x *exchange, _ Fault) bool {
		x.abandon("error")
		x.drop()
		return false
	},
	"crash": func(x *exchange, _ Fault) bool {
		x.abandon("error")
		if x.s.cfg.Crash != nil {
			x.s.cfg.Crash()
		}
		x.drop()
		return false
	},
	"malformed": func(x *exchange, _ Fault) bool {
		if !x.req.Stream {
			x.broken = true
			return true
		}
		return x.write([]byte(`data: {"id":"` + x.entry.ID + `","choices":[{"index":0,"delta":{"content":` + "\n\n"))
	},
	"guest": func(x *exchange, f Fault) bool {
		tokens := make([]Token, orDefault(f.Count, defaultGuest)+guestReply)
		for i := range tokens {
			tokens[i] = endOfText // it stands for any token
		}
		prompt := len(tokens) - guestReply
		q := newSequence(x.entry.N, tokens[:prompt], tokens[prompt:], "a guest's "+x.entry.ID)
		q.at.arrival, q.at.ready, q.finish, q.limit = x.due, x.due, "length", guestReply
		x.s.engine.submit(q)
		return true
	},
	"oversized": func(x *exchange, f Fault) bool {
		x.fat = orDefault(f.Count, defaultOversize)
		return true
	},
}

// drop ends the connection without sending another byte: over TCP with a reset.
func (x *exchange) drop() {
	conn, _, err := x.rc.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // not HTTP/1: the server resets the stream
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a failure only makes the end less abrupt
	}
	_ = conn.Close() // ditto
}

// finish completes the entry and records it.
func (x *exchange) finish(reason string) {
	e, r := x.entry, x.reply
	n := len(e.Tokens)
	e.ReasoningTokens = min(n, r.reasoning)
	if n == len(r.tokens) {
		e.Text, e.Reasoning, e.Calls = r.text, r.thought, r.calls
		e.Preemptions = x.seq.preempted
	} else {
		e.Reasoning = strings.Join(r.texts[:e.ReasoningTokens], "")
		e.Text = strings.Join(r.texts[e.ReasoningTokens:n], "")
	}
	x.record(reason)
}

// abandon ends the request before its reply is complete.
func (x *exchange) abandon(reason string) {
	if x.recorded {
		x.s.ledger.update(func() { x.entry.Finish = reason })
		return
	}
	x.s.engine.abort(x.seq, reason)
	x.entry.Late = x.late
	x.finish(reason)
}
