package dsl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/engines"
)

// Unkept are the keys of a request that the server's API does not have: it would ignore them, and answer as it does by
// itself.
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
	takes := func(key string) bool {
		_, ok := engines.Of(s.Engine).Word(api, key)
		return ok
	}
	for _, key := range engines.Keys {
		if _, asked := r.Numbers[key.Name]; asked && !takes(key.Name) {
			keys = append(keys, key.Name)
		}
	}
	if r.Model != "" && !takes(engines.OtherModel) {
		keys = append(keys, engines.OtherModel)
	}
	return keys
}

// Unthinkable reports whether the cell's model has no words for what a request says of thinking.
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

// able reports whether the cell's model thinks as its requests ask for, and takes the images that they show.
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

// modelName is the name of the cell's model, in a sentence.
func (c *Cell) modelName() string {
	if c.Model == nil {
		return "the model, which is not known,"
	}
	return "model " + c.Model.Name
}

// thinkingKey is the key that the model decides, not the server.
const thinkingKey = "thinking"

// UnkeptOf are the keys of a request that neither the cell's server nor its model have a word for.
func (c *Cell) UnkeptOf(r Sampling) []string {
	keys := c.Server.Unkept(r)
	if c.Unthinkable(r) {
		keys = append(keys, thinkingKey)
	}
	return keys
}

// OtherModels are the names that requests of the cell ask for in place of its model.
func (c *Cell) OtherModels() []string {
	names, _ := c.collect(func(r Sampling) []string {
		if r.Model == "" {
			return nil
		}
		return []string{r.Model}
	})
	return names
}

// Unkept are the keys of the cell's requests that its server's API or its model does not have.
func (c *Cell) Unkept() []string {
	keys, _ := c.collect(c.UnkeptOf)
	return keys
}

// collect gathers keys of all requests of the cell, and finds the first step with one.
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

// WhyUnkept explains the effect of keys that a cell's server or model does not have.
func (c *Cell) WhyUnkept(keys []string) string {
	var why []string
	if slices.Contains(keys, thinkingKey) {
		why = append(why, c.modelName()+" has no words for how it is to think, as far as the models file knows: it thinks "+
			"as it does by itself")
		keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key == thinkingKey })
	}
	if len(keys) > 0 {
		why = append(why, "server "+c.Server.Name+" has no word for "+strings.Join(keys, " and ")+
			": its replies are as the model makes them without")
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
		Message: c.WhyUnkept(keys) + ", and what rests on that is unsupported",
		Help:    "leave it out, or play on an engine that knows it: homellm servers"})
}

// unthinkable warns of requests for thinking that the cell's model has no words for.
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
		Message: fmt.Sprintf("%s has no thinking: %s, as far as the models file knows: it is not asked for it, and what "+
			"rests on it is unsupported", c.modelName(), strings.Join(how, ", ")),
		Help: "describe `thinking:` of the model in a models file, or leave it out"})
}
