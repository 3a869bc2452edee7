package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// blockTokens is the size of a cache block, vLLM's default.
const blockTokens = 16

// digest identifies a block by everything up to its end: two blocks with equal digests hold the keys and values of
// equal prefixes.
type digest [sha256.Size]byte

// rootDigest is the parent of a first block. The salt enters here and so changes the whole chain.
func rootDigest(salt string) digest {
	if salt == "" {
		return digest{}
	}
	return sha256.Sum256([]byte(salt))
}

// next returns the digest of the block that holds tokens and follows d.
func (d digest) next(tokens []Token) digest {
	var b [sha256.Size + 8*blockTokens]byte
	copy(b[:], d[:])
	for i, t := range tokens[:blockTokens] {
		binary.LittleEndian.PutUint64(b[sha256.Size+8*i:], uint64(t))
	}
	return sha256.Sum256(b[:])
}

// kvCache is the paged KV cache with vLLM's automatic prefix caching (docs/design/prefix_caching.md in vLLM's tree):
// full blocks are found by digest; an unused block keeps its content until the free queue, least recently freed
// first, allocates it again. Not safe for concurrent use.
type kvCache struct {
	blocks []kvBlock
	index  map[digest][]int32 // blocks that hold a digest; two may hold the same, as in vLLM
	free   int                // blocks in the free queue
	host   hostCache
}

// kvBlock is one block. The free queue is a ring through the blocks; the last one of the slice
// is its anchor and never handed out.
type kvBlock struct {
	digest     digest
	cached     bool // digest is valid and in the index
	refs       int32
	prev, next int32
}

// newKVCache returns an empty cache of n blocks.
func newKVCache(n int) *kvCache {
	c := &kvCache{blocks: make([]kvBlock, n+1), index: map[digest][]int32{}}
	anchor := int32(n)
	c.blocks[anchor].prev, c.blocks[anchor].next = anchor, anchor
	for id := range anchor {
		c.enqueue(id)
	}
	return c
}

func (c *kvCache) total() int { return len(c.blocks) - 1 }

// used is the number of blocks that running sequences hold.
func (c *kvCache) used() int { return c.total() - c.free }

// lookup returns the blocks of the longest known beginning of the chain. It stops at the first gap.
func (c *kvCache) lookup(chain []digest) []int32 {
	var hits []int32
	for _, d := range chain {
		ids := c.index[d]
		if len(ids) == 0 {
			break
		}
		hits = append(hits, ids[0])
	}
	return hits
}

// take gives a sequence the hits and n more blocks, whose former content is lost. It returns all of them, or false
// without a change if there are too few free blocks.
func (c *kvCache) take(hits []int32, n int) ([]int32, bool) {
	idle := 0
	for _, id := range hits {
		if c.blocks[id].refs == 0 {
			idle++
		}
	}
	if c.free-idle < n {
		return nil, false
	}
	for _, id := range hits {
		if c.blocks[id].refs == 0 {
			c.dequeue(id)
		}
		c.blocks[id].refs++
	}
	all := append(make([]int32, 0, len(hits)+n), hits...)
	for range n {
		id := c.blocks[c.total()].next
		c.dequeue(id)
		c.forget(id)
		c.blocks[id].refs = 1
		all = append(all, id)
	}
	return all, true
}

// seal makes a filled block findable.
func (c *kvCache) seal(id int32, d digest) {
	b := &c.blocks[id]
	if b.cached {
		return
	}
	b.digest, b.cached = d, true
	c.index[d] = append(c.index[d], id)
}

// release returns a sequence's blocks, the last one first, so that the end of a conversation is evicted before its
// beginning.
func (c *kvCache) release(ids []int32) {
	for _, id := range slices.Backward(ids) {
		b := &c.blocks[id]
		if b.refs--; b.refs == 0 {
			c.enqueue(id)
		}
	}
}

// reset forgets everything. It refuses, as vLLM does, while a sequence holds blocks.
func (c *kvCache) reset() bool {
	if c.used() > 0 {
		return false
	}
	for id := range c.blocks {
		c.blocks[id].cached = false
	}
	clear(c.index)
	c.host = hostCache{room: c.host.room}
	return true
}

func (c *kvCache) forget(id int32) {
	b := &c.blocks[id]
	if !b.cached {
		return
	}
	b.cached = false
	ids := c.index[b.digest]
	for i, other := range ids {
		if other == id {
			ids = append(ids[:i], ids[i+1:]...)
			break
		}
	}
	if len(ids) == 0 {
		delete(c.index, b.digest)
		c.host.put(b.digest)
		return
	}
	c.index[b.digest] = ids
}

func (c *kvCache) enqueue(id int32) {
	anchor := int32(c.total())
	last := c.blocks[anchor].prev
	c.blocks[id].prev, c.blocks[id].next = last, anchor
	c.blocks[last].next = id
	c.blocks[anchor].prev = id
	c.free++
}

func (c *kvCache) dequeue(id int32) {
	b := &c.blocks[id]
	c.blocks[b.prev].next = b.next
	c.blocks[b.next].prev = b.prev
	c.free--
}
