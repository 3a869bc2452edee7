package engines

import "math"

// What a server may say of itself. More is not believed, as if it had said nothing: prompts are made of blocks, slots
// are emptied one by one, and sums of tokens must not overflow.
const (
	mostBlockTokens = 8192
	mostSlots       = 4096
	mostTokens      = 1 << 40 // of a context, or in one count
)

// Believe drops what no server has.
func (f *Facts) Believe() {
	f.BlockTokens, f.Slots = upTo(f.BlockTokens, mostBlockTokens), upTo(f.Slots, mostSlots)
	for i := range f.Models {
		m := &f.Models[i]
		m.ContextTokens, m.TrainedTokens = upTo(m.ContextTokens, mostTokens), upTo(m.TrainedTokens, mostTokens)
		m.DefaultTokens = upTo(m.DefaultTokens, mostTokens)
	}
}

// upTo is a positive number of at most so many; nil for any other.
func upTo(n *int, most int) *int {
	if n == nil || *n < 1 || *n > most {
		return nil
	}
	return n
}

// Tokens is a count that came as a number with a fraction: a whole number from 0 that no sum overflows.
func Tokens(v float64) (int, bool) {
	if !(v >= 0 && v <= mostTokens) || v != math.Trunc(v) {
		return 0, false
	}
	return int(v), true
}
