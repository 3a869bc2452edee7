package engines

import "math"

// Upper limits of what a server may report. Larger values are dropped as if they were missing: prompts are built from
// blocks, slots are emptied one by one, and sums of tokens must not overflow.
const (
	mostBlockTokens = 8192
	mostSlots       = 4096
	mostTokens      = 1 << 40 // of a context, or in one count
)

// Believe drops values that no server can have.
func (f *Facts) Believe() {
	f.BlockTokens, f.Slots = upTo(f.BlockTokens, mostBlockTokens), upTo(f.Slots, mostSlots)
	for i := range f.Models {
		m := &f.Models[i]
		m.ContextTokens, m.TrainedTokens = upTo(m.ContextTokens, mostTokens), upTo(m.TrainedTokens, mostTokens)
		m.DefaultTokens = upTo(m.DefaultTokens, mostTokens)
	}
}

// upTo is the number if it is positive and within the limit, else nil.
func upTo(n *int, most int) *int {
	if n == nil || *n < 1 || *n > most {
		return nil
	}
	return n
}

// Tokens converts a JSON number to a count: a whole number from 0 whose sums do not overflow.
func Tokens(v float64) (int, bool) {
	if !(v >= 0 && v <= mostTokens) || v != math.Trunc(v) {
		return 0, false
	}
	return int(v), true
}
