package dsl

import (
	"cmp"
	"fmt"

	"homellm/dsl/syntax"
	"homellm/engine/engines"
	"homellm/engine/wire"
)

// refused is a request on an API that the cell's server does not serve.
type refused struct {
	step *Step
	api  wire.API
	why  string
	seen bool // this server was seen not to serve it; else only the table of engines says so, which may be out of date
}

// refusal returns the first request of a cell on an API that its server does not serve; nil: all are served, or it is
// not known.
func (p *planner) refusal(c *Cell) *refused {
	if c.Server == nil {
		return nil
	}
	served, _ := p.served(c)
	for _, conversation := range c.Scenario.Conversations {
		for _, step := range conversation.Steps {
			if step.Do == nil || step.Do.Turns() == 0 {
				continue
			}
			api := cmp.Or(step.Request.API, c.Server.API)
			table := engines.Of(c.Server.Engine).Refuses(api)
			why, looked := served.APIs[api]
			if !looked {
				why = table
			}
			if why != "" {
				return &refused{step, api, why, table == ""}
			}
		}
	}
	return nil
}

// unasked says why a cell cannot be played if its server was seen not to serve an API; empty if it can.
func (p *planner) unasked(c *Cell) string {
	r := p.refusal(c)
	if r == nil || !r.seen {
		return ""
	}
	return fmt.Sprintf("step %s asks by api: %s, which server %s does not serve: %s", r.step.ID, r.api, c.Server.Name,
		r.why)
}

// unserved warns about requests on an API that the engine of the cell's server is known not to serve. If the API comes
// from the profile, checking the profile warns instead.
func (p *planner) unserved(c *Cell) {
	r := p.refusal(c)
	if r == nil || r.seen || r.step.Request.API == "" {
		return
	}
	p.once(syntax.Diagnostic{Pos: r.step.Pos, Severity: syntax.Warning, Code: "plan/api",
		Message: "api: " + string(r.api) + " is not served by server " + c.Server.Name + ": " + r.why,
		Help:    "ask by an API that it serves, or another server: homellm servers names the APIs of each"})
}
