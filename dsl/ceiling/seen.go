package ceiling

import "unicode/utf8"

// Seen is a set of prompts that a server has seen, as tokens or as bytes of text. It is a prefix tree: common
// prefixes are stored once, so that a conversation takes memory and time for what it adds. The zero value is empty.
type Seen[E int | byte] struct {
	children []*stretch[E]
	prompts  int
}

// stretch is a node of the tree: what follows at one place of some prompts. Its children begin differently.
type stretch[E int | byte] struct {
	text     []E
	children []*stretch[E]
}

// Len is how many prompts were added.
func (s *Seen[E]) Len() int { return s.prompts }

// Add adds a prompt, and copies what is new in it.
func (s *Seen[E]) Add(prompt []E) {
	s.prompts++
	at := &s.children
	for len(prompt) > 0 {
		next := follow(*at, prompt[0])
		if next == nil {
			*at = append(*at, &stretch[E]{text: append([]E(nil), prompt...)})
			return
		}
		n := common(prompt, next.text)
		switch {
		case n == len(next.text) && next.children == nil: // a conversation continues
			next.text = append(next.text, prompt[n:]...)
			return
		case n < len(next.text):
			rest := &stretch[E]{text: next.text[n:], children: next.children}
			next.text, next.children = next.text[:n:n], []*stretch[E]{rest}
		}
		prompt, at = prompt[n:], &next.children
	}
}

// Longest returns the length of the longest prefix of a prompt that a seen prompt has too.
func (s *Seen[E]) Longest(prompt []E) int {
	best, at := 0, s.children
	for best < len(prompt) {
		next := follow(at, prompt[best])
		if next == nil {
			break
		}
		n := common(prompt[best:], next.text)
		best += n
		if n < len(next.text) {
			break
		}
		at = next.children
	}
	return best
}

func follow[E int | byte](children []*stretch[E], first E) *stretch[E] {
	for _, c := range children {
		if c.text[0] == first {
			return c
		}
	}
	return nil
}

// LongestText is [Seen.Longest] for texts: in bytes of whole characters.
func LongestText(prompt string, seen *Seen[byte]) int {
	return whole(prompt, seen.Longest([]byte(prompt)))
}

// whole is the greatest number of bytes up to n that are whole characters of a text.
func whole(text string, n int) int {
	for n > 0 && n < len(text) && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}

// common is the length of the common prefix of two sequences. It compares runs first, which is many times faster.
func common[E int | byte](a, b []E) int {
	const run = 128
	n := min(len(a), len(b))
	i := 0
	for i+run <= n && *(*[run]E)(a[i:]) == *(*[run]E)(b[i:]) {
		i += run
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
