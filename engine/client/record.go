package client

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"

	"homellm/engine/event"
)

// record builds an Exchange from the events of a reply. It knows neither bytes nor sockets.
type record struct {
	x      *event.Exchange
	decode func([]byte, *chunk) error
	limit  int  // of kept bytes
	tags   bool // reasoning may stand in the answer, between tags
	c      chunk

	progress
	counting
	kept
	reports
}

// progress is how far a reply was understood.
type progress struct {
	whole   bool         // the reply is one body: nothing is known of when its tokens were made
	err     *event.Error // the first that the server reported, or that ended the reading
	fatal   bool         // nothing after this can be understood
	ending  bool         // the body has ended; what comes now may be half an event
	choices bool         // an event was a completion's
	first   int          // index of the choice that came first
	deltas  bool         // a delta had text
	spoken  int          // events with text
}

// counting is what is known of the tokens per event.
type counting struct {
	runningKnown bool  // the last chunk came with the server's running count of tokens
	running      int   // which was this
	silent       int   // tokens listed by events without text since the last chunk
	ints         []int // memory for Chunk.Tokens
}

// kept is the text of a reply, by channel.
type kept struct {
	text      []byte // answer and refusal
	reasoning []byte
	tool      []byte
}

// reports are the server's counts and times of the whole reply, and where they were.
type reports struct {
	withChoices int // reports of usage on events with choices
	ownUsage    int // and on events without
	usage       usage
	timings     timings
}

// newRecord starts a record with room for the tokens to expect.
func newRecord(x *event.Exchange, decode func([]byte, *chunk) error, expect, limit int) *record {
	expect = min(max(expect, 64), 1<<15)
	x.Chunks = make([]event.Chunk, 0, expect)
	return &record{
		x:       x,
		decode:  decode,
		limit:   limit,
		kept:    kept{text: make([]byte, 0, 4*expect)},
		reports: reports{usage: noUsage, timings: noTimings},
	}
}

// chunkCost is roughly what a chunk takes besides its text, in bytes.
const chunkCost = 48

// size is how many bytes the record holds on to.
func (r *record) size() int {
	return len(r.text) + len(r.reasoning) + len(r.tool) + chunkCost*len(r.x.Chunks)
}

// complete reports whether the server said that its reply is whole.
func (r *record) complete() bool { return r.x.Wire.DoneMarker || r.x.Finish != "" }

// answered reports whether anything was generated.
func (r *record) answered() bool { return len(r.text)+len(r.reasoning)+len(r.tool) > 0 }

// wordKept bounds what is kept of the name of a model, a finish reason and a content type, in bytes.
const wordKept = 256

// beginning is the start of a text, of whole characters.
func beginning(text []byte, most int) string {
	if len(text) > most {
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	return string(text)
}

var doneMarker = []byte("[DONE]")

// take adds one event that arrived at an instant since the start of the run.
func (r *record) take(at time.Duration, f frame) {
	data := bytes.TrimSpace(f.data)
	if len(data) == 0 || r.fatal {
		return
	}
	r.x.Wire.Events++
	if bytes.Equal(data, doneMarker) {
		r.x.Wire.DoneMarker = true
		return
	}
	if f.error {
		r.fault(parseFault(data), data)
		return
	}
	c := &r.c
	again, err := c.read(data, r.decode)
	switch {
	case err != nil:
		r.undecodable(data)
		return
	case again:
		r.choose()
		r.keepText(at)
		return
	}
	if c.hasFault {
		r.fault(c.fault, data)
	}
	r.choose()
	if r.x.Wire.Model == "" && len(c.model) > 0 {
		r.x.Wire.Model = beginning(c.model, wordKept)
	}
	if c.choices && r.x.FirstEvent == nil && !r.whole {
		first := at // its own variable, for taking its address moves it to the heap
		r.x.FirstEvent = &first
	}
	if len(c.finish) > 0 {
		r.x.Finish = beginning(c.finish, wordKept)
		if !r.whole && r.x.Finished == nil { // some servers repeat it on every event that follows
			finished := at
			r.x.Finished = &finished
		}
	}
	r.x.Wire.DoneMarker = r.x.Wire.DoneMarker || c.done
	if c.timings != noTimings {
		r.timings = c.timings
	}
	r.count()
	r.keepText(at)
}

// choose lets only the choice that came first speak.
func (r *record) choose() {
	c := &r.c
	if !c.choices {
		return
	}
	if !r.choices {
		r.choices, r.first = true, c.index
	}
	r.x.Wire.Several = r.x.Wire.Several || c.several || c.index != r.first
	if c.index != r.first {
		c.silence()
		c.finish, c.tokens, c.counted = nil, 0, false
	}
}

// undecodable handles an event that is not JSON. At the end of a stream it is the start of an event that was cut off,
// and the verdict says so; anywhere else nothing after it can be trusted.
func (r *record) undecodable(data []byte) {
	if r.ending && !r.whole {
		r.x.Wire.Events--
		return
	}
	r.fatal = true
	if r.err == nil {
		r.err = notJSON(data)
	}
}

// bound ends a reply that grows past what may be kept, counting what the framing holds back.
func (r *record) bound(pending int) {
	if r.size()+pending > r.limit && !r.fatal {
		r.fatal = true
		r.err = tooLarge(r.limit)
	}
}

// fault keeps the first error that the server reports; what it says after that follows from it.
func (r *record) fault(f fault, data []byte) {
	if r.err == nil {
		r.err = reported(f, data)
	}
}

// count keeps the latest report of usage and remembers where reports were.
func (r *record) count() {
	if u := r.c.usage; u.seen() {
		r.conflicts(r.usage, u)
		r.usage = u
		if r.c.choices {
			r.withChoices++
		} else {
			r.ownUsage++
		}
	}
}

// conflicts remembers how two reports of one reply contradict each other: its prompt does not change, and what it has
// generated does not shrink.
func (r *record) conflicts(was, is usage) {
	for _, c := range []struct {
		name    string
		was, is int
		wrong   bool
	}{
		{"prompt", was.prompt, is.prompt, was.prompt != is.prompt},
		{"cached", was.cached, is.cached, was.cached != is.cached},
		{"output", was.completion, is.completion, was.completion > is.completion},
	} {
		if c.was > 0 && c.is > 0 && c.wrong && r.x.Wire.UsageConflict == "" {
			r.x.Wire.UsageConflict = fmt.Sprintf("the reply counts %d %s tokens and then %d", c.was, c.name, c.is)
		}
	}
}

// keepText appends what the event generated, and a chunk for each channel it used.
func (r *record) keepText(at time.Duration) {
	c := &r.c
	if c.message && r.deltas {
		c.silence() // a message beside the deltas says again what they said
	}
	if c.empty() {
		if c.choices && len(r.x.Chunks) == 0 && !r.whole && c.finish == nil {
			r.x.Wire.RoleEarly = true
		}
		r.silent += c.tokens
		return
	}
	if c.reasoningKey != "" {
		r.x.Wire.ReasoningKey = c.reasoningKey
	}
	r.deltas = r.deltas || !c.message
	r.spoken++
	first := len(r.x.Chunks)
	r.reasoning = r.part(at, event.Reasoning, r.reasoning, c.reasoning)
	r.text = r.part(at, event.Answer, r.text, c.answer)
	r.text = r.part(at, event.Refusal, r.text, c.refusal)
	r.tool = r.part(at, event.Tool, r.tool, c.tool)
	if r.whole {
		return
	}
	tokens := r.tokens()
	if len(r.x.Chunks) == first+1 { // no server says how an event's tokens divide between channels
		r.x.Chunks[first].Tokens = tokens
	}
}

// part appends what the event says on one channel to what is kept of it.
func (r *record) part(at time.Duration, channel event.Channel, kept, text []byte) []byte {
	if len(text) == 0 {
		return kept
	}
	if !r.whole {
		r.x.Chunks = append(r.x.Chunks, event.Chunk{At: at, Channel: channel, Bytes: len(text)})
	}
	return append(kept, text...)
}

// tokens is how many tokens the event holds, if the server says: by listing them, or by the step
// that its running count took. A count says nothing of this event if the one before had none,
// for then it is the total. Tokens without text, such as the tag that begins reasoning or the first
// bytes of a character, count with the text that follows them.
func (r *record) tokens() *int {
	c := &r.c
	silent := r.silent
	r.silent = 0
	running := c.usage.completion
	if running <= 0 {
		running = c.timings.completion
	}
	known := running > 0
	step := running - r.running
	usable := known && step >= 0 && (r.runningKnown || len(r.x.Chunks) == 1)
	r.running, r.runningKnown = running, known
	switch {
	case c.counted:
		return r.number(silent + c.tokens)
	case usable:
		return r.number(step)
	}
	return nil
}

// number returns a pointer to n, from memory that is allocated for many at once.
func (r *record) number(n int) *int {
	if len(r.ints) == cap(r.ints) {
		r.ints = make([]int, 0, 256)
	}
	r.ints = append(r.ints, n)
	return &r.ints[len(r.ints)-1]
}

// close moves what was gathered into the exchange.
func (r *record) close() {
	x := r.x
	r.unrepeat()
	if r.tags {
		r.untag()
	}
	x.Text, x.Reasoning, x.Tools = string(r.text), string(r.reasoning), string(r.tool)
	if r.usage.prompt == 0 {
		r.usage.prompt = -1 // no prompt has no tokens: the server means that it computed none, or does not say
	}
	x.Usage = event.Usage{
		Prompt:     known(r.usage.prompt),
		Completion: known(r.usage.completion),
		Reasoning:  known(r.usage.reasoning),
		Cached:     known(r.usage.cached),
	}
	switch {
	case r.ownUsage+r.withChoices == 0:
	case r.whole:
		x.Wire.UsageIn = "body"
	case r.withChoices > 1:
		x.Wire.UsageIn = "every_chunk"
	case r.ownUsage > 0:
		x.Wire.UsageIn = "own_chunk"
	default:
		x.Wire.UsageIn = "last_chunk"
	}
	if x.Usage.Cached != nil {
		x.Wire.CachedIn = "usage"
	}
	r.closeTimings()
}

// closeTimings keeps the server's own figures under the names of metrics, and fills gaps in usage
// from them: llama.cpp's prompt is what it computed plus what it had in its cache.
func (r *record) closeTimings() {
	x, t := r.x, r.timings
	for _, v := range []struct {
		name  string
		value float64
	}{
		{"server.queue_ms", t.queue},
		{"server.load_ms", t.load},
		{"server.prefill_ms", t.prefill},
		{"server.decode_ms", t.decode},
		{"server.total_ms", t.total},
		{"server.itl_ms", t.gap},
		{"server.prompt_tokens", float64(t.prompt)},
		{"server.cached_tokens", float64(t.cached)},
		{"spec.draft_tokens", float64(t.drafted)},
		{"spec.accepted_tokens", float64(t.accepted)},
	} {
		if v.value < 0 {
			continue
		}
		if x.Timings == nil {
			x.Timings = map[string]float64{}
		}
		x.Timings[v.name] = v.value
	}
	if n := x.Usage.Prompt; n != nil && t.prompt >= 0 && t.cached >= 0 && t.prompt+t.cached != *n &&
		x.Wire.UsageConflict == "" {
		x.Wire.UsageConflict = fmt.Sprintf("the usage of the reply counts %d prompt tokens, its timings %d cached and %d "+
			"computed", *n, t.cached, t.prompt)
	}
	if t.cached >= 0 && x.Usage.Cached == nil {
		x.Usage.Cached, x.Wire.CachedIn = known(t.cached), "timings"
	}
	if x.Wire.UsageIn == "" && t.completion >= 0 {
		x.Usage.Completion, x.Wire.UsageIn = known(t.completion), "timings"
		if t.prompt >= 0 && t.cached >= 0 {
			x.Usage.Prompt = known(t.prompt + t.cached)
		}
	}
}

// known is a count that was reported, or nil.
func known(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}
