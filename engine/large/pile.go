package large

import "slices"

// Least is the size in bytes from which a text counts as large: copies of it are avoided, and buffers that held it are
// released.
const Least = 64 << 10

// Pile is a large body in blocks, so that growing does not copy what has arrived. The zero value is empty.
type Pile struct {
	Blocks [][]byte
	Size   int    // in bytes
	room   []byte // the free part of the last block that Add made
}

// The sizes of blocks, in bytes, grow with the pile between these limits.
const (
	leastBlock = 8 << 10
	mostBlock  = 256 << 10
)

// Add copies bytes to the end of the pile and returns the copy, which will not change.
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

// Refer appends bytes to the pile without a copy. They must not change afterwards.
func (p *Pile) Refer(b []byte) {
	p.Blocks = append(p.Blocks, b)
	p.Size += len(b)
}

// Join empties the pile and returns its contents as one piece between two others.
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

// Emptied returns a buffer to be filled again, or nil to release a large one.
func Emptied(b []byte) []byte {
	if cap(b) > Least {
		return nil
	}
	return b[:0]
}

// Append appends a text to kept. If kept is empty, a large text is not copied but returned itself.
func Append(kept, text []byte) []byte {
	if len(kept) == 0 && len(text) > Least {
		return slices.Clip(text)
	}
	return append(kept, text...)
}
