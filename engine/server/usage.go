package server

import "fmt"

// usage holds the counts of a prompt in its reply; nil: the reply lacks that count.
type usage struct {
	prompt *int // all of it
	input  *int // the part counted apart from the cached tokens, on APIs that have it
	cached *int
}

// partial reports whether the count of a repeated prompt is smaller than the prompt, or missing: the server counts only
// the tokens that it computed.
func partial(first, second usage) bool {
	return first.prompt != nil && (second.prompt == nil || *second.prompt < *first.prompt)
}

// doubled reports whether the input count, which should leave out cached tokens, was the same for a new prompt and for
// its repetition although more of that was cached, so that the sum grew: input is then the whole prompt.
func doubled(first, second usage) bool {
	return first.input != nil && second.input != nil && *first.input == *second.input && first.prompt != nil &&
		second.prompt != nil && *second.prompt > *first.prompt
}

// compareCounts compares the prompt counts of two replies with the server's own count of the prompt, to decide whether
// the sum has the cached tokens once or twice. If neither fits, odd says how the server contradicts itself.
func compareCounts(first, second usage, whole int) (twice, known bool, odd string) {
	is := func(n *int) bool { return n != nil && *n == whole }
	switch {
	case whole == 0 || first.input == nil || second.input == nil:
		return false, false, ""
	case is(first.prompt) && is(second.prompt):
		return false, true, ""
	case is(first.input) && is(second.input):
		return true, true, ""
	}
	return false, false, fmt.Sprintf("count_tokens says that a prompt has %d tokens, and the replies to it count %s "+
		"and %s", whole, first, second)
}

// String returns the counts in words.
func (u usage) String() string {
	if u.cached == nil {
		return fmt.Sprintf("%d without saying what was cached", *u.input)
	}
	return fmt.Sprintf("%d besides %d cached", *u.input, *u.cached)
}
