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

// Naming decides which names mean the same model.
type Naming struct {
	Library *dsl.Library // nil: only the names in the model's own entry
}

// served is the server's name for the cell's model: the name in its engine's entry, or any other name of the model
// that the server lists. For a cell without a model it is the only one served. A model that is requested and not
// served is an error, even if the server would answer, because it answers with another model.
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
	ignored := engines.Of(found.Engine).Models.Any // the name that the request uses
	for _, s := range found.Models {
		if !slices.ContainsFunc(append(s.Aliases, s.ID), func(id string) bool { return n.means(id, m) }) {
			continue
		}
		if ignored {
			return lastPart(s.ID), nil // it accepts any name, and its own may be a file path
		}
		return s.ID, nil
	}
	if ignored && (len(found.Models) == 0 || startedWith(cell)) {
		return names[0], nil
	}
	if found.State != server.Ready {
		return names[0], nil // its first reply shows the model
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

// only is the single model that a server lists.
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

// startedWith says whether homellm starts the cell's server with the cell's model, whatever name the server gives it.
func startedWith(cell *dsl.Cell) bool {
	s := cell.Server
	return s != nil && s.Attach == "" && s.Launch != nil && s.Launch.Needs("model.") != ""
}

// namesOn are the possible names of a model on an engine, the likeliest first.
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

// means says whether a name means this model: one of its names, its file, or a name that the models file maps to it.
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

// known is the entry of the models file that a name means; nil: none.
func (n Naming) known(name string) *dsl.Model {
	for _, form := range []string{name, lastPart(name), plain(name)} {
		if m := n.Library.Recognise(form); m != nil {
			return m
		}
	}
	return nil
}

// alike says whether two names are equal except for folders, organisations, case, and the quantisation.
func alike(a, b string) bool {
	whole := func(name string) string { return strings.TrimSuffix(strings.ToLower(lastPart(name)), ".gguf") }
	a, b = whole(a), whole(b)
	return a == b || a == plain(b) || plain(a) == b // two quantisations of a model differ
}

var packed = regexp.MustCompile(`[-._](?:ud-)?(?:i?q\d[a-z0-9_]*|b?f16|fp16|f32|mxfp4[a-z0-9_]*)$`)

// plain is a name without its folder, file extension and quantisation.
func plain(name string) string {
	name = strings.TrimSuffix(strings.ToLower(lastPart(name)), ".gguf")
	return packed.ReplaceAllString(name, "")
}

// lastPart is a name without its folder or organisation.
func lastPart(name string) string { return path.Base(strings.ReplaceAll(name, `\`, "/")) }

// Answered compares the model's name in a reply with the requested one. Another known model is an error; an unknown
// name becomes the target's name for its model.
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

// Still returns an error if a later reply is from another model than the first ones.
func (t *Target) Still(cell *dsl.Cell, replied string) error {
	if replied == "" || replied == t.Facts.Answered || t.sameModel(cell, t.Client.Model, replied) {
		return nil
	}
	if slices.ContainsFunc(cell.OtherModels(), func(name string) bool { return alike(name, replied) }) {
		return nil
	}
	return server.WithHint(fmt.Errorf("%s was asked for the model %q, and a reply names %q: the measurements are of "+
		"two models", t.Facts.URL, t.Client.Model, replied), "keep other models from taking over while a run is played")
}

// sameModel says whether a model's name in a reply is another form of the requested one.
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

// oneOf says whether a name is one of the server's names for the model.
func (n Naming) oneOf(m engines.Model, name string) bool {
	return slices.ContainsFunc(append(m.Aliases, m.ID), func(id string) bool { return alike(id, name) })
}

// snapshot matches the suffix for a version of the model that a server adds to a name.
var snapshot = regexp.MustCompile(`^[-@:_]?(?:latest|\d{4}-?\d{2}-?\d{2}|\d{3,8})$`)
