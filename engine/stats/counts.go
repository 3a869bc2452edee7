package stats

import (
	"math"
	"sync"
)

// withTerm extends the distribution of a sum by a term that may be added or left out.
func withTerm(ways []float64, term int) []float64 {
	out := make([]float64, len(ways)+term)
	for s, n := range ways {
		out[s] += n / 2 // halved each time, so that large samples do not overflow
		out[s+term] += n / 2
	}
	return out
}

// wCounts is the distribution of the signed-rank sum of n values.
func wCounts(n int) []float64 {
	ways := []float64{1}
	for i := 1; i <= n; i++ {
		ways = withTerm(ways, i)
	}
	return ways
}

// mostExact is the work, in additions, up to which a distribution is counted exactly: some hundredths of a second.
const mostExact = 40_000_000

// untied caches the distributions of U without ties, which depend on the two sizes alone.
var untied sync.Map

// uCounts is the distribution of U of samples of m and n values without ties, from 0 to mn; nil if it is too large to
// count.
func uCounts(m, n int) []float64 {
	m, n = min(m, n), max(m, n)
	if (m+n)*m*m*n/2 > mostExact {
		return nil
	}
	if d, ok := untied.Load([2]int{m, n}); ok {
		return d.([]float64) // no other type is stored
	}
	scores := make([]int, m+n)
	for i := range scores {
		scores[i] = i
	}
	dist := sumCounts(scores, m)[m*(m-1)/2:][:m*n+1]
	untied.Store([2]int{m, n}, dist)
	return dist
}

// sumCounts is the distribution of the sum of k of these scores, all non-negative, when every choice of k is equally
// likely. The scores are added one after another, each with the probability that it is chosen given how many were
// chosen before it.
func sumCounts(scores []int, k int) []float64 {
	total := len(scores)
	most := largestSum(scores, k)
	by := make([][]float64, k+1) // by[j] is the distribution of the sum of j scores, times the probability of j
	for j := range by {
		by[j] = make([]float64, most+1)
	}
	by[0][0] = 1
	reach := make([]int, k+1) // the largest sum of j scores so far
	for i, r := range scores {
		left := float64(total - i)
		for j := min(i+1, k); j >= max(0, k-(total-i)); j-- {
			stay := 1 - float64(k-j)/left
			to := by[j]
			for s := range reach[j] + 1 {
				to[s] *= stay
			}
			if j == 0 {
				continue
			}
			take := float64(k-j+1) / left
			end := reach[j-1]
			for s, p := range by[j-1][:min(end, most-r)+1] {
				to[s+r] += p * take
			}
			reach[j] = max(reach[j], min(end+r, most))
		}
	}
	return by[k]
}

// largestSum is the sum of the k largest of sorted scores.
func largestSum(scores []int, k int) int {
	sum := 0
	for _, s := range scores[len(scores)-k:] {
		sum += s
	}
	return sum
}

// lowRank is the largest k with P(X < k) <= tail.
func lowRank(dist []float64, tail float64) int {
	var below float64
	for k, p := range dist {
		if below+p > tail*(1+1e-12) {
			return k
		}
		below += p
	}
	return len(dist)
}

// normalRank is [lowRank] for a whole number that is normal with this mean and deviation.
func normalRank(mean, sd, tail float64) int {
	z := math.Sqrt2 * math.Erfinv(1-2*tail)
	return max(0, int(math.Floor(mean-z*sd+0.5)))
}
