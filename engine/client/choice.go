package client

// choice holds the offsets of a choice's parts in an event; 0 if a part is absent. How a part is read depends on the
// other parts, and they come in any order.
type choice struct {
	delta, message, text, ids int
	index                     int
	finish                    []byte
}

// readChoices reads the first choice of an event: the one of the lowest index.
func (c *chunk) readChoices() {
	c.choices = false
	s := &c.scan
	var first choice
	for ok := s.open('['); ok; ok = s.more(']') {
		next := c.findParts()
		c.several = c.several || c.choices
		if !c.choices || next.index < first.index {
			first = next
		}
		c.choices = true
	}
	if s.bad || !c.choices {
		return
	}
	end := s.pos
	c.readChoice(first)
	s.pos = end
}

// findParts steps over a choice and returns where its parts are.
func (c *chunk) findParts() (found choice) {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		key := string(s.key())
		s.peek()
		switch at := s.pos; key {
		case "delta":
			found.delta = at
		case "message":
			found.message = at
		case "text":
			found.text = at
		case "token_ids":
			found.ids = at
		case "finish_reason":
			if reason := s.text(); len(reason) > 0 {
				found.finish = append([]byte(nil), reason...)
			}
			continue
		case "index":
			s.countInto(&found.index)
			continue
		}
		s.skip()
	}
	return found
}

// readChoice reads what a choice generated. Some servers send a text twice, as a delta and as a message or a text:
// the delta counts, and the others only where the delta is empty.
func (c *chunk) readChoice(from choice) {
	s := &c.scan
	c.index, c.finish = from.index, from.finish
	if from.ids > 0 {
		s.pos = from.ids
		c.readTokenIDs()
	}
	if from.delta > 0 {
		s.pos = from.delta
		c.readDelta()
	}
	if from.text > 0 && c.empty() {
		s.pos = from.text
		c.readText(&c.answer)
	}
	if from.message > 0 && c.empty() {
		s.pos = from.message
		c.readDelta()
		c.message = !c.empty()
	}
}

// readDelta reads what was generated. While vLLM renamed reasoning_content to reasoning, some versions sent the same
// text under both names: it is counted once.
func (c *chunk) readDelta() {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "content":
			c.readContent(&c.answer)
		case "reasoning":
			c.readReasoning("reasoning")
		case "reasoning_content":
			c.readReasoning("reasoning_content")
		case "thinking": // Ollama
			c.readReasoning("thinking")
		case "refusal":
			c.readText(&c.refusal)
		case "tool_calls":
			for ok := s.open('['); ok; ok = s.more(']') {
				c.readCall()
			}
		case "function_call":
			c.readFunction(&piece{index: -1})
		default:
			s.skip()
		}
	}
}

// readContent appends a text, or the texts of a list of parts.
func (c *chunk) readContent(into *[]byte) {
	s := &c.scan
	switch s.peek() {
	case '[':
		for ok := s.open('['); ok; ok = s.more(']') {
			c.readContent(into)
		}
	case '{':
		c.readPart(into)
	default:
		c.readText(into)
	}
}

// readPart reads one part of a content: a text, a refusal, or reasoning, which has parts itself.
func (c *chunk) readPart(into *[]byte) {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "text":
			c.readContent(into)
		case "refusal":
			c.readContent(&c.refusal)
		case "thinking", "reasoning":
			c.readContent(&c.reasoning)
		default:
			s.skip()
		}
	}
}

func (c *chunk) readReasoning(key string) {
	if c.reasoningKey != "" && c.reasoningKey != key {
		c.scan.skip()
		return
	}
	if c.readText(&c.reasoning); len(c.reasoning) > 0 {
		c.reasoningKey = key
	}
}

// readCall reads a tool call, or a piece of one.
func (c *chunk) readCall() {
	s := &c.scan
	p := piece{index: -1}
	function := 0
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "index":
			s.countInto(&p.index)
		case "id":
			p.id = string(s.text())
		case "function":
			s.peek()
			function = s.pos
			s.skip()
		default:
			s.skip()
		}
	}
	if function > 0 && !s.bad {
		end := s.pos
		s.pos = function
		c.readFunction(&p)
		s.pos = end
	}
}

// readFunction reads the name and the arguments of a tool call, because the model generated both. OpenAI sends the
// arguments as a string, Ollama as a value.
func (c *chunk) readFunction(p *piece) {
	s := &c.scan
	for ok := s.open('{'); ok; ok = s.more('}') {
		switch string(s.key()) {
		case "name":
			p.name = string(s.text())
			c.tool = append(c.tool, p.name...)
		case "arguments":
			switch s.peek() {
			case '"', 'n':
				p.at = len(c.tool)
				c.tool = s.textOnto(c.tool)
				p.arguments = c.tool[p.at:len(c.tool):len(c.tool)]
			default:
				p.arguments, p.whole, p.at = s.raw(), true, len(c.tool)
				c.tool = append(c.tool, p.arguments...)
			}
		default:
			s.skip()
		}
	}
	c.calls = append(c.calls, *p)
	c.same.texts += 2 // what is generated has parts, so another event is not read like this one
}

func (c *chunk) readTokenIDs() {
	s := &c.scan
	if s.peek() != '[' {
		s.skip()
		return
	}
	for ok := s.open('['); ok; ok = s.more(']') {
		c.tokens++
		s.skip()
	}
	c.counted = true
}
