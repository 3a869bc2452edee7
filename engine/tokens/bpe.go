package tokens

import (
	"fmt"
	"unicode/utf8"
)

// encode splits one piece into tokens: starting from single characters or bytes, it repeatedly joins the pair with
// the lowest rank, the leftmost of equal ones.
func (t *Tokenizer) encode(piece string) []int32 {
	if t.bytewise {
		piece = spellBytes(piece)
	}
	if t.wholeFirst {
		if id, ok := t.vocab[piece]; ok {
			return []int32{id}
		}
	}
	w := newWord(t.symbols(piece))
	w.find = func(left int32) (merge, bool) {
		m, ok := t.merges[[2]int32{w.ids[left], w.ids[w.next[left]]}]
		return m, ok
	}
	return w.join()
}

// gone marks a symbol that was joined to the one before it.
const gone = -1

// symbols are the tokens of single characters.
func (t *Tokenizer) symbols(piece string) []int32 {
	ids := make([]int32, 0, len(piece))
	unknown := false
	for i, r := range piece {
		_, size := utf8.DecodeRuneInString(piece[i:])
		if id, ok := t.vocab[piece[i:i+size]]; ok && (r != utf8.RuneError || size > 1) {
			ids, unknown = append(ids, id), false
			continue
		}
		if t.byteFallback {
			if bytes, ok := t.byteTokens(piece[i : i+size]); ok {
				ids, unknown = append(ids, bytes...), false
				continue
			}
		}
		if t.unknown >= 0 && (!unknown || !t.fuseUnknown) {
			ids = append(ids, t.unknown)
		}
		unknown = true
	}
	return ids
}

func (t *Tokenizer) byteTokens(s string) (ids []int32, ok bool) {
	for i := range len(s) {
		id, ok := t.vocab[fmt.Sprintf("<0x%02X>", s[i])]
		if !ok {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// word is a piece during joining: a linked list of symbols, and a heap of the pairs in it.
type word struct {
	ids, next, previous []int32
	heap                []candidate
	find                func(left int32) (merge, bool) // how a symbol and the next one are joined
}

func newWord(symbols []int32) *word {
	n := int32(len(symbols))
	w := &word{ids: symbols, next: make([]int32, n), previous: make([]int32, n)}
	for i := range n {
		w.next[i], w.previous[i] = i+1, i-1
	}
	return w
}

// join joins pairs as long as there are any to join, and returns the symbols.
func (w *word) join() []int32 {
	n := int32(len(w.ids))
	for i := range n - 1 {
		w.offer(i)
	}
	for len(w.heap) > 0 {
		c := w.pop()
		left, right := c.at, int32(-1)
		if w.ids[left] != gone {
			right = w.next[left]
		}
		if right < 0 || right >= n {
			continue
		}
		// Meanwhile, one of the two may have been joined with another symbol.
		if m, ok := w.find(left); !ok || m != c.merge {
			continue
		}
		w.ids[left], w.ids[right] = c.id, gone
		w.next[left] = w.next[right]
		if w.next[left] < n {
			w.previous[w.next[left]] = left
			w.offer(left)
		}
		if w.previous[left] >= 0 {
			w.offer(w.previous[left])
		}
	}
	out := w.ids[:0]
	for _, id := range w.ids {
		if id != gone {
			out = append(out, id)
		}
	}
	return out
}

type candidate struct {
	merge
	at int32
}

func (a candidate) before(b candidate) bool {
	return a.rank < b.rank || a.rank == b.rank && a.at < b.at
}

// offer puts the pair that begins at i on the heap if it can be joined.
func (w *word) offer(i int32) {
	m, ok := w.find(i)
	if !ok {
		return
	}
	w.heap = append(w.heap, candidate{m, i})
	for at := len(w.heap) - 1; at > 0; {
		up := (at - 1) / 2
		if !w.heap[at].before(w.heap[up]) {
			break
		}
		w.heap[at], w.heap[up] = w.heap[up], w.heap[at]
		at = up
	}
}

func (w *word) pop() candidate {
	top := w.heap[0]
	last := len(w.heap) - 1
	w.heap[0] = w.heap[last]
	w.heap = w.heap[:last]
	for at := 0; ; {
		down := 2*at + 1
		if down >= last {
			return top
		}
		if down+1 < last && w.heap[down+1].before(w.heap[down]) {
			down++
		}
		if !w.heap[down].before(w.heap[at]) {
			return top
		}
		w.heap[at], w.heap[down] = w.heap[down], w.heap[at]
		at = down
	}
}

// spellBytes writes every byte as the printable character that byte-level vocabularies use for it:
// itself where it is printable Latin-1, else the next free one from U+0100 on.
func spellBytes(s string) string {
	out := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		out = utf8.AppendRune(out, byteSpelling(s[i]))
	}
	return string(out)
}

func byteSpelling(b byte) rune {
	switch {
	case b <= ' ':
		return 0x100 + rune(b)
	case b < 0x7f:
		return rune(b)
	case b <= 0xa0:
		return 0x100 + 33 + rune(b-0x7f)
	case b == 0xad:
		return 0x100 + 33 + 34
	default:
		return rune(b)
	}
}
