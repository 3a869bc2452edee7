package stats

// Share is the part of the error allowed in all that the n-th look at a growing sample may use up
// (n from 1; 0 is the only look there is). A procedure that looks again and again and stops at the first
// look that satisfies it is wrong far more often than the 5 % of one look. The shares 1/(n(n+1))
// add up to 1 over any number of looks, so the chance of ever being wrong stays what it is for one
// (Bonferroni's inequality, which asks for no independence).
func Share(look int) float64 {
	if look <= 0 {
		return 1
	}
	return 1 / float64(look*(look+1))
}

// Confidence is that of a bound at the n-th look, such that all looks together keep 95 %.
func Confidence(look int) float64 { return 1 - (1-Level)*Share(look) }

// Looks are the sizes that a growing sample had, in repeats, whenever it was judged to decide whether it grows on,
// up to now. None: it is judged once.
type Looks []int

// Counted is the number of looks at which the sample was large enough for a judgement. The others
// could decide nothing, whatever was measured, and so use up nothing. enough says whether it is now.
func (l Looks) Counted(large func(size, look int) bool) (look int, enough bool) {
	for _, size := range l {
		if enough = large(size, look+1); enough {
			look++
		}
	}
	return look, enough
}

// NextLook is the sample size at which a sample of n is looked at again: half as many more. Looks
// that far apart cost little, since each must be the surer the more there are.
func NextLook(n int) int { return n + max(1, n/2) }
