// Package rendering shows conversations as a model sees them, and checks that a chat template is the right one: it
// is held against goldens, or against what a running server renders.
package rendering

import (
	"cmp"
	"strings"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/model"
	"homellm/engine/prompt"
)

// Choice is a template, and the model that it was found by.
type Choice struct {
	All      *prompt.Templates
	Template *model.Template
	Model    *dsl.Model // nil: the template was named itself
}

// Choose finds a template by the name of a model, in any of its forms, or by its own.
func Choose(all *prompt.Templates, lib *dsl.Library, name string) (Choice, error) {
	if m := lib.Model(name); m != nil {
		t := all.Of(m)
		if t == nil {
			return Choice{}, exit.Errorf(exit.Invalid,
				"set `template:` for it in a models file; homellm template check lists the templates",
				"the template of model %s is not known", m.Name)
		}
		return Choice{all, t, m}, nil
	}
	if t := all.Named(name); t != nil {
		return Choice{all, t, nil}, nil
	}
	var names []string
	for _, m := range lib.Models {
		names = append(names, m.Name)
	}
	hint := cmp.Or(syntax.Suggest(name, append(names, all.Names()...)), lib.SuggestModel(name))
	if hint == "" {
		hint = "models: " + strings.Join(names, ", ")
	}
	return Choice{}, exit.Errorf(exit.Usage, hint, "there is no model and no template %q", name)
}

// Templated are the names of the models whose template is known.
func Templated(lib *dsl.Library) (names []string) {
	for _, m := range lib.Models {
		if m.Template != "" {
			names = append(names, m.Name)
		}
	}
	return names
}

// Trial is what is known of a template without a server.
type Trial struct {
	Goldens   int             // what Jinja itself makes of the publisher's template; 0: there are none
	Wrong     []string        // those that it does not equal
	Broken    error           // a plain conversation cannot be rendered
	Stability model.Stability // of a plain conversation; where there are no goldens
}

// OK says whether nothing is wrong with it.
func (t Trial) OK() bool { return len(t.Wrong) == 0 && t.Broken == nil }

// Try compares a template with its goldens. One without is tried with a plain conversation.
func (c Choice) Try() (t Trial) {
	if t.Wrong, t.Goldens = c.All.CheckGoldens(c.Template); t.Goldens == 0 {
		t.Stability, t.Broken = c.Template.Stable(model.Probe(), model.Options{Placement: model.PlaceMerge}, nil)
	}
	return t
}
