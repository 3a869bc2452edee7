package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/engines"
	"homellm/engine/model"
	"homellm/engine/tokens"
	"homellm/engine/wire"
)

// Templates are the chat templates of a library of models. They are compiled when they are first used.
type Templates struct {
	lib      *dsl.Library
	own      model.Compiler // compiler of the library's templates; nil: they are rejected
	compiled func() (*model.Templates, syntax.Diagnostics)

	mu       sync.Mutex
	counters map[string]*tokens.Counter // by model
}

// NewTemplates returns the shipped templates, overlaid by those of the library, which may be nil. Own compiles the
// latter, which are untrusted programs; without it they are rejected.
func NewTemplates(lib *dsl.Library, own model.Compiler) *Templates {
	if own == nil {
		own = func(name string, _ model.Spec) (*model.Template, error) {
			return nil, fmt.Errorf("template %s: there is no process to render it in", name)
		}
	}
	t := &Templates{lib: lib, own: own, counters: map[string]*tokens.Counter{}}
	t.compiled = sync.OnceValues(t.compile)
	return t
}

// Check compiles the templates of the library's files, and returns their errors.
func (t *Templates) Check() syntax.Diagnostics {
	for _, own := range t.lib.Templates {
		if own.Spec != nil {
			_, ds := t.compiled()
			return ds
		}
	}
	return nil
}

func (t *Templates) compile() (*model.Templates, syntax.Diagnostics) {
	all, err := model.ShippedTemplates()
	if err != nil {
		panic(err) // they are part of the program, and its tests compile them
	}
	if t.lib == nil {
		return all, nil
	}
	var ds syntax.Diagnostics
	for _, own := range t.lib.Templates {
		if own.Spec == nil {
			continue
		}
		entry, err := json.Marshal(map[string]json.RawMessage{own.Name: own.Spec})
		if err == nil {
			err = all.Add(entry, t.own)
		}
		if err != nil {
			ds = append(ds, wrong(own, err))
		}
	}
	return all, ds
}

// wrong gives the error of a template its place in the file.
func wrong(t *dsl.Template, err error) syntax.Diagnostic {
	if syntax, ok := errors.AsType[*model.SyntaxError](err); ok {
		what := "does not compile"
		if syntax.Bound {
			what = "cannot be rendered"
		}
		return t.Wrong("jinja", syntax.Line, syntax.Col, fmt.Sprintf("template %q %s: %s", t.Name, what, syntax.Message), "")
	}
	message := strings.TrimPrefix(err.Error(), "template "+t.Name+": ")
	key := ""
	if strings.HasPrefix(message, "like:") {
		key = "like"
	}
	return t.Wrong(key, 0, 0, fmt.Sprintf("template %q: %s", t.Name, message), "")
}

// Of returns the template of a model; nil if it is unknown.
func (t *Templates) Of(m *dsl.Model) *model.Template {
	if m == nil || m.Template == "" {
		return nil
	}
	all, _ := t.compiled()
	return all.Named(m.Template)
}

// Named returns a template by its own name; nil if there is none.
func (t *Templates) Named(name string) *model.Template {
	all, _ := t.compiled()
	return all.Named(name)
}

// Names lists the templates in alphabetical order.
func (t *Templates) Names() []string {
	all, _ := t.compiled()
	return all.Names()
}

// systemFallback is where a server moves system messages that a chat template refuses, instead of returning an error;
// empty if it returns an error.
func systemFallback(s *dsl.Server) model.SystemPlacement {
	return model.SystemPlacement(engines.Of(s.Engine).Prompt.SystemFallback)
}

// renderOptions are what a profile says about rendering. The server may be nil.
func renderOptions(s *dsl.Server, tools ...wire.Tool) model.Options {
	if s == nil {
		return model.Options{Tools: wire.Functions(tools)}
	}
	out := model.Options{Placement: model.SystemPlacement(s.Placement), Tools: wire.Functions(tools)}
	if vars, ok := s.Body["chat_template_kwargs"].(map[string]any); ok {
		out.Vars = vars
		if thinking, set := vars["enable_thinking"].(bool); set && !thinking {
			out.NoThink = true
		}
		if text, ok := vars["date_string"].(string); ok {
			if date, err := time.Parse("2 Jan 2006", text); err == nil {
				out.Now = date
			}
		}
	}
	return out
}

// Render makes the prompt of messages in the same way as a server does for a model; ok is false if the template is
// unknown. Exact says that it is the model's own template. An error is a refusal.
func (t *Templates) Render(s *dsl.Server, m *dsl.Model, messages []dsl.Message, tools ...wire.Tool) (p model.Prompt,
	exact, ok bool, err error) {
	template := t.Of(m)
	if err := errText(s, m, template); err != nil {
		return model.Prompt{}, false, false, err
	}
	if s != nil {
		if err := errUnsaid(s.API, messages, tools, nil); err != nil {
			return model.Prompt{}, false, false, err
		}
	}
	if template == nil {
		return model.Prompt{}, false, false, nil
	}
	p, placed, err := renderFor(template, s, messages, tools...)
	exact = !placed && (len(tools) == 0 || template.TakesTools()) &&
		(s == nil || s.API == wire.Completions || !engines.Of(s.Engine).Prompt.OtherTemplates)
	return p, exact, true, err
}

// renderFor renders as a server does; placed says that the server itself moved system messages.
func renderFor(template *model.Template, s *dsl.Server, messages []dsl.Message, tools ...wire.Tool) (p model.Prompt,
	placed bool, err error) {
	opt := renderOptions(s, tools...)
	p, err = template.Render(messages, opt)
	if _, refused := errors.AsType[*model.Refusal](err); !refused || s == nil || s.API == wire.Completions {
		return p, false, err
	}
	if other := systemFallback(s); other != "" {
		opt.Placement = other
		if q, again := template.Render(messages, opt); again == nil {
			return q, true, nil
		}
	}
	return p, false, err
}

// Count counts the tokens of a prompt, or of any other text, as a model reads it.
func (t *Templates) Count(m *dsl.Model, text string, tokenizer func(*dsl.Model) *tokens.Counter) (tokens.Count, error) {
	c := t.counter(m, tokenizer)
	if template := t.Of(m); template != nil {
		return template.Count(c, text)
	}
	return c.Count(text)
}

func (t *Templates) counter(m *dsl.Model, tokenizer func(*dsl.Model) *tokens.Counter) *tokens.Counter {
	name := ""
	if m != nil {
		name = m.Name
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counters[name]
	if c == nil && m != nil && tokenizer != nil {
		c = tokenizer(m)
	}
	if c == nil {
		c = tokens.Estimate(tokens.VocabularyOf(name))
	}
	t.counters[name] = c
	return c
}

// CheckGoldens compares a template with the goldens of its name. A template from a user's file has none, even if it
// replaces a shipped one.
func (t *Templates) CheckGoldens(one *model.Template) (wrong []string, n int) {
	for _, own := range t.lib.Templates {
		if own.Name == one.Name() && own.Spec != nil {
			return nil, 0
		}
	}
	goldens, err := model.Goldens(one.Name())
	if err != nil {
		return nil, 0
	}
	for _, g := range goldens {
		if w := g.Check(one); w != "" {
			wrong = append(wrong, w)
		}
	}
	return wrong, len(goldens)
}
