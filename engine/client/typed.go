package client

// part is a key of an object, and where to put the offset of its value.
type part struct {
	key string
	at  *int
}

// locate reads an object and notes the offsets of its parts, so that they can be read in another order than they come
// in. The offset of an absent part is left unchanged.
func (s *scanner) locate(parts ...part) {
	for ok := s.open('{'); ok; ok = s.more('}') {
		key := s.key()
		s.peek()
		for _, p := range parts {
			if string(key) == p.key {
				*p.at = s.pos
			}
		}
		s.skip()
	}
}

// textAt reads the string at an offset; nothing where there is none.
func (s *scanner) textAt(offset int) []byte {
	if offset == 0 {
		return nil
	}
	s.pos = offset
	return s.text()
}

// countAt reads the count at an offset; -1 where there is none.
func (s *scanner) countAt(offset int) int {
	n := -1
	if offset > 0 {
		s.pos = offset
		s.countInto(&n)
	}
	return n
}

// nullAt reports whether there is nothing at an offset, or null.
func (s *scanner) nullAt(offset int) bool { return offset == 0 || s.data[offset] == 'n' }

// decodeTyped decodes an event of an API whose events say their type, or the whole body of a reply that was not
// streamed: it locates the parts and then calls read.
func (c *chunk) decodeTyped(read func(start int), parts ...part) error {
	s := &c.scan
	if s.peek() != '{' {
		return errNotJSON
	}
	start := s.pos
	s.locate(parts...)
	if !s.end() {
		return errNotJSON
	}
	end := s.pos
	read(start)
	s.pos = end
	return nil
}

// typeAt reads the type of an event.
func (c *chunk) typeAt(offset int) { c.kind = append(c.kind[:0], c.scan.textAt(offset)...) }

// timingsAt reads the engine's timings; an offset of 0 means none.
func (c *chunk) timingsAt(offset int) {
	if offset > 0 {
		c.scan.pos = offset
		c.readTimings()
	}
}
