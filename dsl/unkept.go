package dsl

import (
	"slices"
	"strings"

	"homellm/dsl/syntax"
)

// Unkept are the keys of a request that decide the length of its reply and that the server's API does not have: it
// would ignore them, and end its replies as it likes.
func (s *Server) Unkept(r Sampling) []string {
	var keys []string
	if s == nil {
		return nil
	}
	if r.IgnoreEOS != nil && *r.IgnoreEOS && s.Capabilities.IgnoreEOS == "" {
		keys = append(keys, "ignore_eos")
	}
	if r.MinTokens != nil && *r.MinTokens > 0 && s.Capabilities.MinTokens == "" {
		keys = append(keys, "min_tokens")
	}
	return keys
}

// Unkept are the keys of the cell's requests that its server's API does not have, and the first step with one.
func (c *Cell) Unkept() (keys []string, first *Step) {
	for _, conversation := range c.Scenario.Conversations {
		for _, step := range conversation.Steps {
			for _, key := range c.Server.Unkept(step.Request) {
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

// WhyUnkept explains the effect of keys that a server does not have.
func (s *Server) WhyUnkept(keys []string) string {
	return "server " + s.Name + " has no word for " + strings.Join(keys, " and ") +
		": its replies are as long as the model makes them"
}

// unkept warns of requests with keys that the server ignores.
func (p *planner) unkept(c *Cell) {
	keys, first := c.Unkept()
	if len(keys) == 0 {
		return
	}
	p.once(syntax.Diagnostic{Pos: first.Pos, Severity: syntax.Warning, Code: "plan/request",
		Message: c.Server.WhyUnkept(keys) + ", and what rests on their length is unsupported",
		Help:    "leave it out, or play on an engine that knows it: homellm servers"})
}
