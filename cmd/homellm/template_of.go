package main

import (
	"cmp"
	"strings"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/model"
	"homellm/engine/prompt"
)

// templateOf finds a template by the name of a model, in any of its forms, or by its own.
func templateOf(p process, lib *dsl.Library, name string) (*prompt.Templates, *model.Template, *dsl.Model, error) {
	all := p.templates(lib)
	if m := lib.Model(name); m != nil {
		t := all.Of(m)
		if t == nil {
			return nil, nil, nil, exit.Errorf(exit.Invalid,
				"set `template:` for it in a models file; homellm template check lists "+
					"the templates",
				"the template of model %s is not known", m.Name)
		}
		return all, t, m, nil
	}
	if t := all.Named(name); t != nil {
		return all, t, nil, nil
	}
	var names []string
	for _, m := range lib.Models {
		names = append(names, m.Name)
	}
	hint := cmp.Or(syntax.Suggest(name, append(names, all.Names()...)), lib.SuggestModel(name))
	if hint == "" {
		hint = "models: " + strings.Join(names, ", ")
	}
	return nil, nil, nil, exit.Errorf(exit.Usage, hint, "there is no model and no template %q", name)
}
