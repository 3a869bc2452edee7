package client

import (
	"bytes"
	"errors"
	"slices"

	"homellm/engine/large"
)

// chunk is the content of one event. Decoders fill it and the record copies what it needs. Its memory is reused for
// the next event.
type chunk struct {
	same pattern // first in the struct, because every event needs it and a cache miss costs most

	deltas
	notes

	usage    usage
	timings  timings
	kind     []byte // the event's type, where events state one
	fault    fault  // the error that the server reports in place of a reply
	hasFault bool

	scan scanner
}

// deltas is the text that an event generated, by channel.
type deltas struct {
	answer    []byte
	reasoning []byte
	tool      []byte
	refusal   []byte
	calls     []piece // what tool is made of
}

// notes is everything else an event reports about the reply.
type notes struct {
	reasoningKey string // the key of the reasoning text
	choices      bool   // the event has a choice, empty or not
	index        int    // index of the choice that was read, the first
	several      bool   // there were other choices
	message      bool   // the text was in a message, not in a delta
	model        []byte // the model that the event names
	finish       []byte // finish reason, nil if none
	done         bool   // no event follows
	tokens       int    // tokens in the event, if the server counts them
	counted      bool
}

// pattern is an event that holds nothing but one text. Servers repeat such an event for every token and change only
// the text. An event with the same bytes around its text is compared instead of parsed, which is ten times as fast
// and gives the same result: what precedes a text decides how it is read, and what follows it is the same too.
type pattern struct {
	into       *[]byte // the channel of the text; nil: there is no pattern
	head, tail []byte  // the bytes around the text, without its quotes
	kept       []byte  // a copy of the event
	texts      int     // number of texts in the event being read
	from, end  int     // offset of the last of them in the event
}

// usage is a report of token counts. A negative count means: not reported.
type usage struct {
	prompt, completion, reasoning, cached int
	usageParts
}

// usageParts belongs to APIs that spread the counts over several events and count the prompt in parts.
type usageParts struct {
	part           bool // counts that this report lacks keep their earlier values
	input, written int  // tokens of the prompt that were not in the cache, and that were written to it
}

// over returns the report with the counts that it lacks taken from an earlier one.
func (u usage) over(was usage) usage {
	for _, f := range []struct{ to, was *int }{{&u.completion, &was.completion}, {&u.reasoning, &was.reasoning},
		{&u.cached, &was.cached}, {&u.input, &was.input}, {&u.written, &was.written}} {
		if *f.to < 0 {
			*f.to = *f.was
		}
	}
	if u.input >= 0 {
		u.prompt = u.input + max(u.cached, 0) + max(u.written, 0)
	}
	return u
}

// seen reports whether the server counted anything. Some servers attach zeros to every event before the counts are
// known; no prompt has zero tokens.
func (u usage) seen() bool { return u.prompt > 0 || u.completion > 0 }

// timings are the server's figures of its work on the request, in the order of the work. A negative figure means: not
// reported. Tokens are counts, durations are milliseconds.
type timings struct {
	queue, load, prefill, decode, total, gap float64
	prompt, cached, completion               int
	drafted, accepted                        int // of speculative decoding
	local, host, storage                     int // caches that tokens came from
}

// The values of a chunk before an event is read.
var (
	noUsage   = usage{-1, -1, -1, -1, usageParts{input: -1, written: -1}}
	noTimings = timings{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}
)

// reset clears the chunk for the next event.
func (c *chunk) reset(data []byte) {
	c.calls = c.calls[:0]
	c.clearTexts()
	c.reasoningKey, c.finish = "", nil
	c.model, c.kind = large.Emptied(c.model), large.Emptied(c.kind)
	c.choices, c.done, c.counted, c.hasFault = false, false, false, false
	c.several, c.message = false, false
	c.tokens, c.index = 0, 0
	c.usage, c.timings = noUsage, noTimings
	c.scan.reset(data)
	c.same.into, c.same.texts = nil, 0
}

// read reads an event. It reports whether the event repeats the pattern and so differs only in its text.
func (c *chunk) read(data []byte, decode func([]byte, *chunk) error) (again bool, err error) {
	if c.repeats(data) {
		return true, nil
	}
	c.reset(data)
	if err := decode(data, c); err != nil {
		c.same.into = nil
		return false, err
	}
	c.learn(data)
	return false, nil
}

// repeats reads an event that differs from the last one only in its text. It returns false, and changes nothing, if
// data is not such an event.
func (c *chunk) repeats(data []byte) bool {
	p := &c.same
	n := len(data) - len(p.tail)
	if p.into == nil || n <= len(p.head) || !bytes.HasPrefix(data, p.head) || !bytes.HasSuffix(data, p.tail) {
		return false
	}
	text := data[len(p.head):n]
	if verbatim(text) == len(text) {
		if len(text) > large.Least {
			*p.into = slices.Clip(text)
		} else {
			*p.into = append((*p.into)[:0], text...)
		}
		return true
	}
	// A string with an escape has to be parsed, and must end where the pattern does.
	c.scan.reset(data[len(p.head)-1:])
	unescaped := c.scan.text()
	if c.scan.pos != len(text)+2 {
		return false
	}
	*p.into = append((*p.into)[:0], unescaped...)
	return true
}

// learn keeps an event as the pattern if it holds nothing but one text.
func (c *chunk) learn(data []byte) {
	p := &c.same
	if len(data) > large.Least || p.texts != 1 || p.into == nil || c.finish != nil || c.done ||
		c.counted || c.hasFault || c.usage != noUsage ||
		c.timings != noTimings {
		p.into = nil
		return
	}
	p.kept = append(p.kept[:0], data...)
	p.head, p.tail = p.kept[:p.from], p.kept[p.end:]
}

// readText appends a string to one of the chunk's texts.
func (c *chunk) readText(into *[]byte) {
	s := &c.scan
	s.peek()
	from := s.pos
	before := len(*into)
	*into = s.textOnto(*into)
	if len(*into) == before {
		return
	}
	c.same.texts++
	c.same.from, c.same.end, c.same.into = from+1, s.pos-1, into
}

// clearTexts clears the texts of the event, and its calls except those that repeat a whole call.
func (c *chunk) clearTexts() {
	for _, text := range []*[]byte{&c.answer, &c.reasoning, &c.tool, &c.refusal} {
		*text = large.Emptied(*text)
	}
	c.calls = slices.DeleteFunc(c.calls, func(p piece) bool { return !p.again })
}

// empty reports whether the event carries no generated text.
func (c *chunk) empty() bool {
	return len(c.answer)+len(c.reasoning)+len(c.tool)+len(c.refusal) == 0
}

var errNotJSON = errors.New("not JSON")

// decodeOpenAI reads one event of /v1/chat/completions or /v1/completions, or the whole body of a reply that was not
// streamed. It knows the dialects of vLLM, SGLang, llama.cpp, Ollama, LM Studio, TabbyAPI and KoboldCpp; a server
// sends some of the keys only.
func decodeOpenAI(data []byte, c *chunk) error {
	s := &c.scan
	if s.peek() != '{' {
		return errNotJSON
	}
	flat := false
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "choices":
			c.readChoices()
		case "usage":
			c.readUsage()
		case "timings":
			c.readTimings()
		case "metrics":
			c.readMetrics()
		case "stats":
			c.readStats()
		case "sglext":
			c.readTiers()
		case "error":
			if s.peek() == 'n' {
				s.skip()
				continue
			}
			s.skip()
			c.hasFault = true
		case "object":
			flat = string(s.text()) == "error"
		case "model":
			c.model = append(c.model[:0], s.text()...)
		default:
			s.skip()
		}
	}
	if !s.end() {
		return errNotJSON
	}
	if c.hasFault = c.hasFault || flat; c.hasFault {
		c.fault = readFault(data)
	}
	return nil
}

func (c *chunk) readUsage() {
	c.usage = noUsage
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "prompt_tokens":
			s.countInto(&c.usage.prompt)
		case "completion_tokens":
			s.countInto(&c.usage.completion)
		case "reasoning_tokens": // SGLang
			s.countInto(&c.usage.reasoning)
		case "prompt_tokens_details":
			c.readDetail("cached_tokens", &c.usage.cached)
		case "completion_tokens_details":
			c.readDetail("reasoning_tokens", &c.usage.reasoning)
		case "prompt_time": // TabbyAPI, in seconds
			s.scaledInto(&c.timings.prefill, 1e3)
		case "completion_time":
			s.scaledInto(&c.timings.decode, 1e3)
		case "total_time":
			s.scaledInto(&c.timings.total, 1e3)
		default:
			s.skip()
		}
	}
}

func (c *chunk) readDetail(key string, into *int) {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		if string(s.key()) == key {
			s.countInto(into)
		} else {
			s.skip()
		}
	}
}

// readTimings reads llama.cpp's timings: prompt_n counts the tokens that were computed, cache_n those found in the
// cache; the prompt is the sum of both.
func (c *chunk) readTimings() {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "cache_n":
			s.countInto(&c.timings.cached)
		case "prompt_n":
			s.countInto(&c.timings.prompt)
		case "prompt_ms":
			s.scaledInto(&c.timings.prefill, 1)
		case "predicted_n":
			s.countInto(&c.timings.completion)
		case "predicted_ms":
			s.scaledInto(&c.timings.decode, 1)
		case "draft_n":
			s.countInto(&c.timings.drafted)
		case "draft_n_accepted":
			s.countInto(&c.timings.accepted)
		default:
			s.skip()
		}
	}
}

// readMetrics reads vLLM's metrics of one request, which it sends only if it is started with that option. Its time to
// first token begins when the request leaves the queue, so it is the prefill time.
func (c *chunk) readMetrics() {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "queue_time_ms":
			s.scaledInto(&c.timings.queue, 1)
		case "time_to_first_token_ms":
			s.scaledInto(&c.timings.prefill, 1)
		case "generation_time_ms":
			s.scaledInto(&c.timings.decode, 1)
		case "mean_itl_ms":
			s.scaledInto(&c.timings.gap, 1)
		case "speculative_decoding":
			for ok := s.open('{'); ok; ok = s.more('}') {
				switch string(s.key()) {
				case "num_draft_tokens":
					s.countInto(&c.timings.drafted)
				case "num_accepted_draft_tokens":
					s.countInto(&c.timings.accepted)
				default:
					s.skip()
				}
			}
		default:
			s.skip()
		}
	}
}

// readTiers reads which of SGLang's caches the cached tokens came from.
func (c *chunk) readTiers() {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		if string(s.key()) != "cached_tokens_details" {
			s.skip()
			continue
		}
		for ok := s.open('{'); ok; ok = s.more('}') {
			switch string(s.key()) {
			case "device":
				s.countInto(&c.timings.local)
			case "host":
				s.countInto(&c.timings.host)
			case "storage":
				s.countInto(&c.timings.storage)
			default:
				s.skip()
			}
		}
	}
}

// readStats reads LM Studio's statistics of one request, which its own APIs send, in seconds.
func (c *chunk) readStats() {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "time_to_first_token", "time_to_first_token_seconds":
			s.scaledInto(&c.timings.prefill, 1e3)
		case "generation_time":
			s.scaledInto(&c.timings.decode, 1e3)
		case "tokens_per_second":
			if f, ok := s.number(); ok && f > 1e3/maxDuration {
				c.timings.gap = 1e3 / f
			}
		case "input_tokens":
			s.countInto(&c.usage.prompt)
		case "total_output_tokens":
			s.countInto(&c.usage.completion)
		case "reasoning_output_tokens":
			s.countInto(&c.usage.reasoning)
		case "model_load_time_seconds":
			s.scaledInto(&c.timings.load, 1e3)
		default:
			s.skip()
		}
	}
}

// countInto stores a count, and changes nothing if the value is not a count.
func (s *scanner) countInto(v *int) {
	if n, ok := s.count(); ok {
		*v = n
	}
}

// maxDuration is the longest duration that is accepted, in milliseconds: a year. It keeps values out that a journal
// cannot hold, such as infinity.
const maxDuration = 365 * 24 * 3600 * 1000

// scaledInto stores a duration times factor, and changes nothing if the value is not a duration.
func (s *scanner) scaledInto(v *float64, factor float64) {
	if f, ok := s.number(); ok && f >= 0 && f <= maxDuration/factor {
		*v = f * factor
	}
}
