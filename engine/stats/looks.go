package stats

// Share is the part of the total error probability that the n-th look at a growing sample may use (n from 1; 0 means
// that there is only one look). Looking again and again, and stopping at the first look that is satisfied, errs far
// more often than the 5 % of one look. The shares 1/(n(n+1)) add up to 1 over any number of looks, so the total error
// probability stays that of one look, by Bonferroni's inequality, which does not require independence.
func Share(look int) float64 {
	if look <= 0 {
		return 1
	}
	return 1 / float64(look*(look+1))
}

// Confidence is the confidence of a bound at the n-th look, such that all looks together keep 95 %.
func Confidence(look int) float64 { return 1 - (1-Level)*Share(look) }

// Looks are the sizes of a growing sample, in repeats, at each judgement of whether to continue, up to now. None: the
// sample is judged once.
type Looks []int

// Counted is the number of looks with a sample large enough for a judgement. Smaller samples could decide nothing,
// and so use no error probability. Enough says whether the sample is large enough now.
func (l Looks) Counted(large func(size, look int) bool) (look int, enough bool) {
	for _, size := range l {
		if enough = large(size, look+1); enough {
			look++
		}
	}
	return look, enough
}

// NextLook is the sample size for the look after a sample of n: half as many more. Few looks are better, because
// every further look must be more certain.
func NextLook(n int) int { return n + max(1, n/2) }
