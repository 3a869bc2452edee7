package dsl

import (
	"maps"
	"slices"

	"homellm/dsl/syntax"
	"homellm/engine/engines"
	"homellm/engine/wire"
)

// numbers reads the keys in [engines.Keys] from n; those that n lacks come from the default.
func (d *decoder) numbers(n *syntax.Node, s Sampling) Sampling {
	s.Model = d.strOr(n, engines.OtherModel, s.Model)
	own := maps.Clone(s.Numbers)
	for _, key := range engines.Keys {
		if f, ok := asFloat(d.get(n, key.Name)); ok {
			if own == nil {
				own = map[string]float64{}
			}
			own[key.Name] = f
		}
	}
	s.Numbers = own
	return s
}

// chat reads the settings of a request that only APIs with messages have.
func (d *decoder) chat(n *syntax.Node, s Sampling) Sampling {
	s.Thinking = d.strOr(n, "thinking", s.Thinking)
	s.ToolChoice = d.strOr(n, "tool_choice", s.ToolChoice)
	if name := d.get(n, "response_format"); name != nil && name.Kind == syntax.StringKind {
		answer, declared := d.answers[name.Text()]
		switch {
		case !declared:
			d.errorf(name, "links/schema", syntax.SuggestOr(name.Text(), keys(d.answers), "declared schemas"),
				"schema %q is not declared in `schemas:`", name.Text())
		case answer != nil: // nil: its error was reported
			s.Format = &wire.Format{Name: name.Text(), Schema: []byte(compact(answer.Doc))}
		}
	}
	return s
}

// checkChoice reports a choice among tools that a conversation does not have.
func (d *decoder) checkChoice(n *syntax.Node, c *Conversation, s Sampling) {
	if s.ToolChoice == "" || slices.Contains([]string{wire.ChooseAuto, wire.ChooseNone}, s.ToolChoice) {
		return
	}
	at := firstOf(d.get(d.get(n, "request"), "tool_choice"), d.get(n, "id"))
	var names []string
	for _, t := range c.Tools {
		names = append(names, t.Name)
	}
	switch {
	case len(names) == 0:
		d.errorf(at, "links/tool", "declare `tools:` in the conversation", "tool_choice: %s needs a tool", s.ToolChoice)
	case s.ToolChoice != wire.ChooseRequired && !slices.Contains(names, s.ToolChoice):
		known := append([]string{wire.ChooseAuto, wire.ChooseNone, wire.ChooseRequired}, names...)
		d.errorf(at, "links/tool", syntax.SuggestOr(s.ToolChoice, known, "choices"), "there is no tool %q to choose",
			s.ToolChoice)
	}
}
