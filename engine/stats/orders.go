package stats

import (
	"math/rand/v2"
	"sync"
)

// mostKept is how many positions of random orders are kept for samples of one size.
const mostKept = 1_000_000

// keptOrders are the random orders of samples of usual sizes, one after the other.
var keptOrders sync.Map

// eachChoice gives random choices of take out of size positions until it is told to stop, or there are
// [meanPermutations].
func eachChoice(size, take int, yield func(order []int32) bool) {
	random := rand.New(rand.NewPCG(uint64(size-take), uint64(take)))
	orders(size, take, func(pool []int32) {
		for i := range take {
			j := i + random.IntN(size-i)
			pool[i], pool[j] = pool[j], pool[i]
		}
	}, yield)
}

// eachOrder gives random orders of all positions likewise.
func eachOrder(size int, yield func(order []int32) bool) {
	random := rand.New(rand.NewPCG(uint64(size), 2))
	orders(size, size, func(pool []int32) {
		random.Shuffle(size, func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
	}, yield)
}

// orders gives what mix makes of the positions, again and again. It is the same in every test of samples of one size,
// because mix begins from a fixed seed, and so it is drawn once for all of them where it is not too much to keep.
func orders(size, take int, mix func(pool []int32), yield func(order []int32) bool) {
	if size == 0 || take*meanPermutations > mostKept {
		mixed(size, take, mix, yield)
		return
	}
	made, _ := keptOrders.LoadOrStore([2]int{size, take}, sync.OnceValue(func() []int32 {
		all := make([]int32, 0, take*meanPermutations)
		mixed(size, take, mix, func(order []int32) bool {
			all = append(all, order...)
			return true
		})
		return all
	}))
	all := made.(func() []int32)() //nolint:forcetypeassert // nothing else is stored
	for ; len(all) > 0 && yield(all[:take]); all = all[take:] {
	}
}

func mixed(size, take int, mix func(pool []int32), yield func(order []int32) bool) {
	pool := make([]int32, size)
	for i := range pool {
		pool[i] = int32(i) //nolint:gosec // no sample has so many values
	}
	for range meanPermutations {
		if mix(pool); !yield(pool[:take]) {
			return
		}
	}
}
