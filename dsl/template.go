package dsl

import (
	"encoding/json"
	"strings"
)

// Template is one entry of a models file's templates. What a template means is not for this
// package to know: it hands on what the file says, and places what others find wrong with it.
type Template struct {
	Pos  Pos
	Name string
	Spec []byte // how it renders, as JSON; nil: the file says nothing of that

	node *node
	at   entry
}

// templateNotes are the keys of a template that say something about it, rather than how it renders.
var templateNotes = []string{"prefix_stable", "reason"}

func (d *decoder) template(at entry) *Template {
	t := &Template{Pos: d.src.of(at.node).pos(at.at()), Name: at.key, node: at.node, at: at}
	for _, key := range templateNotes {
		d.get(at.node, key)
	}
	spec := d.raw(dropped(at.node, templateNotes...))
	if m, ok := spec.(map[string]any); !ok || len(m) == 0 {
		return t
	}
	data, err := json.Marshal(spec)
	if err != nil {
		d.errorf(at.at(), "links/template", "", "template %q: %v", at.key, err)
		return t
	}
	t.Spec = data
	return t
}

// raw returns a value as it stands in the file.
func (d *decoder) raw(n *node) any {
	if n.kind != mapKind {
		return n.plain()
	}
	out := map[string]any{}
	for _, e := range n.entries {
		if v := d.get(n, e.key); v != nil {
			out[e.key] = d.raw(v)
		}
	}
	return out
}

// Wrong reports that the template does not work, at a line and a column of the text of one of its
// keys, both counted from 1; 0 where they are not known. An empty key is the template as a whole.
func (t *Template) Wrong(key string, line, col int, message, help string) Diagnostic {
	d := Diagnostic{Severity: Error, Code: "links/template", Message: message, Help: help}
	n := t.node.get(key)
	if n == nil {
		n = t.at.at()
	}
	src := n.src
	d.Pos, d.EndCol = src.pos(n), n.end
	if line > 0 && n.kind == stringKind {
		lines := strings.SplitAfter(n.text(), "\n")
		offset := max(col, 1) - 1
		for _, l := range lines[:min(line-1, len(lines))] {
			offset += len([]rune(l))
		}
		if p := src.at(n, offset); p != d.Pos || offset == 0 {
			d.Pos, d.EndCol = p, p.Col+1
		}
	}
	d.Source = src.line(d.Pos.Line)
	return d
}
