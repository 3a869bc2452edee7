package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/model"
	"homellm/engine/tokens"
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

// prompt is one request in the form that goes on the wire.
type prompt struct {
	client.Prompt
	dsl      []dsl.Message                                       // as the server gets them, or as they were rendered
	client   *client.Client                                      // for the API that it is for
	tokenize func(context.Context, []dsl.Message) ([]int, error) // as the server will read it; nil: not known
	err      error                                               // why it cannot be sent
}

// wire puts messages into the form of an API: messages for chat, the text that the model's
// template makes of them for text completions. An empty name is the profile's own API.
func (s *session) wire(api string, messages []dsl.Message, p client.Prompt) prompt {
	own := cmp.Or(s.target.Client.API, "chat")
	api = cmp.Or(api, own)
	out := prompt{Prompt: p, client: s.client, tokenize: s.target.Tokenize}
	if api != own {
		if out.client, out.err = s.clientFor(api); out.err != nil {
			return out
		}
	}
	template := s.run.templates.Of(s.cell.Model)
	out.dsl = s.placed(template, messages)
	for _, m := range out.dsl {
		out.Messages = append(out.Messages, client.Message{Role: m.Role, Content: m.Content})
	}
	if api != "completions" {
		return out
	}
	engine := cmp.Or(s.target.Facts.Engine, s.cell.Server.Engine)
	profile := *s.cell.Server
	profile.API, profile.Engine = api, engine
	if out.err = errText(&profile, s.cell.Model, template); out.err != nil {
		return out
	}
	rule := textRuleOf(engine)
	rendered, err := template.Render(modelMessages(out.dsl), renderOptions(&profile))
	if err != nil {
		out.err = err
		return out
	}
	out.Text = rendered.Text
	if rule.bos {
		out.Text = rendered.String()
	}
	out.Stop = stops(p.Stop, template.Stop(), rule.stops)
	if rule.extra != nil {
		extra := maps.Clone(rule.extra)
		maps.Copy(extra, p.Extra)
		out.Extra = extra
	}
	out.tokenize = nil
	if side := s.target.Side; side != nil && s.target.Tokenize != nil {
		out.tokenize = func(ctx context.Context, messages []dsl.Message) ([]int, error) {
			p, err := template.Render(modelMessages(messages), renderOptions(&profile))
			if err != nil {
				return nil, err
			}
			return side.TokenizeText(ctx, p.String()) // with BOS, whoever adds it
		}
	}
	return out
}

// local renders and counts prompts for a server that does not tokenise. A text is what is sent; of
// messages it is assumed that the server has the model's own template.
func (s *session) local(p prompt) local {
	out := local{count: func(text string) (tokens.Count, error) {
		return s.run.templates.Count(s.cell.Model, text, s.run.opt.Tokenizer)
	}}
	template := s.run.templates.Of(s.cell.Model)
	if template == nil {
		return out
	}
	profile := *s.cell.Server
	profile.Engine = cmp.Or(s.target.Facts.Engine, profile.Engine)
	if p.Text != "" {
		profile.API = "completions"
	}
	out.render = func(messages []dsl.Message) (string, bool) {
		rendered, _, err := renderFor(template, &profile, messages)
		return rendered.String(), err == nil
	}
	return out
}

// placed moves system messages as the profile asks.
func (s *session) placed(template *model.Template, messages []dsl.Message) []dsl.Message {
	placement := model.SystemPlacement(s.cell.Server.Placement)
	if template == nil || placement == "" || placement == model.PlaceNative {
		return messages
	}
	var out []dsl.Message
	for _, m := range template.Place(modelMessages(messages), placement) {
		out = append(out, dsl.Message{Role: m.Role, Content: m.Content})
	}
	return out
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

// clientFor returns a client for an API other than the profile's own.
func (s *session) clientFor(api string) (*client.Client, error) {
	if c := s.clients[api]; c != nil {
		return c, nil
	}
	cfg := s.target.Client
	cfg.API = api
	c, err := client.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", cfg.BaseURL, err)
	}
	if s.clients == nil {
		s.clients = map[string]*client.Client{}
	}
	s.clients[api] = c
	return c, nil
}

// forgetClients closes the connections of the further clients, whose server goes away.
func (s *session) forgetClients() {
	for _, c := range s.clients {
		c.CloseIdle()
	}
	s.clients = nil
}

// salts puts a salt where the server and the template of the model take it: into the body, else
// into the leading system message, or into the first message of the user where the template knows
// no system.
func (s *session) salts(messages []dsl.Message, extra map[string]any, salt string) []dsl.Message {
	out := s.salted(messages, extra, salt)
	template := s.run.templates.Of(s.cell.Model)
	if len(out) == len(messages) || template == nil {
		return out // no message was added
	}
	if _, _, err := renderFor(template, s.cell.Server, out); err == nil {
		return out
	}
	for i, m := range messages {
		if m.Role == "user" {
			out = slices.Clone(messages)
			out[i].Content = saltLine(salt) + "\n" + m.Content
			return out
		}
	}
	return out
}
