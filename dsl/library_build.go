package dsl

import (
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/engines"
)

// LoadLibrary reads servers and models files, in any mix and order of kinds. A later file adds to the earlier ones,
// and replaces what has the same name; a profile that extends its own name changes the earlier one instead.
func LoadLibrary(files ...File) (*Library, syntax.Diagnostics) {
	var trees []*tree
	var diags syntax.Diagnostics
	for _, f := range files {
		t, ds := readFile(f)
		diags = append(diags, ds...)
		if t != nil {
			trees = append(trees, t)
		}
	}
	l, ds := newLibrary(trees)
	diags = append(diags, ds...)
	hideKeys(diags)
	return l, diags.Sorted()
}

// check returns what is wrong with the references of a servers or models file added to the library.
func (l *Library) check(t *tree) syntax.Diagnostics {
	var below []*tree
	if l != nil {
		// The file may already be part of the library.
		below = slices.DeleteFunc(slices.Clone(l.trees), func(o *tree) bool { return o.src.Name == t.src.Name })
	}
	_, diags := newLibrary(append(below, t))
	hideKeys(diags)
	return slices.DeleteFunc(diags, func(g syntax.Diagnostic) bool { return g.Pos.File != t.src.Name })
}

func newLibrary(trees []*tree) (*Library, syntax.Diagnostics) {
	b := libraryBuilder{servers: map[string][]layer{}, models: map[string]syntax.Entry{},
		templates: map[string]syntax.Entry{}}
	for _, t := range trees {
		switch t.kind {
		case "servers":
			for _, e := range mapping(t.root, "servers") {
				b.serverOrder = remember(b.serverOrder, e.Key)
				b.servers[e.Key] = append(b.servers[e.Key], layer{e, t.root.Get("defaults")})
			}
		case "models":
			for _, e := range mapping(t.root, "templates") {
				b.templates[e.Key] = e
				b.templateOrder = append(b.templateOrder, e)
			}
			for _, e := range mapping(t.root, "models") {
				b.modelOrder = remember(b.modelOrder, e.Key)
				b.models[e.Key] = e
			}
		default:
			d := decoder{src: t.src}
			d.errorf(t.root.Get("schema"), "links/kind", "the library has files with schema: "+
				"homellm.servers/v1 and homellm.models/v1", "a %s file is not part of the library of servers and models", t.kind)
			b.diags = append(b.diags, d.diags...)
		}
	}
	l := b.build()
	l.trees = trees
	return l, b.diags
}

// layer is a definition in one file.
type layer struct {
	syntax.Entry
	defaults *syntax.Node // of the file
}

type libraryBuilder struct {
	servers                 map[string][]layer // definitions by name, the earliest file first
	models                  map[string]syntax.Entry
	templates               map[string]syntax.Entry
	serverOrder, modelOrder []string
	templateOrder           []syntax.Entry
	diags                   syntax.Diagnostics
}

func mapping(n *syntax.Node, key string) []syntax.Entry {
	if v := n.Get(key); v != nil {
		return v.Entries
	}
	return nil
}

func remember(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

func (b *libraryBuilder) build() *Library {
	l := &Library{}
	for _, e := range b.templateOrder {
		d := &decoder{src: e.Node.Src}
		l.Templates = append(l.Templates, d.template(e))
		b.diags = append(b.diags, d.diags...)
	}
	for _, name := range b.modelOrder {
		at := b.models[name]
		d := &decoder{src: at.Node.Src}
		l.Models = append(l.Models, d.model(at, b.templates))
		b.diags = append(b.diags, d.diags...)
	}
	b.checkModels(l)
	settings := map[string]*syntax.Node{}
	for _, name := range b.serverOrder {
		top := len(b.servers[name]) - 1
		at := b.servers[name][top]
		d := &decoder{src: at.Node.Src}
		merged, ok := b.resolve(d, name, top, nil)
		if ok {
			l.Servers = append(l.Servers, d.server(at.Entry, merged))
			if at.Node.Kind == syntax.MapKind { // the schema reports anything else
				d.checkServer(l.Servers[len(l.Servers)-1], merged, l)
				settings[name] = merged
			}
		}
		b.diags = append(b.diags, d.diags...)
	}
	for _, s := range l.Servers {
		if n := settings[s.Name]; n != nil {
			d := &decoder{src: n.Src}
			d.linkServices(s, n, l)
			b.diags = append(b.diags, d.diags...)
		}
	}
	return l
}

// resolve returns the settings of a profile with the inherited ones. Chain holds the profiles on the way here, to
// find circles.
func (b *libraryBuilder) resolve(d *decoder, name string, index int, chain []string) (*syntax.Node, bool) {
	at := b.servers[name][index]
	base := &syntax.Node{Src: at.Node.Src, Kind: syntax.MapKind, Line: at.Node.Line, Col: at.Node.Col}
	if at.defaults != nil && at.defaults.Kind == syntax.MapKind {
		base = at.defaults
	}
	parent := at.Node.Get("extends")
	if parent == nil || parent.Kind == syntax.NullKind {
		return merge(base, at.Node), true
	}
	next, nextIndex := parent.Text(), len(b.servers[parent.Text()])-1
	if next == name {
		nextIndex = index - 1 // the definition of an earlier file
	}
	chain = append(chain, name)
	switch {
	case next == name && nextIndex < 0:
		d.errorf(parent, "links/extends", "name another profile; only one of an earlier file may have the same name",
			"profile %q extends itself", name)
		return nil, false
	case next != name && slices.Contains(chain, next):
		// Every profile of a circle gets here; only the first by name is reported.
		if circle := chain[slices.Index(chain, next):]; next == chain[0] && next == slices.Min(circle) {
			d.errorf(parent, "links/extends", "remove extends from one of them", "profiles extend each other in a circle: %s",
				strings.Join(append(circle, next), " → "))
		}
		return nil, false
	case nextIndex < 0:
		help := syntax.SuggestOr(next, keys(b.servers), "profiles")
		if _, ok := engines.Lookup(next); ok {
			help = fmt.Sprintf("%s is an engine, and no profile: write engine: %s", next, next)
		}
		d.errorf(parent, "links/extends", help, "there is no profile %q to extend", next)
		return nil, false
	}
	inherited, ok := b.resolve(d, next, nextIndex, chain)
	if !ok {
		return nil, false
	}
	// These settings of a profile are not inherited.
	inherited = inherited.Without("abstract", "extends", "description")
	if choosesModel(at.Node, inherited) {
		inherited = inherited.Without("models")
	}
	if at.defaults != b.servers[next][nextIndex].defaults {
		inherited = merge(inherited, base)
	}
	return merge(inherited, at.Node), true
}

// choosesModel says whether a profile does not inherit its list of models: it names a running server, which has its
// own models, or a command line that does not take the model from the list.
func choosesModel(own, inherited *syntax.Node) bool {
	if attach := own.Get("attach"); attach != nil && attach.Kind != syntax.NullKind {
		return true
	}
	before, now := inherited.Get("launch"), own.Get("launch")
	return before != nil && now != nil && takesModel(before) && !takesModel(merge(before, now))
}

// takesModel says whether a text below a node refers to the model.
func takesModel(n *syntax.Node) bool {
	return strings.Contains(n.Text(), "${model.") || slices.ContainsFunc(n.Items, takesModel) ||
		slices.ContainsFunc(n.Entries, func(e syntax.Entry) bool { return takesModel(e.Node) })
}

// merge returns base overlaid with over: mappings are merged key by key, everything else is replaced, and null
// removes. Keys keep the order of base; new ones follow.
func merge(base, over *syntax.Node) *syntax.Node {
	if base.Kind != syntax.MapKind || over.Kind != syntax.MapKind {
		return over
	}
	out := *over
	out.Entries = nil
	for _, e := range base.Entries {
		switch o := over.Find(e.Key); {
		case o == nil:
			out.Entries = append(out.Entries, e)
		case o.Node.Kind != syntax.NullKind:
			o := *o
			o.Node = merge(e.Node, o.Node)
			out.Entries = append(out.Entries, o)
		}
	}
	for _, e := range over.Entries {
		if base.Find(e.Key) == nil && e.Node.Kind != syntax.NullKind {
			out.Entries = append(out.Entries, e)
		}
	}
	return &out
}

// checkModels reports names that mean two models.
func (b *libraryBuilder) checkModels(l *Library) {
	owner := map[string]string{}
	for _, m := range l.Models {
		owner[strings.ToLower(m.Name)] = m.Name
	}
	for _, m := range l.Models {
		at := b.models[m.Name].Node
		d := &decoder{src: at.Src}
		for _, n := range d.list(at, "aliases") {
			name := strings.ToLower(n.Text())
			switch first, taken := owner[name]; {
			case taken && first == m.Name:
				d.warnf(n, "links/alias", "remove it", "%q already means this model", n.Text())
			case taken:
				d.errorf(n, "links/alias", "an alias belongs to one model", "alias %q already means model %q", n.Text(), first)
			default:
				owner[name] = m.Name
			}
		}
		b.diags = append(b.diags, d.diags...)
	}
}
