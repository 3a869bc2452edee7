package dsl

import (
	"encoding/json"
	"strings"

	"homellm/dsl/syntax"
)

// Template is one entry of a models file's templates. What a template means is not for this
// package to know: it hands on what the file says, and places what others find wrong with it.
type Template struct {
	Pos  syntax.Pos
	Name string
	Spec []byte // how it renders, as JSON; nil: the file says nothing of that

	node *syntax.Node
	at   syntax.Entry
}

// templateNotes are the keys of a template that say something about it, rather than how it renders.
var templateNotes = []string{"prefix_stable", "reason"}

func (d *decoder) template(at syntax.Entry) *Template {
	t := &Template{Pos: d.src.Of(at.Node).Pos(at.At()), Name: at.Key, node: at.Node, at: at}
	for _, key := range templateNotes {
		d.get(at.Node, key)
	}
	spec := d.raw(dropped(at.Node, templateNotes...))
	if m, ok := spec.(map[string]any); !ok || len(m) == 0 {
		return t
	}
	data, err := json.Marshal(spec)
	if err != nil {
		d.errorf(at.At(), "links/template", "", "template %q: %v", at.Key, err)
		return t
	}
	t.Spec = data
	return t
}

// raw returns a value as it stands in the file.
func (d *decoder) raw(n *syntax.Node) any {
	if n.Kind != syntax.MapKind {
		return n.Plain()
	}
	out := map[string]any{}
	for _, e := range n.Entries {
		if v := d.get(n, e.Key); v != nil {
			out[e.Key] = d.raw(v)
		}
	}
	return out
}

// Wrong reports that the template does not work, at a line and a column of the text of one of its
// keys, both counted from 1; 0 where they are not known. An empty key is the template as a whole.
func (t *Template) Wrong(key string, line, col int, message, help string) syntax.Diagnostic {
	d := syntax.Diagnostic{Severity: syntax.Error, Code: "links/template", Message: message, Help: help}
	n := t.node.Get(key)
	if n == nil {
		n = t.at.At()
	}
	src := n.Src
	d.Pos, d.EndCol = src.Pos(n), n.End
	if line > 0 && n.Kind == syntax.StringKind {
		lines := strings.SplitAfter(n.Text(), "\n")
		offset := max(col, 1) - 1
		for _, l := range lines[:min(line-1, len(lines))] {
			offset += len([]rune(l))
		}
		if p := src.At(n, offset); p != d.Pos || offset == 0 {
			d.Pos, d.EndCol = p, p.Col+1
		}
	}
	d.Source = src.Line(d.Pos.Line)
	return d
}
