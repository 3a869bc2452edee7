package target

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/server"
)

// Naming knows which names mean the same model.
type Naming struct {
	Library *dsl.Library // nil: only what a model says of itself
}

// served is what the server calls the cell's model: the name its engine is known to use, or any other name of the
// model that the server lists. Without a model it is the only one served. What was asked for and is not served is an
// error, even where the server would answer: it answers with another model.
func (n Naming) served(cell *dsl.Cell, found server.Found) (string, error) {
	m := cell.Model
	if m == nil {
		return only(found)
	}
	names := namesOn(m, found.Engine)
	for _, name := range names {
		if _, ok := found.Model(name); ok {
			return name, nil
		}
	}
	ignored := engines.Of(found.Engine).Models.Any // the name that a request gives
	for _, s := range found.Models {
		if !slices.ContainsFunc(append(s.Aliases, s.ID), func(id string) bool { return n.means(id, m) }) {
			continue
		}
		if ignored {
			return lastPart(s.ID), nil // it takes any name, and its own may be the path of a file
		}
		return s.ID, nil
	}
	if ignored && (len(found.Models) == 0 || startedWith(cell)) {
		return names[0], nil
	}
	if found.State != server.Ready {
		return names[0], nil // its first reply will tell
	}
	missing := &server.ModelNotFound{Model: names[0], URL: found.URL, Engine: found.Engine}
	for _, s := range found.Models {
		id := s.ID
		if ignored {
			id = lastPart(id)
		}
		missing.Have = append(missing.Have, id)
	}
	return "", server.WithHint(missing, missing.Hint())
}

// only is the one model that a server lists.
func only(found server.Found) (string, error) {
	switch {
	case len(found.Models) == 0:
		return "", server.WithHint(fmt.Errorf("%s lists no model", found.URL),
			"load a model in the server, or name one with --model")
	case len(found.Models) > 1 && !found.Simulated:
		ids := make([]string, len(found.Models))
		for i, s := range found.Models {
			ids[i] = s.ID
		}
		return "", server.WithHint(fmt.Errorf("%s serves several models: %s", found.URL, strings.Join(ids, ", ")),
			"choose one with --model")
	case engines.Of(found.Engine).Models.Any:
		return lastPart(found.Models[0].ID), nil
	}
	return found.Models[0].ID, nil
}

// startedWith says whether homellm starts the cell's server with the cell's model, whatever the server calls it then.
func startedWith(cell *dsl.Cell) bool {
	s := cell.Server
	return s != nil && s.Attach == "" && s.Launch != nil && s.Launch.Needs("model.") != ""
}

// namesOn are the names that an engine may know a model by, the likeliest first.
func namesOn(m *dsl.Model, engine string) []string {
	var names []string
	if e, ok := m.Engines[engine]; ok {
		for _, n := range []string{e.ServedName, e.Ref} {
			if n != "" {
				names = append(names, n)
			}
		}
	}
	return append(append(names, m.Name), m.Aliases...)
}

// means says whether a name means this model: one of its own, the file it is kept in, or what the models file takes
// for it.
func (n Naming) means(name string, m *dsl.Model) bool {
	own := append([]string{m.Name}, m.Aliases...)
	for _, e := range m.Engines {
		own = append(own, e.Ref, e.ServedName, e.File)
	}
	for _, s := range m.Sources {
		for _, f := range s.Files {
			own = append(own, f.Path)
		}
	}
	if slices.ContainsFunc(own, func(o string) bool { return o != "" && alike(o, name) }) {
		return true
	}
	known := n.known(name)
	return known != nil && known.Name == m.Name
}

// known is the model of the models file that a name means; nil: none.
func (n Naming) known(name string) *dsl.Model {
	for _, form := range []string{name, lastPart(name), plain(name)} {
		if m := n.Library.Recognise(form); m != nil {
			return m
		}
	}
	return nil
}

// alike says whether two names are one but for folders and organisations, upper case, and how a file is packed.
func alike(a, b string) bool {
	whole := func(name string) string { return strings.TrimSuffix(strings.ToLower(lastPart(name)), ".gguf") }
	a, b = whole(a), whole(b)
	return a == b || a == plain(b) || plain(a) == b // two packings of a model are two
}

var packed = regexp.MustCompile(`[-._](?:ud-)?(?:i?q\d[a-z0-9_]*|b?f16|fp16|f32|mxfp4[a-z0-9_]*)$`)

// plain is a name without its folder, the ending of its file and how its weights are packed.
func plain(name string) string {
	name = strings.TrimSuffix(strings.ToLower(lastPart(name)), ".gguf")
	return packed.ReplaceAllString(name, "")
}

// lastPart is a name without the folder or the organisation in front of it.
func lastPart(name string) string { return path.Base(strings.ReplaceAll(name, `\`, "/")) }

// Answered compares what a reply says of its model with what was asked for. A reply of another model is an error; one
// with an unknown name for it tells what the target really is.
func (t *Target) Answered(cell *dsl.Cell, replied string) error {
	asked := t.Client.Model
	if replied == "" || t.sameModel(cell, asked, replied) {
		return nil
	}
	other := t.naming.known(replied)
	listed := func(name string) bool { _, ok := t.found.Model(name); return ok }
	switch {
	case listed(replied), !listed(asked), other != nil && cell.Model != nil && t.naming.known(asked) != nil:
		return server.WithHint(fmt.Errorf("%s was asked for the model %q, and its reply names %q", t.Facts.URL, asked,
			replied), "name the model that it serves with --model")
	}
	t.Facts.Model, t.Facts.Answered = replied, replied
	return nil
}

// Still says that a later reply is of another model than the first ones.
func (t *Target) Still(cell *dsl.Cell, replied string) error {
	if replied == "" || replied == t.Facts.Answered || t.sameModel(cell, t.Client.Model, replied) {
		return nil
	}
	return server.WithHint(fmt.Errorf("%s was asked for the model %q, and a reply names %q: what it measured is of two "+
		"models", t.Facts.URL, t.Client.Model, replied), "keep other models from taking over while a run is played")
}

// sameModel says whether a reply's name of its model is another form of the name that was asked for.
func (t *Target) sameModel(cell *dsl.Cell, asked, replied string) bool {
	dated := func(long, short string) bool { // gpt-x-2026-01-31, llama3:latest
		rest, ok := strings.CutPrefix(strings.ToLower(long), strings.ToLower(short))
		return ok && snapshot.MatchString(rest)
	}
	if alike(asked, replied) || dated(replied, asked) || dated(asked, replied) {
		return true
	}
	if cell.Model != nil && t.naming.means(replied, cell.Model) {
		return true
	}
	of, ok := t.found.Model(asked)
	if !ok && len(t.found.Models) == 1 {
		of, ok = t.found.Models[0], t.naming.oneOf(t.found.Models[0], asked)
	}
	if !ok {
		return false
	}
	same := func(m engines.Model) bool { return slices.Contains(append(m.Aliases, m.ID), replied) }
	return same(of) || slices.ContainsFunc(t.found.Models, func(m engines.Model) bool {
		return m.Root != "" && m.Root == of.Root && same(m)
	})
}

// oneOf says whether a name is one of those that the server gives a model.
func (n Naming) oneOf(m engines.Model, name string) bool {
	return slices.ContainsFunc(append(m.Aliases, m.ID), func(id string) bool { return alike(id, name) })
}

// snapshot is what a server adds to a name to say which state of the model it has.
var snapshot = regexp.MustCompile(`^[-@:_]?(?:latest|\d{4}-?\d{2}-?\d{2}|\d{3,8})$`)
