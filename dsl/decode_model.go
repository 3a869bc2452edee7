package dsl

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"homellm/dsl/syntax"
)

// model reads one entry of a models file.
func (d *decoder) model(at syntax.Entry, templates map[string]syntax.Entry) *Model {
	n := at.Node
	d.nameOfFiles(at.At(), "a model", at.Key)
	m := &Model{
		Pos:          d.src.Pos(at.At()),
		Name:         at.Key,
		Description:  d.str(n, "description"),
		Aliases:      d.strs(n, "aliases"),
		Patterns:     d.strs(n, "patterns"),
		Template:     d.str(n, "template"),
		Tokenizer:    d.str(n, "tokenizer"),
		PrefixStable: true,
	}
	context := d.get(n, "context")
	m.Context = Context{Trained: d.integer(context, "trained", 0), Extended: d.integer(context, "extended", 0),
		Rope: d.str(context, "rope")}
	if m.Context.Extended > 0 && m.Context.Extended < m.Context.Trained {
		d.errorf(d.get(context, "extended"), "links/context",
			"extended is what position scaling makes of trained: leave it out where there is none",
			"the extended context of %d tokens is smaller than the trained one of %d", m.Context.Extended, m.Context.Trained)
	}
	if name := d.get(n, "template"); name != nil {
		if t, ok := templates[m.Template]; ok {
			m.PrefixStable, m.Reason = d.flag(t.Node, "prefix_stable", true), d.str(t.Node, "reason")
		} else {
			d.errorf(name, "links/template", syntax.SuggestOr(m.Template, keys(templates), "declared templates"),
				"template %q is not declared", m.Template)
		}
	}
	m.PrefixStable = d.flag(n, "prefix_stable", m.PrefixStable)
	m.Architecture = d.architecture(d.get(n, "architecture"))
	m.Thinking = d.thinking(d.get(n, "thinking"))
	m.Tools, m.Images = d.truth(n, "tools"), d.truth(n, "images")
	m.Sources = d.sources(d.get(n, "sources"))
	m.Engines = d.engines(d.get(n, "engines"), m)
	return m
}

func (d *decoder) architecture(n *syntax.Node) *Architecture {
	if n == nil {
		return nil
	}
	a := &Architecture{
		Layers:  d.integer(n, "layers", 0),
		Heads:   d.integer(n, "heads", 0),
		KVHeads: d.integer(n, "kv_heads", 0),
		HeadDim: d.integer(n, "head_dim", 0),
		Hidden:  d.integer(n, "hidden", 0),
		Vocab:   d.integer(n, "vocab", 0),

		SlidingWindow: d.integer(n, "sliding_window", 0),
		FullLayers:    d.integer(n, "full_layers", 0),
		WindowLayers:  d.integer(n, "window_layers", 0),
		FullKVHeads:   d.integer(n, "full_kv_heads", 0),
		FullHeadDim:   d.integer(n, "full_head_dim", 0),
		Tied:          d.truth(n, "tied"),
	}
	if a.FullLayers > 0 && a.SlidingWindow > 0 && d.get(n, "window_layers") == nil {
		a.WindowLayers = a.Layers - a.FullLayers
	}
	if a.FullLayers+a.WindowLayers > a.Layers && a.Layers > 0 {
		d.errorf(d.get(n, "full_layers"), "links/architecture", "count the layers of each kind in layer_types of config.json",
			"%d layers that see everything and %d with a window are more than %d layers", a.FullLayers, a.WindowLayers, a.Layers)
	}
	if a.WindowLayers > 0 && a.SlidingWindow == 0 {
		d.errorf(d.get(n, "window_layers"), "links/architecture", "add sliding_window",
			"the size of the window of these layers is missing")
	}
	a.Parameters = d.number(n, "parameters")
	if a.KVHeads > 0 && a.Heads%a.KVHeads != 0 {
		d.errorf(d.get(n, "kv_heads"), "links/architecture", "take both numbers from the model's config.json",
			"%d attention heads cannot share %d heads of keys and values evenly", a.Heads, a.KVHeads)
	}
	return a
}

// local is the path of a source on this machine: a relative one is relative to the models file's folder, ~ is the
// home folder.
func (d *decoder) local(n *syntax.Node) string {
	node := d.get(n, "path")
	if (node == nil) == (d.get(n, "repo") == nil) {
		d.errorf(n, "links/source", "give repo for one that is downloaded, or path for a file or folder of this machine",
			"a source has either repo or path")
		return ""
	}
	path := d.str(n, "path")
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.src.Pos(node).File), path)
}

func (d *decoder) sources(n *syntax.Node) []*ModelSource {
	if n == nil {
		return nil
	}
	var out []*ModelSource
	for _, e := range n.Entries {
		s := &ModelSource{
			Pos:      d.src.Pos(e.At()),
			Name:     e.Key,
			Repo:     d.str(e.Node, "repo"),
			Path:     d.local(e.Node),
			Revision: d.str(e.Node, "revision"),
			Format:   d.str(e.Node, "format"),
			Quant:    d.str(e.Node, "quant"),
			Gated:    d.flag(e.Node, "gated", false),
			Size:     d.number(e.Node, "size"),
		}
		for _, f := range d.list(e.Node, "files") {
			s.Files = append(s.Files, ModelFile{Path: d.str(f, "path"), SHA256: d.str(f, "sha256"),
				Bytes: int64(d.integer(f, "bytes", 0))})
		}
		out = append(out, s)
	}
	return out
}

func (d *decoder) engines(n *syntax.Node, m *Model) map[string]EngineModel {
	if n == nil {
		return nil
	}
	var sources []string
	files, paths := map[string][]string{}, map[string]string{}
	for _, s := range m.Sources {
		sources = append(sources, s.Name)
		paths[s.Name] = s.Path
		for _, f := range s.Files {
			files[s.Name] = append(files[s.Name], f.Path)
		}
	}
	out := map[string]EngineModel{}
	for _, e := range n.Entries {
		em := EngineModel{
			Ref:        d.str(e.Node, "ref"),
			Source:     d.str(e.Node, "source"),
			File:       d.str(e.Node, "file"),
			ServedName: d.str(e.Node, "served_name"),
		}
		switch path := paths[em.Source]; {
		case path == "":
		case strings.HasSuffix(path, ".gguf"):
			em.File = cmp.Or(em.File, path)
		default:
			em.Ref = cmp.Or(em.Ref, path)
			if em.File != "" && !filepath.IsAbs(em.File) {
				em.File = filepath.Join(path, em.File)
			}
		}
		if em.ServedName == "" && em.Ref != paths[em.Source] {
			em.ServedName = em.Ref
		}
		if em.Ref == "" && em.File == "" && em.ServedName == "" {
			d.errorf(e.At(), "links/engine", "add ref, file or served_name", "engine %s does not say what it calls the model",
				e.Key)
		}
		if source := d.get(e.Node, "source"); source != nil && !slices.Contains(sources, em.Source) {
			d.errorf(source, "links/source", syntax.SuggestOr(em.Source, sources, "its sources"), "model %q has no source %q",
				m.Name, em.Source)
		}
		if file := d.get(e.Node, "file"); file != nil && len(files[em.Source]) > 0 &&
			!slices.Contains(files[em.Source], em.File) {
			d.errorf(file, "links/source", syntax.SuggestOr(em.File, files[em.Source], "its files"), "source %q has no file %q",
				em.Source, em.File)
		}
		out[e.Key] = em
	}
	return out
}

// Template is one entry of a models file's templates. This package does not interpret a template: it passes on what
// the file says, and gives positions to the findings of others.
type Template struct {
	Pos  syntax.Pos
	Name string
	Spec []byte // how it renders, as JSON; nil: the file does not say

	node *syntax.Node
	at   syntax.Entry
}

// templateNotes are the keys of a template that describe it and do not affect its output.
var templateNotes = []string{"prefix_stable", "reason"}

func (d *decoder) template(at syntax.Entry) *Template {
	t := &Template{Pos: d.src.Of(at.Node).Pos(at.At()), Name: at.Key, node: at.Node, at: at}
	for _, key := range templateNotes {
		d.get(at.Node, key)
	}
	spec := d.raw(at.Node.Without(templateNotes...))
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

// raw returns a value as it is in the file.
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

// Wrong reports that the template does not work, at a line and a column in the text of one of its keys, both counted
// from 1; 0 if unknown. An empty key means the template as a whole.
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
