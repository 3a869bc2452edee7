package stats

import (
	"math/rand/v2"
	"sync"
)

// maxKept bounds how many positions of random orders are cached for samples of one size.
const maxKept = 1_000_000

// keptOrders caches the random orders of samples of usual sizes.
var keptOrders sync.Map

// eachChoice yields [meanPermutations] random choices of take out of size positions, or fewer if yield stops it.
func eachChoice(size, take int, yield func(order []int32) bool) {
	random := rand.New(rand.NewPCG(uint64(size-take), uint64(take)))
	orders(size, take, func(pool []int32) {
		for i := range take {
			j := i + random.IntN(size-i)
			pool[i], pool[j] = pool[j], pool[i]
		}
	}, yield)
}

// eachOrder yields random orders of all positions in the same way.
func eachOrder(size int, yield func(order []int32) bool) {
	random := rand.New(rand.NewPCG(uint64(size), 2))
	orders(size, size, func(pool []int32) {
		random.Shuffle(size, func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
	}, yield)
}

// orders yields what mix makes of the positions, repeatedly. Mix starts from a fixed seed, so all tests with samples
// of one size use the same orders; they are drawn once and cached if they are not too large.
func orders(size, take int, mix func(pool []int32), yield func(order []int32) bool) {
	if size == 0 || take*meanPermutations > maxKept {
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
	all := made.(func() []int32)() // no other type is stored
	for ; len(all) > 0 && yield(all[:take]); all = all[take:] {
	}
}

func mixed(size, take int, mix func(pool []int32), yield func(order []int32) bool) {
	pool := make([]int32, size)
	for i := range pool {
		pool[i] = int32(i) // fits int32: samples are smaller
	}
	for range meanPermutations {
		if mix(pool); !yield(pool[:take]) {
			return
		}
	}
}
