package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// chainOf returns the digests of the full blocks of tokens.
func chainOf(tokens []Token, salt string) []digest {
	q := newSequence(0, tokens, nil, salt)
	return q.chain
}

func tokensOf(from, n int) []Token {
	out := make([]Token, n)
	for i := range out {
		out[i] = Token(from + i)
	}
	return out
}

// put lets a sequence of tokens pass through the cache and returns how many blocks it found.
func put(t *testing.T, c *kvCache, tokens []Token, salt string) int {
	t.Helper()
	chain := chainOf(tokens, salt)
	hits := c.lookup(chain)
	ids, ok := c.take(hits, blocksFor(len(tokens))-len(hits))
	if !ok {
		t.Fatalf("no room for %d tokens", len(tokens))
	}
	for i, d := range chain {
		c.seal(ids[i], d)
	}
	c.release(ids)
	return len(hits)
}

func TestCacheFindsWholeBlocks(t *testing.T) {
	c := newKVCache(100)
	if got := put(t, c, tokensOf(0, 40), ""); got != 0 {
		t.Errorf("an empty cache has %d blocks", got)
	}
	if got := put(t, c, tokensOf(0, 40), ""); got != 2 {
		t.Errorf("40 tokens again: %d blocks, want 2", got)
	}
	if got := put(t, c, tokensOf(0, 40), "salt"); got != 0 {
		t.Errorf("under another salt: %d blocks, want 0", got)
	}
	if got := put(t, c, tokensOf(0, 40), "salt"); got != 2 {
		t.Errorf("under the same salt: %d blocks, want 2", got)
	}
	if got := put(t, c, append(tokensOf(5, 16), tokensOf(16, 24)...), ""); got != 0 {
		t.Errorf("an equal second block behind another first one: %d blocks, want 0", got)
	}
}

// What follows a forgotten block is of no use, even if it is still there.
func TestCacheStopsAtTheFirstGap(t *testing.T) {
	c := newKVCache(10)
	chain := chainOf(tokensOf(0, 48), "")
	ids, _ := c.take(nil, 2)
	c.seal(ids[0], chain[0])
	c.seal(ids[1], chain[2])
	if got := len(c.lookup(chain)); got != 1 {
		t.Errorf("found %d blocks, want the one before the gap", got)
	}
}

// The last token of a prompt is always computed, and with it its whole block.
func TestLastTokenIsComputed(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		for _, n := range []int{1, 16, 17, 48, 49, 64} {
			for range 2 {
				b.text("POST", "/v1/completions", fields{"prompt": tokensOf(1000*n, n), "max_tokens": 1})
			}
			if e, want := b.last(), (n-1)/16*16; e.PromptTokens != n || e.CachedTokens != want {
				t.Errorf("%d tokens again: %d cached, want %d", n, e.CachedTokens, want)
			}
		}
	})
}

// The tail of the sequence that was released first goes first.
func TestCacheForgetsTailsOfTheOldestFirst(t *testing.T) {
	c := newKVCache(4)
	put(t, c, tokensOf(0, 32), "")
	put(t, c, tokensOf(100, 32), "")
	put(t, c, tokensOf(200, 16), "")
	if got := len(c.lookup(chainOf(tokensOf(0, 32), ""))); got != 1 {
		t.Errorf("the oldest sequence has %d blocks left, want 1", got)
	}
	if got := len(c.lookup(chainOf(tokensOf(100, 32), ""))); got != 2 {
		t.Errorf("the younger sequence has %d blocks left, want 2", got)
	}
	put(t, c, tokensOf(0, 16), "") // touched: now the youngest
	put(t, c, tokensOf(300, 32), "")
	if got := len(c.lookup(chainOf(tokensOf(0, 32), ""))); got != 1 {
		t.Errorf("a touched block was forgotten: %d left, want 1", got)
	}
	if got := len(c.lookup(chainOf(tokensOf(100, 32), ""))); got != 0 {
		t.Errorf("the untouched sequence has %d blocks left, want 0", got)
	}
}

func TestCacheResetRefusesWhileInUse(t *testing.T) {
	c := newKVCache(10)
	put(t, c, tokensOf(0, 64), "")
	ids, _ := c.take(nil, 1)
	if c.reset() {
		t.Error("reset while a block is in use")
	}
	c.release(ids)
	if !c.reset() {
		t.Error("reset refused with nothing in use")
	}
	if got := put(t, c, tokensOf(0, 64), ""); got != 0 {
		t.Errorf("%d blocks after a reset", got)
	}
}

// Random conversations, with sequences that overlap in time, against the rules that hold for any
// prefix cache: whole blocks, never more than was ever there, nothing lost, no block in two states.
func TestCacheProperties(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := newKVCache(20 + rng.IntN(60))
		var past, live [][]Token
		var held [][]int32
		for range 300 {
			if len(live) > 0 && rng.IntN(2) == 0 {
				i := rng.IntN(len(live))
				c.release(held[i])
				live, held = slices.Delete(live, i, i+1), slices.Delete(held, i, i+1)
			}
			tokens := tokensOf(1000*rng.IntN(3), 1+rng.IntN(100))
			if len(past) > 0 && rng.IntN(2) == 0 {
				old := past[rng.IntN(len(past))]
				tokens = slices.Concat(old[:rng.IntN(len(old)+1)], tokens)
			}
			chain := chainOf(tokens, "")
			hits := c.lookup(chain[:(len(tokens)-1)/blockTokens])
			longest := 0
			for _, p := range past {
				n := 0
				for n < min(len(p), len(tokens)) && p[n] == tokens[n] {
					n++
				}
				longest = max(longest, n)
			}
			if got := len(hits) * blockTokens; got > longest || got >= len(tokens) {
				t.Fatalf("seed %d: %d tokens found, but only %d were ever there and the prompt has %d", seed, got, longest,
					len(tokens))
			}
			before := c.free
			ids, ok := c.take(hits, blocksFor(len(tokens))-len(hits))
			if !ok {
				if c.free != before {
					t.Fatalf("seed %d: a refusal changed the free blocks from %d to %d", seed, before, c.free)
				}
				continue
			}
			for i, d := range chain {
				c.seal(ids[i], d)
			}
			past, live, held = append(past, tokens), append(live, tokens), append(held, ids)
			checkCache(t, c, held)
		}
		for _, ids := range held {
			c.release(ids)
		}
		if c.used() != 0 {
			t.Fatalf("seed %d: %d blocks in use after all sequences have ended", seed, c.used())
		}
		if !c.reset() || len(c.index) != 0 {
			t.Fatalf("seed %d: the reset left %d digests", seed, len(c.index))
		}
	}
}

// checkCache compares the cache's books with who holds what.
func checkCache(t *testing.T, c *kvCache, held [][]int32) {
	t.Helper()
	refs := make([]int32, c.total())
	for _, ids := range held {
		for _, id := range ids {
			refs[id]++
		}
	}
	queued, anchor := 0, int32(c.total())
	for id := c.blocks[anchor].next; id != anchor; id = c.blocks[id].next {
		queued++
		if refs[id] != 0 {
			t.Fatalf("block %d is free and held %d times", id, refs[id])
		}
	}
	used, cached := 0, 0
	for id, n := range refs {
		if c.blocks[id].refs != n {
			t.Fatalf("block %d counts %d holders, there are %d", id, c.blocks[id].refs, n)
		}
		if n > 0 {
			used++
		}
		if c.blocks[id].cached {
			cached++
			if !slices.Contains(c.index[c.blocks[id].digest], int32(id)) {
				t.Fatalf("block %d is cached but not in the index", id)
			}
		}
	}
	indexed := 0
	for _, ids := range c.index {
		indexed += len(ids)
	}
	if queued != c.free || used != c.used() || queued+used != c.total() || indexed != cached {
		t.Fatalf("free %d (queued %d), used %d (held %d) of %d; index %d, cached %d", c.free, queued, c.used(), used,
			c.total(), indexed, cached)
	}
}

// Turn by turn, what the server finds is what vLLM's rule predicts: the longest common prefix with
// a former prompt and its reply without the last token, in whole blocks, short of the last token.
func TestConversationHitsFollowTheRule(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		messages := []Message{{"system", manual(200)}}
		var before []Token
		for turn, n := range []int{7, 16, 33, 1, 50} {
			messages = append(messages, Message{"user", "How tight are the head bolts?"})
			prompt := tokenize(render(messages, withHeader))
			common := 0
			for common < min(len(before), len(prompt)) && before[common] == prompt[common] {
				common++
			}
			want := min(common, len(prompt)-1) / blockTokens * blockTokens
			s := b.ask(messages, fixed(n))
			e := b.last()
			if e.CachedTokens != want || e.PromptTokens != len(prompt) {
				t.Errorf("turn %d: %d of %d tokens cached, want %d of %d", turn, e.CachedTokens, e.PromptTokens, want, len(prompt))
			}
			named := 0
			if s.usage.Details != nil {
				named = s.usage.Details.Cached
			}
			if named != want {
				t.Errorf("turn %d: the usage names %d cached tokens, want %d", turn, named, want)
			}
			if (named == 0) != (s.usage.Details == nil) {
				t.Errorf("turn %d: details %v for %d cached tokens", turn, s.usage.Details, named)
			}
			reply := tokenize(e.Text)
			if len(reply) != n {
				t.Fatalf("turn %d: the reply has %d tokens when read again, want %d", turn, len(reply), n)
			}
			before = slices.Concat(prompt, reply[:n-1])
			messages = append(messages, Message{"assistant", s.text})
		}
	})
}

func TestCacheSwitches(t *testing.T) {
	hit := func(cfg Config, more fields, between func(b *bench)) (cached int, details bool) {
		virtual(t, cfg, func(b *bench) {
			messages := user(prose)
			b.ask(messages, fixed(2))
			if between != nil {
				between(b)
			}
			for k, v := range fixed(2) {
				if more == nil {
					more = fields{}
				}
				more[k] = v
			}
			s := b.ask(messages, more)
			cached, details = b.last().CachedTokens, s.usage.Details != nil
		})
		return cached, details
	}
	warm, _ := hit(Config{}, nil, nil)
	if warm < 64 {
		t.Fatalf("only %d tokens are cached the second time", warm)
	}
	if n, details := hit(Config{NoCachedUsage: true}, nil, nil); n != warm || details {
		t.Errorf("without details: %d cached (want %d), named: %v", n, warm, details)
	}
	if n, _ := hit(Config{NoPrefixCache: true}, nil, nil); n != 0 {
		t.Errorf("without a prefix cache: %d cached", n)
	}
	if n, _ := hit(Config{}, fields{"cache_salt": "x"}, nil); n != 0 {
		t.Errorf("under a new salt: %d cached", n)
	}
	reset := func(want int) func(b *bench) {
		return func(b *bench) {
			if status, _ := b.text("POST", "/reset_prefix_cache", nil); status != want {
				t.Errorf("reset answered %d, want %d", status, want)
			}
		}
	}
	if n, _ := hit(Config{}, nil, reset(200)); n != 0 {
		t.Errorf("after a reset: %d cached", n)
	}
	if n, _ := hit(Config{NoDevMode: true}, nil, reset(404)); n != warm {
		t.Errorf("after a reset that does not exist: %d cached, want %d", n, warm)
	}
}
