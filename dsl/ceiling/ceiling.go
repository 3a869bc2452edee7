// Package ceiling computes what any prefix cache could serve of a prompt. The input is the prompt, the prompts that
// the server has seen and the block size of the cache; the output is a number of tokens. The plan and the run call
// the same functions. It knows nothing of messages, templates and servers.
package ceiling

// Tokens returns how many tokens of a prompt a block-hashed cache can serve if its first common tokens occur in a
// prompt that it has seen: whole blocks, and never the last token of the prompt, which is always computed because it
// yields the first token of the reply. A block below 1 is one token.
func Tokens(common, prompt, block int) int {
	block = max(block, 1)
	return max(min(common, prompt-1), 0) / block * block
}

// Common returns the length of the common prefix of two sequences of tokens.
func Common(a, b []int) int { return common(a, b) }

// CommonText returns the length of the common prefix of two texts, in bytes of whole characters.
func CommonText(a, b string) int {
	const run = 128
	n := min(len(a), len(b))
	i := 0
	for i+run <= n && a[i:i+run] == b[i:i+run] {
		i += run
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return min(whole(a, i), whole(b, i))
}
