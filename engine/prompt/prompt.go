// Package prompt turns messages into what goes on the wire.
//
// The input is a cell's turns, what is known about its server, and the templates of the models. The output is requests,
// the ceiling of any prefix cache for each of them, and what a plan needs to render and count prompts. It sends
// nothing.
package prompt

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/model"
	"homellm/engine/tokens"
	"homellm/engine/wire"
)

// Tokenize counts messages as a server renders them with tools, and with the opening of the reply.
type Tokenize func(context.Context, []dsl.Message, ...wire.Tool) ([]int, error)

// tokenize is the same with the tools of a request, and with messages after those of a conversation, which are not
// copied for it.
type tokenize func(ctx context.Context, messages []dsl.Message, then ...dsl.Message) ([]int, error)

// Server is what a prompt depends on besides the profile of its server.
type Server struct {
	Engine   string         // that was found; empty: as the profile says
	API      wire.API       // of requests that name none; empty: chat
	Body     map[string]any // extra keys of every request
	Thoughts *bool          // its chat template reads what an assistant has thought; nil: unknown

	Block int // tokens in one block of its prefix cache; 1: it keeps single tokens

	Tokenize     Tokenize                                     // nil: it cannot
	TokenizeText func(context.Context, string) ([]int, error) // nil: it cannot
}

// Counters returns a model's own tokeniser; nil for an estimate.
type Counters func(*dsl.Model) *tokens.Counter

// Maker makes the requests of one cell. It knows what its server has seen, and so what any cache
// could keep of the next prompt.
type Maker struct {
	cell      *dsl.Cell
	templates *Templates
	counters  Counters
	server    Server
	salt      string
	marked    marked               // the conversation that was salted last
	known     map[string]*prefixes // by salt
	lead      int                  // tokens before a salt in the first message, as far as is known
	leadOf    string               // the salt for which the server's own tokeniser counted them
	heads     map[string][]int     // first tokens of the first prompt under each salt that is in a message

	grown map[wire.API]*tokenGrower // the conversations that were tokenised last
}

// New returns a maker for a cell on a server that has seen no prompt yet. Counters may be nil.
func New(cell *dsl.Cell, templates *Templates, counters Counters, server Server) *Maker {
	server.API = cmp.Or(server.API, wire.Chat)
	server.Engine = cmp.Or(server.Engine, cell.Server.Engine)
	return &Maker{cell: cell, templates: templates, counters: counters, server: server,
		known: map[string]*prefixes{}, heads: map[string][]int{}, grown: map[wire.API]*tokenGrower{}}
}

// Blocks says how many tokens one block of the server's prefix cache holds.
func (m *Maker) Blocks(tokens int) { m.server.Block = tokens }

// Forget says that the server's prefix cache was emptied.
func (m *Maker) Forget() {
	clear(m.known)
	clear(m.heads)
}

// Request is one request in the form that goes on the wire.
type Request struct {
	client.Prompt
	API    wire.API // that it is for
	Err    error    // why it cannot be sent
	Unkept []string // keys that the server does not support

	images   int           // in its messages
	messages []dsl.Message // as the server gets them, or as they were rendered
	tokenize tokenize      // as the server will read it; nil: not known
	grown    *tokenGrower  // that tokenize uses
	thoughts string        // field for the thoughts of earlier answers; empty: they do not go back
}

// Plain is the prompt as text, without the template of the model.
func (r Request) Plain() string { return render(r.messages) }

// Turn puts a turn into the form that goes on the wire: sampling, extra keys and salt.
func (m *Maker) Turn(step *dsl.Step, t dsl.Turn) Request {
	caps := m.cell.Server.Capabilities
	extra := m.extra()
	messages := m.salted(t.Messages, extra, m.salt)
	req := step.Request
	api := cmp.Or(req.API, m.server.API)
	out := client.Prompt{
		MaxTokens: req.MaxTokens, Temperature: req.Temperature, TopP: req.TopP, Seed: req.Seed, Stop: req.Stop, Extra: extra,
		Tools: t.Tools, ToolChoice: req.ToolChoice, Format: req.Format, Thinking: m.thinking(req.Thinking, api, extra),
	}
	if t.MaxTokens > 0 {
		out.MaxTokens = t.MaxTokens
	}
	if req.IgnoreEOS != nil && caps.IgnoreEOS != "" && !api.Lacks("ignore_eos") {
		extra[caps.IgnoreEOS] = *req.IgnoreEOS
	}
	if req.MinTokens != nil && caps.MinTokens != "" && t.MaxTokens == 0 && !api.Lacks("min_tokens") {
		extra[caps.MinTokens] = *req.MinTokens
	}
	m.numbers(req, &out)
	framed := m.frame(req.API, messages, out)
	if t.MaxTokens == 0 {
		framed.Unkept = m.cell.UnkeptOf(req)
	}
	return framed
}

// numbers adds the keys that only some engines have to the body, under the engine's names.
func (m *Maker) numbers(req dsl.Sampling, out *client.Prompt) {
	engine, api := engines.Of(m.cell.Server.Engine), cmp.Or(req.API, m.server.API)
	if path, ok := engine.Word(api, engines.OtherModel); ok && req.Model != "" {
		put(out.Extra, path, req.Model)
	}
	for key, n := range req.Numbers {
		switch path, ok := engine.Word(api, key); {
		case !ok:
		case path == engines.OwnBudget:
			if int(n) >= engine.LeastBudget {
				out.Thinking.Budget = new(int(n))
			}
		default:
			put(out.Extra, path, n)
		}
	}
	if path, ok := engine.Word(api, engines.ResponseFormat); ok && req.Format != nil {
		put(out.Extra, path, req.Format.Chat())
	}
}

// put sets a value in a body at a path with dots between objects. It copies the objects on the path, because they may
// belong to a profile.
func put(body map[string]any, path string, value any) {
	key, rest, nested := strings.Cut(path, ".")
	if !nested {
		body[key] = value
		return
	}
	inner := map[string]any{}
	if own, ok := body[key].(map[string]any); ok {
		maps.Copy(inner, own)
	}
	put(inner, rest, value)
	body[key] = inner
}

// thinking sets how the model is to think in the keys of its chat template, and returns it for APIs that have keys for
// it.
func (m *Maker) thinking(how string, api wire.API, extra map[string]any) wire.Thinking {
	if how == "" || m.cell.Model == nil || m.cell.Model.Thinking == nil {
		return wire.Thinking{}
	}
	t := m.cell.Model.Thinking
	value, ok := t.Value(how)
	switch {
	case !ok:
		return wire.Thinking{}
	case value == nil: // the template's default
	case t.Field != "":
		m.effort(api, t.Field, value, extra)
	case t.Kwarg != "":
		put(extra, "chat_template_kwargs."+t.Kwarg, value)
	}
	return wire.Thinking{Level: how}
}

// effort sets how much the model is to think in a field of the request. The newer APIs have their own fields, which the
// client sets, but an engine may read another one.
func (m *Maker) effort(api wire.API, field string, value any, extra map[string]any) {
	path, own := engines.Of(m.cell.Server.Engine).Word(api, field)
	switch {
	case own:
		put(extra, path, value)
	case !slices.Contains(engines.Optional, api):
		extra[field] = value
	}
}

// Probe returns a request that sends a text, with or without a salt, like the scenario's prompts, and asks for a number
// of tokens.
func (m *Maker) Probe(text, salt string, most int) Request {
	extra := m.extra()
	messages := m.salted([]dsl.Message{{Role: "user", Content: text}}, extra, salt)
	zero := 0.0
	return m.frame("", messages, client.Prompt{MaxTokens: most, Temperature: &zero, Extra: extra})
}

// Probes reports whether an API is the one that probes use.
func (m *Maker) Probes(api wire.API) bool { return api == m.server.API }

// extra are the keys that every request carries, to be added to.
func (m *Maker) extra() map[string]any {
	if m.server.Body == nil {
		return map[string]any{}
	}
	return maps.Clone(m.server.Body)
}

// frame puts messages into the form of an API: messages for chat, the text that the model's
// template makes of them for text completions. An empty name is the server's own API.
func (m *Maker) frame(api wire.API, messages []dsl.Message, p client.Prompt) Request {
	out := Request{Prompt: p, API: cmp.Or(api, m.server.API), images: wire.Shown(messages)}
	m.tokenized(&out, m.server.Tokenize)
	out.thoughts = m.thoughtsField(out.API)
	messages = withThoughts(messages, out.thoughts)
	if m.cell.Server.Capabilities.Streaming {
		out.Extra = engines.Of(m.server.Engine).Counted(out.API, p.Extra)
	}
	template := m.templates.Of(m.cell.Model)
	out.messages = m.placed(template, messages)
	out.Messages = out.messages
	if out.API != wire.Completions {
		out.Err = errUnsaid(out.API, out.messages, p.Tools, p.Format)
		return out
	}
	profile := m.profile(out.API)
	profile.Body = out.Extra
	if out.images > 0 {
		out.Err = errors.New("api: completions: a text shows no images; use api: chat")
		return out
	}
	if out.Err = errText(profile, m.cell.Model, template); out.Err != nil {
		return out
	}
	rule := engines.Of(profile.Engine).Prompt.Text
	rendered, err := template.Render(out.messages, renderOptions(profile, p.Tools...))
	if err != nil {
		out.Err = err
		return out
	}
	out.Text = rendered.Text
	if rule.BOS {
		out.Text = rendered.String()
	}
	out.Stop = stops(p.Stop, template.Stop(), rule.Stops)
	if rule.Extra != nil {
		extra := maps.Clone(rule.Extra)
		maps.Copy(extra, out.Extra)
		out.Extra = extra
	}
	out.tokenize = nil
	if m.server.Tokenize != nil && m.server.TokenizeText != nil {
		m.tokenized(&out, func(ctx context.Context, messages []dsl.Message, tools ...wire.Tool) ([]int, error) {
			rendered, err := template.Render(messages, renderOptions(profile, tools...))
			if err != nil {
				return nil, err
			}
			return m.server.TokenizeText(ctx, rendered.String()) // with BOS, whether the template or the server adds it
		})
	}
	return out
}

// tokenized makes a request be tokenised by whole.
func (m *Maker) tokenized(r *Request, whole Tokenize) {
	switch {
	case whole == nil:
	case len(r.Tools) > 0: // calls and results belong together, so a short form cannot replace them
		tools := r.Tools
		r.tokenize = func(ctx context.Context, messages []dsl.Message, then ...dsl.Message) ([]int, error) {
			return whole(ctx, append(slices.Clip(messages), then...), tools...)
		}
	default:
		m.grow(r, func(ctx context.Context, messages []dsl.Message, then ...dsl.Message) ([]int, error) {
			return whole(ctx, append(slices.Clip(messages), then...))
		})
	}
}

// grow has a request tokenised as whole does, but by what is new in its conversation.
func (m *Maker) grow(r *Request, whole tokenize) {
	g := m.grown[r.API]
	if g == nil {
		g = &tokenGrower{}
		m.grown[r.API] = g
	}
	r.grown = g
	r.tokenize = func(ctx context.Context, messages []dsl.Message, then ...dsl.Message) ([]int, error) {
		return g.tokenize(ctx, whole, messages, then...)
	}
}

// profile is the profile of the server with the engine that was found, for requests to an API.
func (m *Maker) profile(api wire.API) *dsl.Server {
	out := *m.cell.Server
	out.API, out.Engine = api, m.server.Engine
	return &out
}

// local renders and counts prompts for a server that does not tokenise. A text is sent as it is; for messages the
// server is assumed to have the model's own template.
func (m *Maker) local(r Request) local {
	out := local{count: func(text string) (tokens.Count, error) {
		return m.templates.Count(m.cell.Model, text, m.counters)
	}}
	template := m.templates.Of(m.cell.Model)
	if template == nil {
		return out
	}
	profile := m.profile(m.cell.Server.API)
	profile.Body = r.Extra
	if r.Text != "" {
		profile.API = wire.Completions
	}
	out.render = func(messages []dsl.Message) (string, bool) {
		rendered, _, err := renderFor(template, profile, messages, r.Tools...)
		return rendered.String(), err == nil
	}
	return out
}

// placed moves system messages as the profile asks.
func (m *Maker) placed(template *model.Template, messages []dsl.Message) []dsl.Message {
	placement := model.SystemPlacement(m.cell.Server.Placement)
	if template == nil || placement == "" || placement == model.PlaceNative {
		return messages
	}
	return template.Place(messages, placement)
}
