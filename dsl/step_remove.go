package dsl

// Remove takes documents out of the context.
type Remove struct {
	Docs []string
	Mode string // excise | tombstone
}

var removeKind = actionKind{
	Key: "remove",
	Doc: "Takes documents out of the context, or puts a stub of the same length in their place.",
	decode: func(d *decoder, in stepInput) (Action, effect) {
		removes := d.references(in.node, "docs")
		return Remove{refNames(removes), d.strOr(in.node, "mode", excise)}, effect{removes: removes}
	},
}

// Turns returns 0.
func (a Remove) Turns() int { return 0 }

// Play edits the history.
func (a Remove) Play(h *History, _ Send) error {
	for _, id := range a.Docs {
		h.remove(id, a.Mode)
	}
	return nil
}
