package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Probabilities are those of a difference as large as the observed one when both samples come from one distribution.
type Probabilities struct {
	P    float64 // as far from the expected value, to either side
	Up   float64 // as far up
	Down float64 // as far down
}

// permutations is the number of random ones, drawn with a fixed seed, where there are too many to count.
const permutations = 100_000

// RankSum compares the ranks of b with those of a by the exact permutation distribution of their middle ranks, with
// any ties. P is P(|R - E R| >= |r - E R|). Where the distribution is too large to count, it uses a normal
// approximation with tie and continuity correction, or random permutations if few values or ties dominate the sum.
func RankSum(a, b []float64) Probabilities {
	m, n := len(a), len(b)
	scores, tied := doubledRanks(slices.Concat(a, b))
	total, k := m+n, min(m, n)
	small := scores[m:] // of b
	if k == m && m != n {
		small = scores[:m]
	}
	sum := 0
	for _, s := range small {
		sum += s
	}
	sorted := slices.Sorted(slices.Values(scores))
	var out Probabilities
	switch low, step := sorted[0], stepOf(sorted); {
	case !tied && uCounts(m, n) != nil:
		out = tails(uCounts(m, n), 2, m*n, (sum-k*(k+1))/2)
	case step == 0:
		return Probabilities{1, 1, 1} // every value is the same
	default:
		reduced := make([]int, total)
		for i, s := range sorted {
			reduced[i] = (s - low) / step
		}
		at := (sum - k*low) / step
		switch {
		case float64(total)*float64(k)*float64(largestSum(reduced, k))/2 <= mostExact:
			out = tails(sumCounts(reduced, k), total, k*largestSum(reduced, total), at)
		case smooth(sorted, k):
			out = normalTails(sorted, k, sum)
		default:
			out = drawn(reduced, k, at)
		}
	}
	if k == m && m != n {
		out.Up, out.Down = out.Down, out.Up
	}
	return out
}

// doubledRanks are the middle ranks of values, from 2, doubled so that those of ties are whole numbers.
func doubledRanks(values []float64) (scores []int, tied bool) {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case values[i] < values[j]:
			return -1
		case values[i] > values[j]:
			return 1
		}
		return 0
	})
	scores = make([]int, len(values))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		tied = tied || j-i > 1
		for _, at := range order[i:j] {
			scores[at] = i + 1 + j // the mean of the ranks i+1 … j, doubled
		}
		i = j
	}
	return scores, tied
}

// stepOf is the greatest common divisor of the distances of sorted scores; 0 if all are the same.
func stepOf(sorted []int) int {
	step := 0
	for _, s := range sorted {
		for a, b := s-sorted[0], step; ; a, b = b, a%b {
			if b == 0 {
				step = a
				break
			}
		}
	}
	return step
}

// tails adds up the probability of sums at least as far from the centre as the given one. The centre is k/N of the
// sum of all scores; everything is multiplied by N to stay in whole numbers.
func tails(dist []float64, scale, center, at int) (out Probabilities) {
	seen := scale*at - center
	for s, p := range dist {
		d := scale*s - center
		if max(d, -d) >= max(seen, -seen) {
			out.P += p
		}
		if d >= seen {
			out.Up += p
		}
		if d <= seen {
			out.Down += p
		}
	}
	return Probabilities{math.Min(1, out.P), math.Min(1, out.Up), math.Min(1, out.Down)}
}

// normalTails approximates the tails by a normal distribution, with the variance corrected for ties and half a rank
// of continuity.
func normalTails(sorted []int, k, sum int) (out Probabilities) {
	mean, squares := moments(sorted)
	n := float64(len(sorted))
	sd := math.Sqrt(float64(k) * (n - float64(k)) / (n * (n - 1)) * squares)
	d := float64(sum) - float64(k)*mean
	upper := func(d float64) float64 { return math.Erfc((d-1)/sd/math.Sqrt2) / 2 } // half a rank, doubled, is 1
	return Probabilities{P: math.Min(1, 2*upper(math.Abs(d))), Up: math.Min(1, upper(d)), Down: math.Min(1, upper(-d))}
}

// drawn estimates the tails from random choices of k scores.
func drawn(scores []int, k, at int) Probabilities {
	n := len(scores)
	center := k * largestSum(scores, n) // in n-ths
	seen := n*at - center
	random := rand.New(rand.NewPCG(uint64(n), uint64(k)))
	pool := slices.Clone(scores)
	far, up, down := 1, 1, 1 // the observed choice is one of them
	for range permutations {
		sum := 0
		for i := range k {
			j := i + random.IntN(n-i)
			pool[i], pool[j] = pool[j], pool[i]
			sum += pool[i]
		}
		d := n*sum - center
		if max(d, -d) >= max(seen, -seen) {
			far++
		}
		if d >= seen {
			up++
		}
		if d <= seen {
			down++
		}
	}
	const all = permutations + 1
	return Probabilities{float64(far) / all, float64(up) / all, float64(down) / all}
}

// smooth says whether the sum of k scores is close enough to normal: no group of ties holds a quarter of the scores,
// and no few scores dominate the sum.
func smooth(sorted []int, k int) bool {
	n, run := len(sorted), 0
	for i, s := range sorted {
		if run++; i > 0 && s != sorted[i-1] {
			run = 1
		}
		if 4*run > n {
			return false
		}
	}
	mean, squares := moments(sorted)
	far := max(mean-float64(sorted[0]), float64(sorted[n-1])-mean)
	return float64(k)/float64(n)*squares/(far*far) >= 20
}

// moments are the mean of scores and the sum of their squared distances from it.
func moments(scores []int) (mean, squares float64) {
	for _, s := range scores {
		mean += float64(s) / float64(len(scores))
	}
	for _, s := range scores {
		squares += (float64(s) - mean) * (float64(s) - mean)
	}
	return mean, squares
}
