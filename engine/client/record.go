package client

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"homellm/engine/event"
	"homellm/engine/large"
)

// record builds an Exchange from the events of a reply. It knows neither bytes nor sockets.
type record struct {
	x      *event.Exchange
	decode func([]byte, *chunk) error
	limit  int  // of the kept texts
	tags   bool // the answer may hold reasoning between tags
	c      chunk
	calls  calls

	progress
	counting
	kept
	reports
}

// progress is how far a reply is decoded.
type progress struct {
	whole   bool         // the reply is one body: when its tokens were made is unknown
	err     *event.Error // the first error that the server reported, or that ended the reading
	fatal   bool         // nothing after this point can be decoded
	ending  bool         // the body has ended; what is left may be half an event
	choices bool         // an event belonged to a completion
	first   int          // index of the choice that came first
	deltas  bool         // a delta had text
	spoken  int          // events with text
}

// counting is what the server reports of the tokens per event.
type counting struct {
	runningKnown bool  // the last chunk carried a running count of tokens
	running      int   // that count
	silent       int   // tokens of events without text since the last chunk
	ints         []int // memory for Chunk.Tokens
}

// kept is the text of a reply, by channel.
type kept struct {
	text      []byte // answer and refusal
	reasoning []byte
	tool      []byte
}

// reports are the server's counts and times of the whole reply, and where they came.
type reports struct {
	withChoices int // usage reports on events with choices
	ownUsage    int // and on events without choices
	usage       usage
	timings     timings
}

// newRecord returns a record with room for the expected tokens.
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

// size is how many bytes of memory the record uses.
func (r *record) size() int {
	return len(r.text) + len(r.reasoning) + len(r.tool) + chunkCost*len(r.x.Chunks)
}

// complete reports whether the server marked its reply as whole.
func (r *record) complete() bool { return r.x.Wire.DoneMarker || r.x.Finish != "" }

// answered reports whether anything was generated.
func (r *record) answered() bool { return len(r.text)+len(r.reasoning)+len(r.tool) > 0 }

// largeReply is the size in bytes from which the memory of a reply is bounded by collecting garbage more often: the
// heap otherwise grows to twice what is in use, and a reply is copied a few times until it is in the journal.
const largeReply = 1 << 20

// collectOften lets the heap grow by a fifth between two collections, unless someone has set another pace.
var collectOften = sync.OnceFunc(func() {
	const usual = 100
	if was := debug.SetGCPercent(20); was != usual {
		debug.SetGCPercent(was)
	}
})

// maxWord bounds, in bytes, what is kept of a model's name, a finish reason and a content type.
const maxWord = 256

// beginning is the start of a text, cut between characters.
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
		r.fault(readFault(data), data)
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
		r.x.Wire.Model = beginning(c.model, maxWord)
	}
	if c.choices && r.x.FirstEvent == nil && !r.whole {
		first := at // a new variable: taking the address moves it to the heap
		r.x.FirstEvent = &first
	}
	if len(c.finish) > 0 {
		r.x.Finish = beginning(c.finish, maxWord)
		if !r.whole && r.x.Finished == nil { // some servers repeat it on every later event
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

// choose keeps only the choice that came first.
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
		c.clearTexts()
		c.finish, c.tokens, c.counted = nil, 0, false
	}
}

// undecodable handles an event that is not JSON. At the end of a stream it is an event that was cut off, and the
// missing end is reported; anywhere else the rest of the reply cannot be trusted.
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

// bound ends a reply that exceeds the limit, counting the bytes that the framing holds.
func (r *record) bound(pending int) {
	size := r.size() + pending
	if size > largeReply {
		collectOften()
	}
	if size > r.limit && !r.fatal {
		r.fatal = true
		r.err = tooLarge(r.limit)
	}
}

// fault keeps the first error that the server reports; later ones follow from it.
func (r *record) fault(f fault, data []byte) {
	if r.err == nil {
		r.err = reported(f, data)
	}
}

// count keeps the latest usage report and records where reports came.
func (r *record) count() {
	u := r.c.usage
	if u.part {
		u = u.over(r.usage)
	}
	if u.seen() && r.c.usage != noUsage {
		r.conflicts(r.usage, u)
		r.usage = u
		if r.c.choices {
			r.withChoices++
		} else {
			r.ownUsage++
		}
	}
}

// conflicts records a contradiction between two reports of one reply: prompt tokens must not change, and completion
// tokens must not shrink. A prompt that is counted in parts grows until all of them are reported.
func (r *record) conflicts(was, is usage) {
	for _, c := range []struct {
		name    string
		was, is int
		wrong   bool
	}{
		{"prompt", was.prompt, is.prompt, was.prompt != is.prompt && (is.input < 0 || was.input != is.input)},
		{"cached", was.cached, is.cached, was.cached != is.cached},
		{"output", was.completion, is.completion, was.completion > is.completion},
	} {
		if c.was > 0 && c.is > 0 && c.wrong && r.x.Wire.UsageConflict == "" {
			r.x.Wire.UsageConflict = fmt.Sprintf("the reply counts %d %s tokens and then %d", c.was, c.name, c.is)
		}
	}
}

// keepText appends the text of an event, and one chunk for each channel.
func (r *record) keepText(at time.Duration) {
	c := &r.c
	if c.message && r.deltas {
		c.clearTexts() // a message in addition to deltas repeats their text
	}
	r.calls.news(c)
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
	r.reasoning = r.part(at, event.Reasoning, r.reasoning, &c.reasoning)
	r.text = r.part(at, event.Answer, r.text, &c.answer)
	r.text = r.part(at, event.Refusal, r.text, &c.refusal)
	before := len(r.tool)
	r.tool = r.part(at, event.Tool, r.tool, &c.tool)
	r.calls.add(at, before, c.calls)
	if r.whole {
		return
	}
	tokens := r.tokens()
	if len(r.x.Chunks) == first+1 { // no server reports how an event's tokens divide between channels
		r.x.Chunks[first].Tokens = tokens
	}
}

// part appends an event's text on one channel.
func (r *record) part(at time.Duration, channel event.Channel, kept []byte, from *[]byte) []byte {
	text := *from
	if len(text) == 0 {
		return kept
	}
	if !r.whole {
		r.x.Chunks = append(r.x.Chunks, event.Chunk{At: at, Channel: channel, Bytes: len(text)})
	}
	if len(text) > large.Least {
		*from = nil // it may be kept without a copy
	}
	return large.Append(kept, text)
}

// tokens is the number of tokens in the event, if the server reports it: as a list of tokens, or as the increase of
// its running count. The increase is unknown if the previous event had no count. Tokens without text, such as the tag
// that begins reasoning or the first bytes of a character, count with the text that follows them.
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

// number returns a pointer to n. One allocation serves many numbers.
func (r *record) number(n int) *int {
	if len(r.ints) == cap(r.ints) {
		r.ints = make([]int, 0, 256)
	}
	r.ints = append(r.ints, n)
	return &r.ints[len(r.ints)-1]
}

// close moves the record into the exchange.
func (r *record) close() {
	x := r.x
	if x.Calls = r.calls.done(r.tool); x.Calls != nil && !r.whole {
		x.FirstCall = &r.calls.first
	}
	if cap(x.Chunks) > 2*len(x.Chunks) {
		x.Chunks = slices.Clone(x.Chunks) // a run keeps the chunks, and few replies reach their maximum length
	}
	r.dropRepeats()
	if r.tags {
		r.splitReasoning()
	}
	x.Text, x.Reasoning, x.Tools = large.Own(r.text), large.Own(r.reasoning), large.Own(r.tool)
	r.kept = kept{}
	if r.usage.prompt == 0 {
		r.usage.prompt = -1 // no prompt has zero tokens: the server computed none, or does not report the count
	}
	x.Usage = event.Usage{
		Prompt:     known(r.usage.prompt),
		Completion: known(r.usage.completion),
		Reasoning:  known(r.usage.reasoning),
		Cached:     known(r.usage.cached),
		Input:      known(r.usage.input),
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

// closeTimings stores the server's figures under the names of metrics, and fills gaps in usage from them: llama.cpp's
// prompt is the computed tokens plus the cached ones.
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
		{"cache.local_tokens", float64(t.local)},
		{"cache.host_tokens", float64(t.host)},
		{"cache.storage_tokens", float64(t.storage)},
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

// known is a reported count, or nil.
func known(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}
