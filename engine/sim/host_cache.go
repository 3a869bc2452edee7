package sim

import "slices"

// hostCache keeps blocks that the KV cache evicts, as vLLM's connectors for offloading do: at most room of them, and
// the oldest goes first.
type hostCache struct {
	room  int      // blocks; 0: it keeps none
	order []digest // the next to go first
}

// put keeps a block.
func (h *hostCache) put(d digest) {
	if h.room == 0 {
		return
	}
	if i := slices.Index(h.order, d); i >= 0 {
		h.order = slices.Delete(h.order, i, i+1)
	}
	h.order = append(h.order, d)
	h.order = h.order[max(0, len(h.order)-h.room):]
}

// find is how many of a chain's first blocks it has.
func (h *hostCache) find(chain []digest) int {
	if h.room == 0 {
		return 0
	}
	for i, d := range chain {
		if !slices.Contains(h.order, d) {
			return i
		}
	}
	return len(chain)
}
