package prompt

import (
	"errors"
	"fmt"
	"slices"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/model"
	"homellm/engine/wire"
)

// errText says why a cell cannot be played with text completions; nil if it can.
func errText(s *dsl.Server, m *dsl.Model, template *model.Template) error {
	switch {
	case s == nil || s.API != wire.Completions:
		return nil
	case engines.Of(s.Engine).Prompt.Text.Never != "":
		return fmt.Errorf("api: completions: %s; use api: chat", engines.Of(s.Engine).Prompt.Text.Never)
	case m == nil:
		return errors.New("api: completions: homellm renders the prompt, and no model says with which template; name one " +
			"with --model")
	case template == nil:
		return fmt.Errorf("api: completions: the template of model %s is not known; "+
			"say `template:` in a models file, or use api: chat", m.Name)
	}
	return nil
}

// errUnsaid says what in a conversation an API cannot express; nil if it can express all of it.
func errUnsaid(api wire.API, messages []dsl.Message, tools []wire.Tool, format *wire.Format) error {
	if why := api.Unsaid(messages, tools, format); why != "" {
		return fmt.Errorf("api: %s: %s", api, why)
	}
	return nil
}

// stops joins the stop texts of a request with those of the template, up to limit.
func stops(own, template []string, limit int) []string {
	out := slices.Clone(own)
	for _, t := range template {
		if !slices.Contains(out, t) && len(out) < limit {
			out = append(out, t)
		}
	}
	return out
}
