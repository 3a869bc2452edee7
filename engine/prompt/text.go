package prompt

import (
	"errors"
	"fmt"
	"slices"

	"homellm/dsl"
	"homellm/engine/model"
)

// textRule says how a server has to be asked for the completion of a text, so that what opens
// every prompt (BOS) stands there once: most servers put it there themselves, and only some can be
// told not to.
type textRule struct {
	bos   bool           // the text carries it
	extra map[string]any // keys that keep the server from adding it
	stops int            // how many of the template's stop texts are sent
	never string         // why the server cannot be asked at all
}

// textRules are by engine. vLLM and SGLang end a reply by the ids in the model's
// generation_config and leave special tokens out of the text, so that a stop text of the template
// is never found there; and while there is any, they hold back as much text as it is long, which
// would be measured as a later first token.
var textRules = map[string]textRule{
	"vllm":   {bos: true, extra: map[string]any{"add_special_tokens": false}},
	"sim":    {bos: true, extra: map[string]any{"add_special_tokens": false}},
	"sglang": {},
	"tabby":  {bos: true, extra: map[string]any{"add_bos_token": false}, stops: someStops},
	"openai": {stops: 4}, // more are refused
	"ollama": {never: "Ollama puts its own template around the prompts of /v1/completions"},
}

// otherServers get a text without BOS, as most servers add it.
var otherServers = textRule{stops: someStops}

const someStops = 16

func textRuleOf(engine string) textRule {
	if rule, ok := textRules[engine]; ok {
		return rule
	}
	return otherServers
}

// errText says why a cell cannot be played with text completions; nil if it can.
func errText(s *dsl.Server, m *dsl.Model, template *model.Template) error {
	switch {
	case s == nil || s.API != "completions":
		return nil
	case textRuleOf(s.Engine).never != "":
		return fmt.Errorf("api: completions: %s; use api: chat", textRuleOf(s.Engine).never)
	case m == nil:
		return errors.New("api: completions: homellm renders the prompt, and no model says with which template; name one with --model")
	case template == nil:
		return fmt.Errorf("api: completions: the template of model %s is not known; say `template:` in a models file, or use api: chat", m.Name)
	}
	return nil
}

// stops joins the stop texts of a request with those of the template while there are fewer than
// limit.
func stops(own, template []string, limit int) []string {
	out := slices.Clone(own)
	for _, t := range template {
		if !slices.Contains(out, t) && len(out) < limit {
			out = append(out, t)
		}
	}
	return out
}
