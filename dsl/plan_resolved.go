package dsl

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"

	"homellm/engine/wire"
)

// resolved is one cell with every default filled in. It never holds keys, only where they are read.
type resolved struct {
	Cell          string                 `json:"cell"`
	ID            string                 `json:"id"`
	Server        *resolvedServer        `json:"server"`
	Model         *resolvedModel         `json:"model"`
	Run           resolvedRun            `json:"run"`
	Conversations []resolvedConversation `json:"conversations"`
}

type resolvedServer struct {
	Name          string            `json:"name"`
	Engine        string            `json:"engine"`
	Attach        string            `json:"attach,omitempty"`
	Argv          []string          `json:"argv,omitempty"` // with ${…}, which the start fills in
	Environment   []string          `json:"environment,omitempty"`
	APIKey        map[string]string `json:"api_key,omitempty"`
	BasePath      string            `json:"base_path"`
	API           wire.API          `json:"api"`
	Placement     string            `json:"system_placement"`
	Tags          string            `json:"reasoning_tags,omitempty"` // only the value none
	ContextTokens int               `json:"context_tokens,omitempty"`
	Timeouts      map[string]string `json:"timeouts"`
	Body          map[string]any    `json:"body,omitempty"`
	CacheReport   string            `json:"cache_report"`
	NullMeans     string            `json:"null_means,omitempty"`
	BlockTokens   int               `json:"block_tokens,omitempty"`
	Capabilities  []string          `json:"capabilities"`
}

type resolvedModel struct {
	Name     string            `json:"name"`
	Template string            `json:"template,omitempty"`
	Trained  int               `json:"context_trained,omitempty"`
	Extended int               `json:"context_extended,omitempty"`
	Engines  map[string]string `json:"engines,omitempty"` // each engine's name for it
}

type resolvedRun struct {
	Repeats     int     `json:"repeats"`
	Warmup      int     `json:"warmup"`
	Order       Order   `json:"order"`
	Cooldown    string  `json:"cooldown"`
	Play        Play    `json:"play,omitempty"`
	Users       int     `json:"users,omitempty"`
	Think       string  `json:"think_time,omitempty"`
	Ramp        string  `json:"ramp,omitempty"`
	Duration    string  `json:"duration,omitempty"`
	Cache       string  `json:"isolation_cache"`
	Scope       string  `json:"isolation_scope"`
	ErrorBudget float64 `json:"error_budget"`
}

type resolvedConversation struct {
	ID      string         `json:"id"`
	Items   int            `json:"items,omitempty"` // of its data set, which are played
	History HistoryMode    `json:"history"`
	Steps   []resolvedStep `json:"steps"`
}

type resolvedStep struct {
	ID      string         `json:"id"`
	Action  string         `json:"action"`
	Turns   int            `json:"turns"`
	Timeout string         `json:"timeout"`
	Request map[string]any `json:"request"`
}

// resolved returns the cells of the plan with every default filled in.
func (p *Plan) resolved() []resolved {
	out := make([]resolved, len(p.Cells))
	for i, c := range p.Cells {
		r := c.Scenario.Run
		out[i] = resolved{
			Cell: c.String(), ID: c.ID, Server: resolveServer(c.Server), Model: resolveModel(c.Model),
			Run: resolveRun(r),
		}
		for n, conversation := range c.Scenario.Conversations {
			if c.Scenario.Again(n) {
				continue
			}
			rc := resolvedConversation{ID: conversation.ID, Items: conversation.Items, History: conversation.History}
			for _, s := range conversation.Steps {
				rc.Steps = append(rc.Steps, resolvedStep{s.ID, s.Action, s.Do.Turns(), s.Timeout.String(), s.Request.keys()})
			}
			out[i].Conversations = append(out[i].Conversations, rc)
		}
	}
	return out
}

func resolveRun(r Run) resolvedRun {
	out := resolvedRun{Repeats: r.Repeats, Warmup: r.Warmup, Order: r.Order, Cooldown: r.Cooldown.String(), Play: r.Play,
		Users: r.Users, Cache: string(r.Cache), Scope: string(r.Scope), ErrorBudget: r.ErrorBudget}
	if r.Think != (Think{}) {
		out.Think = r.Think.String()
	}
	if r.Ramp > 0 {
		out.Ramp = r.Ramp.String()
	}
	if r.Duration > 0 {
		out.Duration = r.Duration.String()
	}
	return out
}

// WriteResolved prints the cells of the plan with every default filled in, as YAML.
func (p *Plan) WriteResolved(w io.Writer) error {
	data, err := json.Marshal(p.resolved())
	if err != nil {
		return fmt.Errorf("resolving the plan: %w", err)
	}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		return fmt.Errorf("resolving the plan: %w", err)
	}
	_, err = w.Write(text)
	return err
}

func resolveServer(s *Server) *resolvedServer {
	if s == nil {
		return nil
	}
	out := &resolvedServer{
		Name: s.Name, Engine: s.Engine, Attach: s.Attach, BasePath: s.BasePath, API: s.API, Placement: s.Placement,
		Tags:          s.ReasoningTags,
		ContextTokens: s.ContextTokens, Body: s.Body,
		Timeouts: map[string]string{
			"connect": s.HTTP.Connect.String(), "first_token": s.HTTP.FirstToken.String(), "idle": s.HTTP.Idle.String(),
		},
		CacheReport: s.Capabilities.CacheReport.Source, NullMeans: s.Capabilities.CacheReport.NullMeans,
		BlockTokens: s.Capabilities.BlockTokens, Capabilities: s.Capabilities.abilities(),
	}
	if s.Launch != nil {
		out.Argv, out.Environment = s.Launch.argv(nil), s.Launch.Environ(nil)
		out.Timeouts["startup"], out.Timeouts["stop"] = s.Startup.Timeout.String(), s.Stop.Grace.String()
	}
	if s.APIKey != (Secret{}) {
		out.APIKey = map[string]string{}
		if s.APIKey.Env != "" {
			out.APIKey["env"] = s.APIKey.Env
		}
		if s.APIKey.File != "" {
			out.APIKey["file"] = s.APIKey.File
		}
	}
	return out
}

func resolveModel(m *Model) *resolvedModel {
	if m == nil {
		return nil
	}
	out := &resolvedModel{Name: m.Name, Template: m.Template, Trained: m.Context.Trained, Extended: m.Context.Extended}
	for engine, e := range m.Engines {
		if out.Engines == nil {
			out.Engines = map[string]string{}
		}
		out.Engines[engine] = e.Ref
		if e.ServedName != "" {
			out.Engines[engine] = e.ServedName
		}
	}
	return out
}

// keys are the keys that a request sends.
func (s Sampling) keys() map[string]any {
	out := map[string]any{"max_tokens": s.MaxTokens}
	put := func(key string, set bool, v any) {
		if set {
			out[key] = v
		}
	}
	put("temperature", s.Temperature != nil, s.Temperature)
	put("top_p", s.TopP != nil, s.TopP)
	put("seed", s.Seed != nil, s.Seed)
	put("stop", len(s.Stop) > 0, s.Stop)
	put("ignore_eos", s.IgnoreEOS != nil, s.IgnoreEOS)
	put("min_tokens", s.MinTokens != nil, s.MinTokens)
	put("api", s.API != "", s.API)
	put("thinking", s.Thinking != "", s.Thinking)
	put("tool_choice", s.ToolChoice != "", s.ToolChoice)
	put("model", s.Model != "", s.Model)
	for key, v := range s.Numbers {
		out[key] = v
	}
	if s.Format != nil {
		out["response_format"] = s.Format.Name
	}
	return out
}
