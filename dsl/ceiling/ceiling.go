// Package ceiling computes what any prefix cache could serve of a prompt. The prompt, those that the
// server has seen and the size of a cache block come in; a number of tokens goes out. The plan and the
// run call the same functions. It knows nothing of messages, templates and servers.
package ceiling

import "unicode/utf8"

// Tokens returns how many tokens of a prompt a block-hashed cache can serve if the first common tokens are those of a
// prompt that it has seen: whole blocks, and never the last token of the prompt, which is always computed because it
// yields the first token of the reply. A block below 1 is one token.
func Tokens(common, prompt, block int) int {
	block = max(block, 1)
	return max(min(common, prompt-1), 0) / block * block
}

// Longest returns how many tokens at the beginning of a prompt are at the beginning of one that was seen.
func Longest(prompt []int, seen [][]int) int {
	best := 0
	for _, s := range seen {
		best = max(best, Common(prompt, s))
	}
	return best
}

// LongestText is Longest for texts, in bytes of whole characters.
func LongestText(prompt string, seen []string) int {
	best := 0
	for _, s := range seen {
		best = max(best, CommonText(prompt, s))
	}
	return best
}

// Common returns the length of the common prefix of two sequences of tokens.
func Common(a, b []int) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// CommonText returns the length of the common prefix of two texts, in bytes of whole characters.
func CommonText(a, b string) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	for i > 0 && (i < len(a) && !utf8.RuneStart(a[i]) || i < len(b) && !utf8.RuneStart(b[i])) {
		i--
	}
	return i
}
