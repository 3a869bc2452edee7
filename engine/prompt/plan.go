package prompt

import (
	"homellm/dsl"
	"homellm/engine/tokens"
	"homellm/engine/wire"
)

// PlanOptions returns what a plan needs to know about models and servers: how prompts are rendered, how tokens are
// counted, and which metrics a server cannot give. It refuses the library's own templates.
func PlanOptions(lib *dsl.Library) dsl.Options { return NewTemplates(lib, nil).PlanOptions(nil) }

// PlanOptions returns what a plan needs to know about models and servers. Tokenizer returns a model's own tokeniser, or
// nil if there is none and an estimate is used; it may be nil itself.
func (t *Templates) PlanOptions(tokenizer func(*dsl.Model) *tokens.Counter) dsl.Options {
	return dsl.Options{
		Count: func(m *dsl.Model, text string) (n int, exact bool) {
			count, err := t.Count(m, text, tokenizer)
			if err != nil {
				return len(text) / 4, false // the embedded vocabulary cannot be read: an estimate all the same
			}
			return count.Tokens, count.Exact
		},
		Render: func(s *dsl.Server, m *dsl.Model, messages []dsl.Message, tools []wire.Tool) (string, bool,
			error) {
			p, exact, _, err := t.Render(s, m, messages, tools...)
			return p.String(), exact, err
		},
		Examine: t.examine,
	}
}

// examine tells a plan what is special about the prompts of a conversation.
func (t *Templates) examine(s *dsl.Server, m *dsl.Model, messages []dsl.Message) dsl.Examination {
	template := t.Of(m)
	if template == nil {
		return dsl.Examination{}
	}
	opt := renderOptions(s)
	counter := t.counter(m, nil)
	stability, err := template.Stable(messages, opt, counter)
	if err != nil && s != nil && systemFallback(s) != "" {
		opt.Placement = systemFallback(s)
		stability, err = template.Stable(messages, opt, counter)
	}
	if err != nil {
		return dsl.Examination{}
	}
	x := dsl.Examination{Rendered: true, Daily: stability.Daily}
	if !stability.OK {
		x.Rewrites = stability.String()
	}
	for _, s := range template.Suspects(messages) {
		x.Suspects = append(x.Suspects, dsl.Suspect{Message: s.Message, Token: s.Token})
	}
	return x
}
