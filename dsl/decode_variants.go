package dsl

import (
	"slices"
	"strings"

	"homellm/dsl/syntax"
)

// variants reads the variants of a profile.
func (d *decoder) variants(n *syntax.Node) []Variants {
	if n == nil {
		return nil
	}
	var out []Variants
	for _, e := range n.Entries {
		v := Variants{Pos: d.src.Pos(e.At()), Name: e.Key}
		for _, value := range e.Node.Entries {
			v.Values = append(v.Values, Variant{
				Pos: d.src.Pos(value.At()), Name: value.Key, Env: d.env(value.Node), Flags: d.flags(value.Node),
				ContextTokens: d.integer(value.Node, "context_tokens", 0),
			})
		}
		out = append(out, v)
	}
	return out
}

// checkVariants checks the variants of a resolved profile: each alone, and each with every variant of another setting.
func (d *decoder) checkVariants(s *Server, n *syntax.Node) {
	variants := n.Get("variants")
	if variants == nil {
		return
	}
	if s.Launch == nil && !s.Abstract {
		d.errorKey(n, "variants", "links/variant", "add launch:, or remove them",
			"variants change how a server is started, and profile %q does not say how it is", s.Name)
		return
	}
	d.checkPlaceholders(variants)
	flags := n.Get("launch").Get("flags")
	if flags == nil {
		flags = &syntax.Node{Src: n.Src, Kind: syntax.MapKind, Line: n.Line, Col: n.Col}
	}
	for i, e := range variants.Entries {
		if e.Key == serverAxis || e.Key == modelAxis {
			d.errorf(e.At(), "links/variant", "call them otherwise",
				"%q is the name of an axis that every run has, so no variants can be called so", e.Key)
		}
		for _, value := range e.Node.Entries {
			if own := value.Node.Get("flags"); own != nil {
				for _, f := range own.Entries {
					d.checkFlagName(f, s.Engine, own)
				}
			}
			this := overlay{e.Key + "=" + value.Key, value.Node}
			d.checkOverlaid(s, flags, this)
			for _, before := range variants.Entries[:i] {
				for _, other := range before.Node.Entries {
					d.checkApart(e.Key, value.Node, before.Key, other.Node)
					d.checkOverlaid(s, flags, overlay{before.Key + "=" + other.Key, other.Node}, this)
				}
			}
		}
	}
}

// overlay is a variant in the place of settings of its profile.
type overlay struct {
	name string
	node *syntax.Node
}

// checkOverlaid reports what is wrong with the flags of a profile with some variants, as far as it has not been
// reported yet. What is wrong with a flag of the profile itself only with these variants says so.
func (d *decoder) checkOverlaid(s *Server, flags *syntax.Node, over ...overlay) {
	with := *s
	var names []string
	inside := map[syntax.Pos]bool{}
	for _, o := range over {
		names = append(names, o.name)
		with.ContextTokens = d.integer(o.node, "context_tokens", with.ContextTokens)
		if own := o.node.Get("flags"); own != nil {
			flags = merge(flags, own)
			for _, f := range own.Entries {
				inside[d.src.Pos(f.Node)] = true
			}
		}
	}
	trial := decoder{src: d.src}
	trial.checkFlagValues(&with, flags)
	for _, g := range trial.diags {
		if d.foundBefore(g) {
			continue
		}
		if !inside[g.Pos] {
			g.Message += ", with the variant " + strings.Join(names, " and ")
		}
		d.diags = append(d.diags, g)
	}
}

// foundBefore says whether a finding has been reported, of the profile alone or with a variant.
func (d *decoder) foundBefore(g syntax.Diagnostic) bool {
	return slices.ContainsFunc(d.diags, func(o syntax.Diagnostic) bool {
		before, _, _ := strings.Cut(o.Message, ", with the variant ")
		return o.Pos == g.Pos && before == g.Message
	})
}

// checkApart reports what two variants that can be chosen together both set.
func (d *decoder) checkApart(name string, n *syntax.Node, otherName string, other *syntax.Node) {
	twice := func(at *syntax.Node, what string) {
		trial := decoder{src: d.src}
		trial.errorf(at, "links/variant", "set it in one of them", "%s is set by the variants %s as well as by %s", what,
			name, otherName)
		if !slices.Contains(d.diags, trial.diags[0]) {
			d.diags = append(d.diags, trial.diags...)
		}
	}
	for _, group := range []string{"flags", "env"} {
		for _, e := range mapping(n, group) {
			if other.Get(group).Find(e.Key) != nil {
				twice(e.At(), e.Key)
			}
		}
	}
	if e := n.Find("context_tokens"); e != nil && other.Find("context_tokens") != nil {
		twice(e.At(), "context_tokens")
	}
}
