package dsl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/engines"
	"homellm/engine/wire"
)

// Unkept returns the keys of a request that the server's API does not have. The server would ignore them.
func (s *Server) Unkept(r Sampling) []string {
	var keys []string
	if s == nil {
		return nil
	}
	api := cmp.Or(r.API, s.API)
	if r.IgnoreEOS != nil && *r.IgnoreEOS && (s.Capabilities.IgnoreEOS == "" || api.Lacks("ignore_eos")) {
		keys = append(keys, "ignore_eos")
	}
	if r.MinTokens != nil && *r.MinTokens > 0 && (s.Capabilities.MinTokens == "" || api.Lacks("min_tokens")) {
		keys = append(keys, "min_tokens")
	}
	engine := engines.Of(s.Engine)
	takes := func(key string) bool {
		_, ok := engine.Word(api, key)
		return ok
	}
	for _, key := range engines.Keys {
		n, asked := r.Numbers[key.Name]
		if asked && (!takes(key.Name) || tooSmall(engine, api, key.Name, n)) {
			keys = append(keys, key.Name)
		}
	}
	if r.Model != "" && !takes(engines.OtherModel) {
		keys = append(keys, engines.OtherModel)
	}
	for _, key := range r.worded() {
		if api.Lacks(key) || engine.Ignores(api, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// tooSmall reports whether the engine would refuse a thinking budget, which is then not sent.
func tooSmall(engine engines.Engine, api wire.API, key string, n float64) bool {
	return key == engines.ThinkingBudget && api == wire.Messages && int(n) < engine.LeastBudget
}

// worded returns those keys of a request that most APIs have and that change the reply. A seed changes nothing if the
// temperature is 0, and neither does tool_choice: auto.
func (r Sampling) worded() (keys []string) {
	for _, key := range []struct {
		name string
		has  bool
	}{
		{"seed", r.Seed != nil && (r.Temperature == nil || *r.Temperature > 0)},
		{"stop", len(r.Stop) > 0},
		{engines.ToolChoice, r.Chooses()},
		{engines.ResponseFormat, r.Format != nil},
	} {
		if key.has {
			keys = append(keys, key.name)
		}
	}
	return keys
}

// EveryKey returns a request with every key that some server does not support.
func EveryKey() Sampling {
	all := Sampling{IgnoreEOS: new(true), MinTokens: new(1), Model: "other", Seed: new(int64(1)), Stop: []string{"."},
		ToolChoice: wire.ChooseRequired, Format: &wire.Format{}, Numbers: map[string]float64{}}
	for _, key := range engines.Keys {
		all.Numbers[key.Name] = key.High
	}
	return all
}

// Unthinkable reports whether the cell's model has no setting for the thinking that a request asks for.
func (c *Cell) Unthinkable(r Sampling) bool {
	if r.Thinking == "" || c.Server == nil {
		return false
	}
	if c.Model == nil {
		return true
	}
	_, ok := c.Model.Thinking.Value(r.Thinking)
	return !ok
}

// able reports whether the cell's model can think as its requests ask, and takes the images that they show.
func (c *Cell) able() bool {
	if step, _ := firstShown(c.Scenario); step != nil && (c.Model.Images == nil || !*c.Model.Images) {
		return false
	}
	for _, conversation := range c.Scenario.Conversations {
		for _, step := range conversation.Steps {
			if c.Unthinkable(step.Request) {
				return false
			}
		}
	}
	return true
}

// modelName returns the name of the cell's model for use in a sentence.
func (c *Cell) modelName() string {
	if c.Model == nil {
		return "the model, which is not known,"
	}
	return "model " + c.Model.Name
}

// thinkingKey is the key that the model decides, not the server.
const thinkingKey = "thinking"

// UnkeptOf returns the keys of a request that the cell's server or its model does not support.
func (c *Cell) UnkeptOf(r Sampling) []string {
	keys := c.Server.Unkept(r)
	if c.Unthinkable(r) {
		keys = append(keys, thinkingKey)
	}
	return keys
}

// OtherModels returns the model names that requests of the cell ask for instead of its model.
func (c *Cell) OtherModels() []string {
	names, _ := c.collect(func(r Sampling) []string {
		if r.Model == "" {
			return nil
		}
		return []string{r.Model}
	})
	return names
}

// Unkept returns the keys of all the cell's requests that its server or its model does not support.
func (c *Cell) Unkept() []string {
	keys, _ := c.collect(c.UnkeptOf)
	return keys
}

// collect gathers keys from all requests of the cell, and returns the first step that has one.
func (c *Cell) collect(of func(Sampling) []string) (keys []string, first *Step) {
	for _, conversation := range c.Scenario.Conversations {
		for _, step := range conversation.Steps {
			for _, key := range of(step.Request) {
				if first == nil {
					first = step
				}
				if !slices.Contains(keys, key) {
					keys = append(keys, key)
				}
			}
		}
	}
	return keys, first
}

// WhyUnkept explains the effect of keys that the cell's server or model does not support.
func (c *Cell) WhyUnkept(keys []string) string {
	var why []string
	if slices.Contains(keys, thinkingKey) {
		why = append(why, "the models file has no setting for how "+c.modelName()+" is to think: it thinks as it does by "+
			"default")
		keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key == thinkingKey })
	}
	if len(keys) > 0 {
		it := "it"
		if len(keys) > 1 {
			it = "them"
		}
		why = append(why, "server "+c.Server.Name+" does not support "+strings.Join(keys, " and ")+
			": its replies are made without "+it)
	}
	return strings.Join(why, "; ")
}

// unkept warns of requests with keys that the server ignores.
func (p *planner) unkept(c *Cell) {
	keys, first := c.collect(c.Server.Unkept)
	if len(keys) == 0 {
		return
	}
	p.once(syntax.Diagnostic{Pos: first.Pos, Severity: syntax.Warning, Code: "plan/request",
		Message: c.WhyUnkept(keys) + ", and metrics that depend on this are unsupported",
		Help:    "leave it out, or play on an engine that knows it: homellm servers"})
}

// unthinkable warns about requests for thinking that the cell's model has no setting for.
func (p *planner) unthinkable(c *Cell) {
	how, first := c.collect(func(r Sampling) []string {
		if c.Unthinkable(r) {
			return []string{r.Thinking}
		}
		return nil
	})
	if len(how) == 0 {
		return
	}
	p.once(syntax.Diagnostic{Pos: first.Pos, Severity: syntax.Warning, Code: "plan/thinking",
		Message: fmt.Sprintf("the models file has no setting of %s for thinking: %s: requests are sent without it, and "+
			"metrics that depend on this are unsupported", c.modelName(), strings.Join(how, ", ")),
		Help: "describe `thinking:` of the model in a models file, or leave it out"})
}
