package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"homellm/engine/crash"
)

// engine runs the steps: it decides what each one computes, when it ends, and tells every sequence when its tokens
// appear. Its clock is the schedule, not the wall clock: a step begins where the previous one ended, so that late
// wake-ups do not accumulate. One goroutine runs while there is work and ends with it.
type engine struct {
	roof      roofline
	slots     int // sequences that run at once
	budget    int // tokens of one step
	seed      uint64
	jitter    float64 // sigma of the lognormal factor on a step
	speed     float64
	scale     func(elapsed time.Duration, n int) float64
	noCache   bool
	keepAlive time.Duration // idle time after which the model is unloaded; 0: never
	loadTime  time.Duration // how long it takes to load again
	grain     int           // cache hits are multiples of this many blocks
	started   time.Time
	done      chan struct{} // closed by stop
	wake      chan struct{} // a sequence was added while the engine waits for one to become ready
	goroutine sync.WaitGroup

	mu      sync.Mutex
	active  bool      // the goroutine runs
	stopped bool      // no new work
	clock   time.Time // end of the last step
	steps   uint64
	cache   *kvCache
	waiting []*sequence // by ready
	running []*sequence // by admission
	metrics *metrics
}

// sequence is one request inside the engine. Its owner reads the fields below out only after
// the first receive from it.
type sequence struct {
	n      int     // number of the request
	tokens []Token // the prompt and the whole reply
	prompt int     // how many of them are the prompt
	salt   string  // of the first block
	at     instants
	finish string // why it will end, for the metrics
	limit  int    // max_tokens, for the metrics

	length   int      // tokens that exist: prompt and sampled
	computed int      // tokens whose keys and values are in the cache
	blocks   []int32  // their blocks
	chain    []digest // digests of full blocks, as far as known
	over     bool     // finished or aborted

	out       chan time.Time // when each token of the reply appears; buffered for all of them
	cached    int            // prompt tokens found in the cache when first scheduled
	offloaded int            // of those, the ones that were loaded from the host's memory
	loading   int            // tokens that the next step loads from there
	preempted int            // how often it lost its blocks
}

// instants are those of one sequence; zero before they come.
type instants struct {
	arrival  time.Time
	ready    time.Time // when the front end hands it over
	admitted time.Time // first scheduled
	first    time.Time // first token
	last     time.Time // latest token
}

// newSequence prepares a request. The digests of the prompt are made here, in the caller's goroutine.
func newSequence(n int, prompt, reply []Token, salt string) *sequence {
	q := &sequence{
		n: n, tokens: slices.Concat(prompt, reply), prompt: len(prompt), length: len(prompt), salt: salt,
		out: make(chan time.Time, len(reply)),
	}
	q.digests(len(prompt) / blockTokens)
	return q
}

// digests returns the first n links of the chain.
func (q *sequence) digests(n int) []digest {
	for i := len(q.chain); i < n; i++ {
		parent := rootDigest(q.salt)
		if i > 0 {
			parent = q.chain[i-1]
		}
		q.chain = append(q.chain, parent.next(q.tokens[i*blockTokens:]))
	}
	return q.chain[:n]
}

// submit queues a sequence; after stop it does nothing.
func (e *engine) submit(q *sequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	i := len(e.waiting)
	for i > 0 && e.waiting[i-1].at.ready.After(q.at.ready) {
		i--
	}
	e.waiting = slices.Insert(e.waiting, i, q)
	if !e.active {
		e.active = true
		e.goroutine.Go(crash.Guarded(e.run))
	}
	select {
	case e.wake <- struct{}{}:
	default: // a wake-up is already pending
	}
}

// abort ends a sequence early, as when its client has gone. Full blocks stay in the cache. reason
// is the label that the metrics count it under.
func (e *engine) abort(q *sequence, reason string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if q.over {
		return
	}
	e.drop(q)
	e.metrics.finished(q, reason)
}

// drop takes a sequence out and gives its blocks back.
func (e *engine) drop(q *sequence) {
	q.over = true
	e.cache.release(q.blocks)
	q.blocks = nil
	same := func(o *sequence) bool { return o == q }
	e.running = slices.DeleteFunc(e.running, same)
	e.waiting = slices.DeleteFunc(e.waiting, same)
}

// reset empties the prefix cache. It returns false if it refused because something runs.
func (e *engine) reset() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cache.reset()
}

// loading loads the model for a request if it was unloaded, which empties the cache. It returns how long the request
// waits for that.
func (e *engine) loading(arrival time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.keepAlive <= 0 || e.active || arrival.Sub(e.clock) <= e.keepAlive || e.clock.IsZero() {
		return 0
	}
	e.cache.reset()
	return e.loadTime
}

// load is the number of requests that run or wait.
func (e *engine) load() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.running) + len(e.waiting)
}

// stop ends the goroutine and waits for it.
func (e *engine) stop() {
	e.mu.Lock()
	if !e.stopped {
		e.stopped = true
		close(e.done)
	}
	e.mu.Unlock()
	e.goroutine.Wait()
}

// part is one sequence's share of a step.
type part struct {
	q *sequence
	n int
}

func (e *engine) run() {
	for {
		e.mu.Lock()
		start := e.clock
		if len(e.running) == 0 {
			if len(e.waiting) == 0 {
				e.active = false
				e.mu.Unlock()
				return
			}
			if ready := e.waiting[0].at.ready; ready.After(start) {
				start = ready
			}
			if wait := time.Until(start); wait > 0 {
				e.mu.Unlock()
				if !e.sleep(wait, e.wake) {
					return
				}
				continue
			}
		}
		parts := e.schedule(start)
		end := start.Add(e.duration(parts, start))
		e.mu.Unlock()
		if !e.sleep(time.Until(end), nil) {
			return
		}
		e.mu.Lock()
		e.complete(parts, end)
		e.mu.Unlock()
	}
}

// sleep waits for d or for wake. It returns false if the engine has stopped.
func (e *engine) sleep(d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-wake:
		return true
	case <-e.done:
		return false
	}
}

// schedule decides what the step that begins at start computes: running sequences first, with one token or the next
// piece of a prompt each; then waiting ones in order, while there is a slot, token budget and room in the cache. A
// running sequence that finds no room takes the blocks of the last one.
func (e *engine) schedule(start time.Time) []part {
	var parts []part
	budget := e.budget
	for i := 0; i < len(e.running) && budget > 0; i++ {
		q := e.running[i]
		n := min(q.length-q.computed, budget)
		for !e.grow(q, q.computed+n) {
			last := e.running[len(e.running)-1]
			e.preempt(last)
			if last == q {
				n = 0
				break
			}
		}
		if n == 0 {
			break
		}
		parts = append(parts, part{q, n})
		budget -= n
	}
	for budget > 0 && len(e.waiting) > 0 && len(e.running) < e.slots {
		q := e.waiting[0]
		if q.at.ready.After(start) {
			break
		}
		n, ok := e.admit(q, budget, start)
		if !ok {
			break
		}
		e.waiting = slices.Delete(e.waiting, 0, 1)
		e.running = append(e.running, q)
		parts = append(parts, part{q, n})
		budget -= n
	}
	return parts
}

// admit gives a waiting sequence its first blocks: those that the cache knows, and new ones for as
// many tokens as the budget allows. The last token is always computed, because its result is needed.
func (e *engine) admit(q *sequence, budget int, start time.Time) (n int, ok bool) {
	var hits []int32
	found := 0 // blocks, with those that are loaded from the host's memory
	if !e.noCache {
		chain := q.digests((q.length - 1) / blockTokens)
		hits = e.cache.lookup(chain)
		found = len(hits) + e.cache.host.find(chain[len(hits):])
	}
	found -= found % e.grain
	hits = hits[:min(len(hits), found)]
	cached, loaded := found*blockTokens, (found-len(hits))*blockTokens
	n = min(q.length-cached, budget)
	blocks, ok := e.cache.take(hits, blocksFor(cached+n)-len(hits))
	if !ok {
		return 0, false
	}
	q.blocks, q.computed = blocks, cached-loaded
	e.seal(q, cached+n)
	q.computed, q.loading = cached, loaded
	if q.at.admitted.IsZero() {
		q.at.admitted, q.cached, q.offloaded = start, cached, loaded
		e.metrics.admitted(q)
	}
	return n, true
}

// grow gives a sequence blocks for a number of tokens.
func (e *engine) grow(q *sequence, tokens int) bool {
	blocks, ok := e.cache.take(nil, max(0, blocksFor(tokens)-len(q.blocks)))
	if !ok {
		return false
	}
	q.blocks = append(q.blocks, blocks...)
	e.seal(q, tokens)
	return true
}

// seal registers the blocks that a number of tokens fill, so that lookups find them. Like vLLM it does so when the
// tokens are scheduled, not when the step ends.
func (e *engine) seal(q *sequence, tokens int) {
	if e.noCache {
		return
	}
	full := tokens / blockTokens
	for i, d := range q.digests(full)[q.computed/blockTokens:] {
		e.cache.seal(q.blocks[q.computed/blockTokens+i], d)
	}
}

// preempt takes a running sequence's blocks and puts it at the head of the queue, to be computed again.
func (e *engine) preempt(q *sequence) {
	e.cache.release(q.blocks)
	q.blocks, q.computed = nil, 0
	q.preempted++
	e.metrics.preemptions++
	e.running = e.running[:len(e.running)-1]
	e.waiting = slices.Insert(e.waiting, 0, q)
}

func blocksFor(tokens int) int { return (tokens + blockTokens - 1) / blockTokens }

// duration returns how long the step takes: the roofline, times the hooks, divided by the speed.
func (e *engine) duration(parts []part, start time.Time) time.Duration {
	work := make([]work, len(parts))
	tokens, loading := 0, 0
	for i, p := range parts {
		work[i].tokens, work[i].ctx = p.n, p.q.computed
		if p.n == 1 && p.q.length > p.q.prompt {
			work[i].decode, work[i].ctx = true, p.q.length
		}
		tokens += p.n
		loading += p.q.loading
		p.q.loading = 0
	}
	e.steps++
	e.metrics.stepTokens.observe(float64(tokens))
	f := e.noise(e.steps)
	if e.scale != nil {
		f *= e.scale(start.Sub(e.started), parts[0].q.n)
	}
	return e.scaled(e.roof.step(work)+e.roof.load(loading), f)
}

// noise is the lognormal factor with median 1 that belongs to the key.
func (e *engine) noise(key uint64) float64 {
	if e.jitter == 0 {
		return 1
	}
	return math.Exp(e.jitter * rand.New(rand.NewPCG(e.seed, key)).NormFloat64())
}

func (e *engine) scaled(d time.Duration, factor float64) time.Duration {
	if factor == 1 && e.speed == 1 {
		return d
	}
	return time.Duration(math.Round(float64(d) * factor / e.speed))
}

// complete ends a step: every sequence that has computed all it had gets its next token.
func (e *engine) complete(parts []part, end time.Time) {
	e.clock = end
	for _, p := range parts {
		q := p.q
		if q.over {
			continue
		}
		q.computed += p.n
		if q.computed < q.length {
			continue
		}
		q.length++
		e.metrics.token(q, end)
		if q.at.first.IsZero() {
			q.at.first = end
		}
		q.at.last = end
		if q.length == len(q.tokens) {
			e.drop(q)
			e.metrics.finished(q, q.finish)
		}
		q.out <- end
	}
}
