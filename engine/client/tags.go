package client

import (
	"strings"

	"homellm/engine/event"
	"homellm/engine/large"
)

// thoughtTags are the tags around reasoning that servers leave in an answer.
var thoughtTags = []struct{ open, closing string }{
	{"<think>", "</think>"},                        // DeepSeek, Qwen and most others
	{"<thinking>", "</thinking>"},                  //
	{"<thought>", "</thought>"},                    //
	{"[THINK]", "[/THINK]"},                        // Magistral
	{"<seed:think>", "</seed:think>"},              // Seed
	{"<|START_THINKING|>", "<|END_THINKING|>"},     // Command
	{"<|begin_of_thought|>", "<|end_of_thought|>"}, //
	{"◁think▷", "◁/think▷"},                        // Kimi
	{"<|channel>thought", "<channel|>"},            // Gemma
}

// answerTags enclose an answer that follows reasoning.
var answerTags = []string{"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|begin_of_solution|>", "<|end_of_solution|>"}

// stretch is a part of an answer as it came: text of a channel, or markup, which has no channel.
type stretch struct {
	end     int
	channel event.Channel
	markup  bool
}

// splitReasoning moves reasoning that the server left in the answer to the reasoning channel. The rest is the answer:
// assertions judge it, and it goes into the history.
func (r *record) splitReasoning() {
	stretches := splitAnswer(large.Own(r.text), len(r.reasoning) > 0)
	if len(stretches) == 0 {
		return
	}
	m := mover{rest: kept{r.text, r.reasoning, r.tool}, stretches: stretches}
	for _, c := range r.x.Chunks {
		m.move(c)
	}
	if r.whole {
		m.move(event.Chunk{Channel: event.Reasoning, Bytes: len(r.reasoning)})
		m.move(event.Chunk{Channel: event.Answer, Bytes: len(r.text)})
		m.move(event.Chunk{Channel: event.Tool, Bytes: len(r.tool)})
		m.chunks = r.x.Chunks[:0]
	}
	r.kept, r.x.Chunks = m.out, m.chunks
}

// mover distributes the texts of a reply over their channels.
type mover struct {
	rest      kept      // what is not moved yet
	stretches []stretch // the stretches of the answer that are left
	at        int       // in the answer
	out       kept
	chunks    []event.Chunk
}

// of is the text of a channel.
func (k *kept) of(channel event.Channel) *[]byte {
	switch channel {
	case event.Reasoning:
		return &k.reasoning
	case event.Tool:
		return &k.tool
	}
	return &k.text
}

// move moves the text of one chunk, to several channels if the chunk holds the end of a stretch. A chunk with nothing
// but markup stays, with no text, because tokens arrived with it.
func (m *mover) move(c event.Chunk) {
	rest := m.rest.of(c.Channel)
	text := (*rest)[:c.Bytes]
	*rest = (*rest)[c.Bytes:]
	if rest != &m.rest.text {
		m.keep(c, c.Channel, text)
		return
	}
	first := len(m.chunks)
	channel := c.Channel
	for len(text) > 0 {
		s := m.stretches[0]
		n := min(s.end-m.at, len(text))
		switch {
		case s.markup:
			channel = s.channel
		case s.channel == event.Answer:
			m.keep(c, c.Channel, text[:n])
		default:
			m.keep(c, s.channel, text[:n])
		}
		text, m.at = text[n:], m.at+n
		if m.at == s.end {
			m.stretches = m.stretches[1:]
		}
	}
	switch len(m.chunks) - first {
	case 0:
		m.chunks = append(m.chunks, event.Chunk{At: c.At, Channel: channel, Tokens: c.Tokens})
	case 1:
		m.chunks[first].Tokens = c.Tokens
	}
}

// keep appends a text to its channel, with a chunk for it.
func (m *mover) keep(of event.Chunk, channel event.Channel, text []byte) {
	into := m.out.of(channel)
	*into = large.Append(*into, text)
	m.chunks = append(m.chunks, event.Chunk{At: of.At, Channel: channel, Bytes: len(text)})
}

// splitAnswer divides an answer that holds reasoning; nil if it holds none. Separate says that reasoning also came on
// the reasoning channel: a lone closing tag is then part of the answer's text.
func splitAnswer(text string, separate bool) []stretch {
	c := cutter{text: text}
	switch found := nextMark(text, 0, "<|channel|>"); {
	case found >= 0 && strings.Contains(text[found:], "<|message|>"):
		c.harmony()
	case strings.HasPrefix(text, "analysis") && strings.Contains(text, "assistantfinal"):
		end := strings.Index(text, "assistantfinal")
		c.markup(len("analysis"), event.Reasoning)
		c.keep(end, event.Reasoning)
		c.markup(end+len("assistantfinal"), event.Reasoning)
		c.keep(len(text), event.Answer)
	default:
		c.tags(separate)
	}
	if !c.found {
		return nil
	}
	return c.trimAnswer()
}

// cutter divides a text from its beginning to its end.
type cutter struct {
	text  string
	at    int
	out   []stretch
	found bool // the text holds more than an answer
}

func (c *cutter) keep(end int, channel event.Channel) {
	if end > c.at {
		c.out = append(c.out, stretch{end: end, channel: channel})
		c.at = end
		c.found = c.found || channel != event.Answer
	}
}

func (c *cutter) markup(end int, channel event.Channel) {
	if end > c.at {
		c.out = append(c.out, stretch{end: end, channel: channel, markup: true})
		c.at, c.found = end, true
	}
}

// nextMark is the index of the next mark in a text, from an index on, or -1. A mark after a quotation mark does not
// count: the answer quotes it.
func nextMark(text string, from int, mark string) int {
	for {
		i := strings.Index(text[from:], mark)
		if i < 0 {
			return -1
		}
		i += from
		if i == 0 || !strings.ContainsRune("`'\"", rune(text[i-1])) {
			return i
		}
		from = i + len(mark)
	}
}

// next finds the first opening or closing tag of reasoning.
func (c *cutter) next(inside string) (at, size int, closing string, opens bool) {
	at = -1
	see := func(mark, ends string, opening bool) {
		if i := nextMark(c.text, c.at, mark); i >= 0 && (at < 0 || i < at) {
			at, size, closing, opens = i, len(mark), ends, opening
		}
	}
	for _, t := range thoughtTags {
		if inside == "" || inside == t.closing {
			see(t.open, t.closing, true)
			see(t.closing, t.closing, false)
		}
	}
	return at, size, closing, opens
}

// tags cuts the text at reasoning tags.
func (c *cutter) tags(separate bool) {
	inside := ""
	for {
		at, size, closing, opens := c.next(inside)
		channel := event.Answer
		if inside != "" {
			channel = event.Reasoning
		}
		if at < 0 {
			c.keep(len(c.text), channel)
			return
		}
		alone := !opens && inside == ""
		if alone && separate {
			c.keep(at+size, channel)
			continue
		}
		c.keep(at, channel)
		c.markup(at+size, event.Reasoning)
		if alone { // the opening tag was part of the prompt
			for i := range c.out {
				c.out[i].channel = event.Reasoning
			}
		}
		inside = ""
		if opens {
			inside = closing
		}
	}
}

// harmonyEnds end a message of the harmony format.
var harmonyEnds = []string{"<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>"}

// harmony cuts an answer in the harmony format of gpt-oss, a sequence of <|channel|>NAME<|message|>TEXT<|end|>. The
// channel final holds the answer.
func (c *cutter) harmony() {
	start := strings.Index(c.text, "<|channel|>")
	if s := strings.Index(c.text, "<|start|>"); s >= 0 && s < start {
		start = s
	}
	c.keep(start, event.Answer)
	for c.at < len(c.text) {
		rest := c.text[c.at:]
		body := strings.Index(rest, "<|message|>")
		if body < 0 {
			c.markup(len(c.text), event.Reasoning)
			return
		}
		head := rest[:body]
		channel := event.Reasoning
		_, name, _ := strings.Cut(head, "<|channel|>")
		switch {
		case strings.Contains(head, " to="):
			channel = event.Tool
		case strings.HasPrefix(strings.TrimSpace(name), "final"):
			channel = event.Answer
		}
		body += len("<|message|>")
		c.markup(c.at+body, channel)
		end := len(rest)
		for _, mark := range harmonyEnds {
			if i := strings.Index(rest[body:], mark); i >= 0 {
				end = min(end, body+i)
			}
		}
		c.keep(c.at+end-body, channel)
		for _, mark := range harmonyEnds[:3] {
			if strings.HasPrefix(c.text[c.at:], mark) {
				c.markup(c.at+len(mark), channel)
			}
		}
	}
}

// trimAnswer marks as markup what surrounds an answer: the space before it, and the tags that enclose it.
func (c *cutter) trimAnswer() []stretch {
	var out []stretch
	at := 0
	blank := true // no answer yet
	add := func(s stretch) {
		if s.end > at {
			out = append(out, s)
			at = s.end
		}
	}
	for _, s := range c.out {
		if s.markup || s.channel != event.Answer {
			add(s)
			continue
		}
		for at < s.end {
			text := c.text[at:s.end]
			if blank {
				space := len(text) - len(strings.TrimLeft(text, " \t\r\n"))
				add(stretch{end: at + space, channel: event.Reasoning, markup: true})
				if text = text[space:]; text == "" {
					break
				}
			}
			tag, size := len(text), 0
			for _, mark := range answerTags {
				if i := strings.Index(text, mark); i >= 0 && i < tag {
					tag, size = i, len(mark)
				}
			}
			blank = blank && tag == 0
			end := at + tag + size
			add(stretch{end: at + tag, channel: event.Answer})
			add(stretch{end: end, channel: event.Answer, markup: true})
		}
	}
	return out
}
