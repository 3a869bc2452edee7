package dsl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
)

// repeated sets the number of repeats that the options ask for.
func (p *planner) repeated(s *Scenario) {
	if s.Run.Duration > 0 {
		p.once(syntax.Diagnostic{Pos: s.Pos, Severity: syntax.Error, Code: "plan/repeats",
			Message: fmt.Sprintf("--repeats %d: the scenario is played for %v, and its %d windows are its repeats",
				p.opt.Repeats, s.Run.Duration, Windows), Help: "leave --repeats out"})
		return
	}
	s.Run.Repeats = p.opt.Repeats
}

// isolation checks the isolation again if the options change the number of repeats.
func (p *planner) isolation(s *Scenario) {
	r := s.Run
	if p.opt.Repeats > 1 && r.Cache == NotIsolated && !r.AllowStale {
		p.fail("plan/isolation", "isolate with run.isolation.cache: salt, or say allow_contaminated: true",
			"--repeats %d: without isolation every pass after the first finds the cache of the one before", r.Repeats)
	}
}

// selectConversations keeps the conversations that the options select.
func (p *planner) selectConversations(s *Scenario) {
	include, exclude := splitTags(p.opt.IncludeTags), splitTags(p.opt.ExcludeTags)
	known := map[string]bool{}
	for _, c := range s.Conversations {
		for _, t := range c.Tags {
			known[t] = true
		}
	}
	for _, t := range slices.Concat(include, exclude) {
		if !known[t] {
			p.fail("plan/tag", cmp.Or(syntax.SuggestOr(t, keys(known), "known tags"), "no conversation has tags"),
				"no conversation has the tag %q", t)
		}
	}
	kept, last := 0, ""
	p.keep(s, func(c *Conversation) bool {
		if c.Item != nil && c.ID == last {
			return true // as for the item before
		}
		has := func(t string) bool { return slices.Contains(c.Tags, t) }
		wanted := (len(include) == 0 || slices.ContainsFunc(include, has)) && !slices.ContainsFunc(exclude, has) &&
			(p.opt.MaxConversations <= 0 || kept < p.opt.MaxConversations)
		if wanted {
			kept++
			last = c.ID
		}
		return wanted
	})
	if kept == 0 {
		p.fail("plan/tag", "known tags: "+strings.Join(keys(known), ", "), "no conversation is left to play")
	}
}

// splitTags accepts `--tags a,b` as well as `--tags a --tags b`.
func splitTags(list []string) []string {
	var out []string
	for _, item := range list {
		for t := range strings.SplitSeq(item, ",") {
			if t = strings.TrimSpace(t); t != "" {
				out = append(out, t)
			}
		}
	}
	return out
}

// cell makes the cell of one combination.
func (p *planner) cell(axes []expr.Axis, in decoded) *Cell {
	c := &Cell{Values: in.values, Scenario: in.scenario}
	for _, a := range axes {
		c.Labels = append(c.Labels, Label{a.Name, a.Title(in.values[a.Name])})
	}
	if name, ok := in.values[serverAxis].(string); ok {
		if c.Server = p.lib.Server(name); c.Server != nil {
			c.Server, _, _ = c.Server.With(in.chosen) // the choice has been checked
		}
	}
	if name, ok := in.values[modelAxis].(string); ok {
		if c.Model = p.lib.Model(name); c.Model == nil {
			c.Model = &Model{Name: name}
		}
	} else if c.Server != nil {
		p.ownModel(c)
	}
	if c.Server != nil {
		c.Labels = append(c.Labels, c.Server.Chosen...)
	}
	p.synthesize(c)
	p.cut(c)
	return c
}

// finish gives a cell its identity, and its turns or the reason to skip it.
func (p *planner) finish(c *Cell) {
	c.ID = digest(c.Scenario, c.Server, c.Model, c.Labels)[:12]
	c.Does = does(c.Scenario)
	p.fit(c)
	p.unserved(c)
	p.unkept(c)
	p.unthinkable(c)
}

// ownModel gives a cell without a model the first one in its profile's list that can do what the requests ask for; if
// none can, the first.
func (p *planner) ownModel(c *Cell) {
	var known []*Model
	for _, name := range c.Server.Models {
		if m := p.lib.Model(name); m != nil {
			known = append(known, m)
		}
	}
	able := slices.IndexFunc(known, func(m *Model) bool {
		return !slices.ContainsFunc(p.scenarios, func(s *Scenario) bool {
			return !(&Cell{Scenario: s, Server: c.Server, Model: m}).able()
		})
	})
	for i, m := range known {
		if i == max(able, 0) {
			c.Model = m
			// The label lets results of different models be compared by name.
			at := slices.IndexFunc(c.Labels, func(l Label) bool { return l.Name == serverAxis }) + 1
			c.Labels = slices.Insert(c.Labels, at, Label{modelAxis, m.Name})
			return
		}
	}
}

// synthesize writes the synthetic documents, and the blocks of traces.
func (p *planner) synthesize(c *Cell) {
	for _, doc := range c.Scenario.Documents {
		if doc.Source == "synthetic" {
			doc.Text = p.synthetic(c.Model, doc.Seed, doc.Tokens)
		}
	}
	for _, conversation := range c.Scenario.Conversations {
		for _, block := range conversation.Given.blocks() {
			block.Text = p.synthetic(c.Model, block.Seed, block.Tokens)
		}
	}
}
