package dsl

import (
	"slices"

	"homellm/dsl/syntax"
)

// thinking reads how a model thinks.
func (d *decoder) thinking(n *syntax.Node) *Thinking {
	if n == nil {
		return nil
	}
	t := &Thinking{
		Kwarg: d.str(n, "kwarg"), Field: d.str(n, "field"), Off: d.said(n, "off"), On: d.said(n, "on"),
		Levels: d.strs(n, "levels"), Default: d.str(n, "default"),
	}
	var named *syntax.Node
	for _, key := range []string{"off", "on", "levels", "field"} {
		if v := d.get(n, key); v != nil && named == nil {
			named = v
		}
	}
	if named != nil && t.Kwarg == "" {
		d.errorf(named, "links/thinking", "add kwarg: the variable of its chat_template, such as enable_thinking",
			"the variable of the template that takes this value is missing")
	}
	if t.Off != nil && t.Off == t.On {
		d.errorf(d.get(n, "on"), "links/thinking", "take both values from the model's chat_template",
			"thinking is turned on and off by the same value")
	}
	unknown := slices.Contains([]string{"on", "low", "medium", "high"}, t.Default) && !slices.Contains(t.Levels, t.Default)
	if unknown && (t.Default != "on" || len(t.Levels) > 0 && t.On == nil) {
		d.errorf(d.get(n, "default"), "links/thinking", "name one of its levels, or off or on where it has no levels",
			"the model has no %q among its thinking levels", t.Default)
	}
	return t
}

// said returns a boolean or a text; nil if the key is absent.
func (d *decoder) said(n *syntax.Node, key string) any {
	switch v := d.get(n, key); {
	case v == nil:
		return nil
	case v.Kind == syntax.BoolKind:
		return v.Scalar
	default:
		return v.Text()
	}
}
