package large

import "slices"

// Least is the size in bytes from which a text is large: it is not copied where that can be helped, and memory that
// has held it is given up.
const Least = 64 << 10

// Pile is a large body in blocks, so that what is there is not copied each time that more arrives. The zero value is
// empty.
type Pile struct {
	Blocks [][]byte
	Size   int    // in bytes
	room   []byte // what is free of the last block that Add made
}

// Blocks grow with the pile between these sizes in bytes.
const (
	leastBlock = 8 << 10
	mostBlock  = 256 << 10
)

// Add copies bytes to the end of the pile and returns the copy, which does not change.
func (p *Pile) Add(b []byte) []byte {
	if len(p.room) < len(b) {
		p.room = make([]byte, max(len(b), leastBlock, min(p.Size, mostBlock)))
	}
	n := copy(p.room, b)
	copied := p.room[:n:n]
	p.room = p.room[n:]
	p.Refer(copied)
	return copied
}

// Refer puts bytes at the end of the pile that will not be changed.
func (p *Pile) Refer(b []byte) {
	p.Blocks = append(p.Blocks, b)
	p.Size += len(b)
}

// Join empties the pile, and returns it as one piece between two others.
func (p *Pile) Join(before, after []byte) []byte {
	if p.Size == 0 {
		return append(before, after...)
	}
	out := append(make([]byte, 0, len(before)+p.Size+len(after)), before...)
	for _, b := range p.Blocks {
		out = append(out, b...)
	}
	*p = Pile{}
	return append(out, after...)
}

// Emptied is a buffer to be filled again; one that has held something large is given up.
func Emptied(b []byte) []byte {
	if cap(b) > Least {
		return nil
	}
	return b[:0]
}

// Append appends a text to what is kept. A large one that is the first is not copied: it stays where it is.
func Append(kept, text []byte) []byte {
	if len(kept) == 0 && len(text) > Least {
		return slices.Clip(text)
	}
	return append(kept, text...)
}
