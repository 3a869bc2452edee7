package dsl

import (
	"cmp"
	"regexp"
	"slices"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// maxSubstituted limits the bytes that the substitutions of one cell write.
const maxSubstituted = 16 << 20

// placeholder matches ${…}, and $${, which is a literal ${.
var placeholder = regexp.MustCompile(`\$\$\{|\$\{([^{}]*)\}?`)

// templated matches references of template languages.
var templated = regexp.MustCompile(`\{\{\s*((?:vars|matrix)\.[a-z][a-z0-9_]*)\s*\}\}`)

// verbatim lists the keys whose texts are used as written.
var verbatim = []string{"schema", "name", "id", "title", "description", "tags", "matrix", "vars", "assert", "overall",
	"schemas", "slo"}

// ofCells lists the settings of the run that may differ between cells.
var ofCells = []string{"play", "users", "think_time"}

// substitute returns a tree in which every ${vars.…} and ${matrix.…} is replaced. A text that is nothing but a
// reference becomes the value with its type; inside a text the value is formatted. Unchanged values are shared with
// the given tree.
func (d *decoder) substitute(n *syntax.Node, key string) *syntax.Node {
	if slices.Contains(verbatim, key) {
		d.refusePlaceholders(n, key)
		return n
	}
	switch n.Kind {
	case syntax.StringKind:
		return d.substituteText(n)
	case syntax.ListKind:
		items, changed := make([]*syntax.Node, len(n.Items)), false
		for i, item := range n.Items {
			items[i] = d.substitute(item, key)
			changed = changed || items[i] != item
		}
		if changed {
			list := *n
			list.Items = items
			return &list
		}
	case syntax.MapKind:
		entries, changed, inRun := slices.Clone(n.Entries), false, d.inRun
		defer func() { d.inRun = inRun }()
		for i, e := range entries {
			d.inRun = inRun && !slices.Contains(ofCells, e.Key)
			entries[i].Node = d.substitute(e.Node, e.Key)
			changed = changed || entries[i].Node != e.Node
		}
		if changed {
			mapping := *n
			mapping.Entries = entries
			return &mapping
		}
	}
	return n
}

// substituteConversations substitutes in the conversations without a data set; those with one are read once for each of
// its items.
func (d *decoder) substituteConversations(n *syntax.Node) *syntax.Node {
	if n.Kind != syntax.ListKind {
		return d.substitute(n, "conversations")
	}
	list := *n
	list.Items = slices.Clone(n.Items)
	for i, item := range n.Items {
		if item.Get("for_each") == nil {
			list.Items[i] = d.substitute(item, "conversations")
		}
	}
	if slices.Equal(list.Items, n.Items) {
		return n
	}
	return &list
}

// substituteRequires substitutes everywhere except in the expression.
func (d *decoder) substituteRequires(n *syntax.Node) *syntax.Node {
	that := n.Find(BoxAxis)
	if that == nil {
		return d.substitute(n, "requires")
	}
	d.refusePlaceholders(that.Node, string(figure.BoxScope))
	others := n.Without(BoxAxis)
	out := *d.substitute(others, "requires")
	if slices.Equal(out.Entries, others.Entries) {
		return n
	}
	out.Entries = append(slices.Clip(out.Entries), *that)
	return &out
}

func (d *decoder) substituteText(n *syntax.Node) *syntax.Node {
	text := n.Text()
	if m := templated.FindStringSubmatch(text); m != nil {
		d.warnf(n, "links/reference", "write ${"+m[1]+"}", "%s is sent as it stands", m[0])
	}
	found := placeholder.FindAllStringSubmatchIndex(text, -1)
	if found == nil {
		return n
	}
	out := *n
	out.Reference = text
	if len(found) == 1 && found[0][0] == 0 && found[0][1] == len(text) && found[0][2] >= 0 {
		if v, ok := d.reference(n, text); ok {
			out.Kind, out.Scalar = kindOfScalar(v), v
		}
		return &out
	}
	var b []byte
	last := 0
	for _, m := range found {
		b = append(b, text[last:m[0]]...)
		last = m[1]
		if m[2] < 0 {
			b = append(b, "${"...)
		} else if v, ok := d.reference(d.part(n, m[0], m[1]), text[m[0]:m[1]]); ok {
			s := expr.LiteralText(v)
			if d.substituted += len(s); d.substituted > maxSubstituted {
				if d.substituted-len(s) <= maxSubstituted {
					d.errorf(n, "plan/size", "put long texts into documents", "the substitutions of this file write more than %d MiB",
						maxSubstituted>>20)
				}
				return n
			}
			b = append(b, s...)
		}
	}
	out.Scalar = string(append(b, text[last:]...))
	return &out
}

// part returns the piece of a text between two byte offsets as a value, for diagnostics; it is the whole text if the
// piece cannot be found in the file.
func (d *decoder) part(n *syntax.Node, from, to int) *syntax.Node {
	text := n.Text()
	start := d.src.At(n, len([]rune(text[:from])))
	if start == d.src.Pos(n) && from > 0 {
		return n
	}
	return &syntax.Node{Src: n.Src, Kind: syntax.StringKind, Scalar: text[from:to], Line: start.Line, Col: start.Col,
		End: start.Col + len([]rune(text[from:to]))}
}

var referenceForm = regexp.MustCompile(`^\$\{(vars|matrix)\.([a-z][a-z0-9_]*)\}$`)

// reference returns the value of one ${…}, or reports why it has none.
func (d *decoder) reference(n *syntax.Node, text string) (any, bool) {
	if v, ok, known := d.itemValue(n, text); known {
		return v, ok
	}
	m := referenceForm.FindStringSubmatch(text)
	if m == nil {
		names := "${vars.NAME} or ${matrix.AXIS}"
		if d.set != nil {
			names = "${" + d.set.name + ".COLUMN}, " + names
		}
		d.errorf(n, "links/reference", "write "+names+"; a literal ${ is written $${", "%s refers to nothing", text)
		return nil, false
	}
	group, name := m[1], m[2]
	if group == "vars" {
		d.usedVars[name] = true
		if v, ok := d.values.vars[name]; ok {
			return v, true
		}
		d.errorf(n, "links/reference", cmp.Or(syntax.SuggestOr(name, keys(d.values.vars), "variables"),
			"declare it in `vars:`"), "there is no variable %q", name)
		return nil, false
	}
	d.usedAxes[name] = true
	if d.inRun {
		d.errorf(n, "links/reference", "use a variable",
			"%s: how often and in which order cells are played cannot differ between them", text)
		return nil, false
	}
	if v, ok := d.values.matrix[name]; ok {
		return v, true
	}
	d.errorf(n, "links/reference", cmp.Or(syntax.SuggestOr(name, keys(d.values.matrix), "axes"), "add it to `matrix:`"),
		"the matrix has no axis %q", name)
	return nil, false
}

// refusePlaceholders reports texts that look like placeholders where nothing is substituted.
func (d *decoder) refusePlaceholders(n *syntax.Node, key string) {
	switch n.Kind {
	case syntax.StringKind:
		m := placeholder.FindString(n.Text())
		if m == "" {
			return
		}
		help := "nothing is substituted in " + key
		if slices.Contains([]string{"assert", "overall", string(figure.BoxScope)}, key) {
			help = "an expression names vars.NAME and matrix.AXIS directly"
		}
		d.warnf(n, "links/reference", help, "%s is not replaced here", m)
	case syntax.ListKind:
		for _, item := range n.Items {
			d.refusePlaceholders(item, key)
		}
	case syntax.MapKind:
		for _, e := range n.Entries {
			d.refusePlaceholders(e.Node, key)
		}
	}
}

func kindOfScalar(v any) syntax.Kind {
	switch v.(type) {
	case bool:
		return syntax.BoolKind
	case int:
		return syntax.IntKind
	case float64:
		return syntax.FloatKind
	default:
		return syntax.StringKind
	}
}
