package dsl

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"

	"homellm/dsl/dataset"
	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/text"
)

// forEach reads the data set of a conversation; nil: there is none, or it cannot be read.
func (d *decoder) forEach(n *syntax.Node) *itemSet {
	if n == nil || n.Kind != syntax.MapKind || len(n.Entries) == 0 {
		return nil
	}
	n = d.substitute(n, "for_each")
	e := n.Entries[0]
	if len(n.Entries) > 1 {
		d.errorf(n.Entries[1].At(), "links/item", "put both columns into one data set", "a conversation has one data set")
	}
	seed, shuffled := asInt(d.get(e.Node, "shuffle"))
	take := d.get(e.Node, "take")
	set := d.dataSet(e.Node)
	if set == nil {
		return nil
	}
	out := &itemSet{name: e.Key, set: set, checked: map[string]bool{}}
	order := make([]int, len(set.Items))
	for i := range order {
		order[i] = i
	}
	if shuffled {
		rng := rand.New(rand.NewPCG(uint64(seed), 0x6974656d73))
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	if take != nil {
		k, _ := asInt(take)
		if k > len(order) {
			d.errorf(take, "links/item", "", "take %d: the data set has %s", k, text.Plural(len(order), "item"))
			return nil
		}
		order = order[:max(k, 1)]
	}
	if len(order) > maxItems {
		d.errorf(e.At(), "links/item", fmt.Sprintf("write take: %d or fewer", maxItems),
			"the data set has %d items, and %d are played at most", len(order), maxItems)
		return nil
	}
	for _, i := range order {
		source := &set.Items[i]
		item := &Item{N: source.N, Values: map[string]any{}, name: e.Key, source: source}
		for column, v := range source.Values {
			if _, other := v.(dataset.Other); !other {
				item.Values[column] = v
			}
		}
		out.items = append(out.items, item)
	}
	return out
}

// dataSet reads the source of items: a file, or a list in the scenario.
func (d *decoder) dataSet(n *syntax.Node) *dataset.Set {
	file, list := d.get(n, "file"), d.get(n, "list")
	var set *dataset.Set
	var found syntax.Diagnostics
	switch {
	case file != nil && list != nil:
		d.errorf(list, "links/item", "remove one of them", "file and list both say what the items are")
	case file != nil && file.Text() != "":
		data := d.readDocument("data set", file)
		if data == "" {
			return nil // why has been said
		}
		set, found = dataset.Read(path.Join(path.Dir(d.src.Name), file.Text()), []byte(data))
	case list != nil && list.Kind == syntax.ListKind:
		set, found = dataset.FromList(d.src, list)
	case n.Kind == syntax.MapKind: // the schema reports anything else
		d.errorf(firstKey(n), "links/item", "write file: questions.jsonl, or list: with the items",
			"the data set has neither a file nor a list")
	}
	d.diags = append(d.diags, found...)
	return set
}

// itemWords checks the names of item variables: an expression must be able to tell them from other names.
func (d *decoder) itemWords(root *syntax.Node, names *expr.Names) {
	for _, c := range d.list(root, "conversations") {
		each := c.Get("for_each")
		if each == nil {
			continue
		}
		for _, e := range each.Entries {
			if what := names.Taken(e.Key); what != "" {
				d.errorf(e.At(), "links/item", "choose another name, such as item", "%q cannot be a variable: it is %s", e.Key,
					what)
			}
		}
	}
}

// itemConversations reads a conversation once for each item of its data set. All have the same id, steps and
// assertions.
func (d *decoder) itemConversations(n *syntax.Node, set *itemSet, tags []string, def defaults, index int) (
	all []*Conversation, stepsOf [][]decodedStep, checks []pending) {
	each := *n // without the data set, which is the same for all
	each.Entries = slices.DeleteFunc(slices.Clone(n.Entries), func(e syntax.Entry) bool { return e.Key == "for_each" })
	n = &each
	d.set, d.declaredAll = set, false
	defer func() { d.set, d.declaredAll = nil, false }()
	for i, item := range set.items {
		before := len(d.diags)
		set.now = item
		own := d.substitute(n, "")
		if own != n {
			d.checkItem(own)
		}
		c, steps := d.conversation(own, tags, def)
		c.Item, c.Items = item, len(set.items)
		if i == 0 {
			checks = d.conversationAsserts(c, n, steps, index)
		} else {
			c.share(all[0])
		}
		all, stepsOf = append(all, c), append(stepsOf, steps)
		d.declaredAll = true
		d.forgetAgain(before)
	}
	return all, stepsOf, checks
}

// checkItem checks what an item has put into a conversation against the schema.
func (d *decoder) checkItem(conversation *syntax.Node) {
	list := &syntax.Node{Src: conversation.Src, Kind: syntax.ListKind, Items: []*syntax.Node{conversation}}
	root := &syntax.Node{Src: conversation.Src, Kind: syntax.MapKind, Entries: []syntax.Entry{{Key: "conversations",
		Node: list}}}
	d.diags = append(d.diags, checkSchema(root, "scenario", true)...)
}

// forgetAgain removes findings that another item has given at the same place.
func (d *decoder) forgetAgain(from int) {
	kept := d.diags[:from]
	for _, g := range d.diags[from:] {
		if !slices.ContainsFunc(kept, func(o syntax.Diagnostic) bool { return o.Pos == g.Pos && o.Code == g.Code }) {
			kept = append(kept, g)
		}
	}
	d.diags = kept
}

// share takes over the assertions of the conversation of another item.
func (c *Conversation) share(first *Conversation) {
	c.Assert = first.Assert
	for i, step := range c.Steps {
		step.Assert = first.Steps[i].Assert
	}
}
