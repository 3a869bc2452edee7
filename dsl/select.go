package dsl

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// LoadAll plans the scenarios of several files for one command. Tags, the given context and the number of
// conversations apply to all of them together: what these options exclude is neither an error nor skipped, and a file
// with nothing left has no plan. The error lists what prevents every file from being played.
func LoadAll(list []File, lib *Library, v expr.Vocabulary, opt Options) ([]*Plan, []LeftOut, syntax.Diagnostics) {
	s := newSelection(opt)
	var plans []*Plan
	var all syntax.Diagnostics
	for _, f := range list {
		p := newPlanner(f, lib, v, opt)
		p.selection = s
		p.load(f)
		diags := p.diags.Sorted()
		all = append(all, diags...)
		if !diags.Errors() && len(p.plan.Cells) > 0 {
			p.plan.Warnings = diags
			plans = append(plans, p.plan)
		}
	}
	return plans, s.out, append(all, s.check(all.Errors())...)
}

// CheckAll finds problems of several scenarios that do not depend on the server.
func CheckAll(list []File, lib *Library, v expr.Vocabulary, opt Options) (all syntax.Diagnostics) {
	s := newSelection(opt)
	for _, f := range list {
		p := newPlanner(f, lib, v, opt)
		p.selection = s
		if _, cells, ok := p.read(f); ok {
			s.kept += len(cells[0].scenario.Conversations)
		}
		all = append(all, p.diags.Sorted()...)
	}
	return append(all, s.check(all.Errors())...)
}

func newSelection(opt Options) *selection {
	return &selection{include: splitTags(opt.IncludeTags), exclude: splitTags(opt.ExcludeTags), most: opt.MaxConversations,
		known: map[string]bool{}}
}

// check reports tags that no conversation has: they are misspelt. The rest is played.
func (s *selection) check(failed bool) (diags syntax.Diagnostics) {
	if failed {
		return nil
	}
	for _, t := range slices.Concat(s.include, s.exclude) {
		if s.known[t] {
			continue
		}
		severity, flag := syntax.Warning, "--include-tags"
		if slices.Contains(s.exclude, t) {
			severity, flag = syntax.Error, "--exclude-tags"
		}
		if s.kept == 0 {
			severity = syntax.Error
		}
		diags = append(diags, syntax.Diagnostic{Pos: syntax.Pos{File: flag}, Severity: severity, Code: "plan/tag",
			Message: fmt.Sprintf("no conversation has the tag %q", t),
			Help:    cmp.Or(syntax.SuggestOr(t, keys(s.known), "known tags"), "no conversation has tags")})
	}
	tagged := !slices.ContainsFunc(s.out, func(l LeftOut) bool { return l.Context })
	if s.kept == 0 && len(s.out) > 0 && tagged && len(diags) == 0 {
		diags = append(diags, syntax.Diagnostic{Pos: syntax.Pos{File: "tags"}, Severity: syntax.Error, Code: "plan/tag",
			Message: "no conversation is left to play", Help: "known tags: " + strings.Join(keys(s.known), ", ")})
	}
	return diags
}

// byTags says why tags exclude a conversation; empty: they do not.
func (s *selection) byTags(c *Conversation) string {
	for _, t := range c.Tags {
		s.known[t] = true
	}
	for _, t := range s.exclude {
		if slices.Contains(c.Tags, t) {
			return fmt.Sprintf("tag %q of --exclude-tags", t)
		}
	}
	if len(s.include) > 0 && !slices.ContainsFunc(s.include, func(t string) bool { return slices.Contains(c.Tags, t) }) {
		return "no tag of --include-tags " + strings.Join(s.include, ",")
	}
	return ""
}

// selectTags keeps the conversations that tags select, in every cell.
func (p *planner) selectTags(cells []decoded) {
	for i, in := range cells {
		p.keep(in.scenario, func(c *Conversation) bool {
			why := p.selection.byTags(c)
			if why != "" && i == 0 {
				p.leave(LeftOut{Conversation: c, Reason: why})
			}
			return why == ""
		})
	}
}

// selectFitting keeps the conversations that fit the given context, up to the number that may still be played.
func (p *planner) selectFitting(cells []*Cell) {
	for _, c := range cells {
		p.fitGiven(c, len(cells) > 1)
	}
	allowed := map[string]bool{}
	for _, c := range cells {
		p.keep(c.Scenario, func(conversation *Conversation) bool {
			may, asked := allowed[conversation.ID]
			if !asked {
				may = p.selection.most == 0 || p.selection.kept < p.selection.most
				allowed[conversation.ID] = may
				if may {
					p.selection.kept++
				} else {
					p.leave(LeftOut{Conversation: conversation, Reason: fmt.Sprintf("--max-conversations %d", p.selection.most)})
				}
			}
			return may
		})
	}
}

// fitGiven keeps the conversations of a cell that fit the given context.
func (p *planner) fitGiven(c *Cell, several bool) {
	given := p.opt.ContextSize
	if given == 0 || p.mismatch(c) != "" {
		return
	}
	turns, err := p.walk(c)
	if err != nil {
		return // the cell is skipped, with the reason
	}
	const by = "--context-size gives"
	misfits := map[string]string{} // why conversations do not fit, by their ids: that of a data set has many
	p.keep(c.Scenario, func(conversation *Conversation) bool {
		if why, judged := misfits[conversation.ID]; judged {
			return why == ""
		}
		own := ofFirstUser(turns, conversation.ID)
		why := overflow(own, given, by)
		if need := c.Scenario.Requires.ContextTokens; why == "" && need > given {
			why = fmt.Sprintf("the scenario requires a context of %s tokens, and %s %s", thousands(need), by, thousands(given))
		}
		misfits[conversation.ID] = why
		if why == "" {
			return true
		}
		out := LeftOut{Conversation: conversation, Reason: why, Context: true, Turns: len(own),
			Tokens: (&Cell{Turns: own}).Size(conversation.ID)}
		if several {
			out.Cell = c.String()
		}
		p.leave(out)
		return false
	})
}

func (p *planner) leave(l LeftOut) {
	l.Scenario = p.plan.Name
	same := func(o LeftOut) bool { return o.String() == l.String() && o.Reason == l.Reason }
	if l.Conversation.Item != nil && slices.ContainsFunc(p.selection.out, same) {
		return // for another item
	}
	p.selection.out = append(p.selection.out, l)
}

// keep keeps some conversations of a scenario, and the assertions that do not read the others.
func (p *planner) keep(s *Scenario, wanted func(*Conversation) bool) {
	// steps that are not played, with their conversation
	gone := map[figure.Part]map[string]string{figure.StepPart: {}, figure.ConversationPart: {}}
	scores := map[string]string{} // assertions that are not judged, with their conversation
	s.Conversations = slices.DeleteFunc(slices.Clone(s.Conversations), func(c *Conversation) bool {
		if wanted(c) {
			return false
		}
		gone[figure.ConversationPart][c.ID] = c.ID
		for _, step := range c.Steps {
			gone[figure.StepPart][step.ID] = c.ID
		}
		for _, a := range c.scored() {
			scores[a.Name] = c.ID
		}
		return true
	})
	if len(s.Conversations) == 0 {
		return // nothing of it is judged
	}
	s.Assert = slices.DeleteFunc(s.Assert, func(a *expr.Assertion) bool {
		for _, path := range a.Paths() {
			name, ok := figure.Parse(a.Scope, path)
			if !ok {
				continue
			}
			id, ok := gone[name.Part][name.ID]
			if score, scored := figure.CutScore(path); scored {
				id, ok = scores[score]
			}
			if ok {
				p.warn("plan/selection", "", "%s is not judged: conversation %q is not played", a.Name, id)
				return true
			}
		}
		return false
	})
}

// WriteLeftOut prints once per reason what it excludes, on one line each.
func WriteLeftOut(w io.Writer, prefix string, out []LeftOut) error {
	var reasons []string
	names := map[string][]string{}
	for _, l := range out {
		reasons = remember(reasons, l.Reason)
		names[l.Reason] = append(names[l.Reason], l.String())
	}
	for _, why := range reasons {
		if _, err := fmt.Fprintf(w, "%sleft out, %s: %s\n", prefix, why, strings.Join(names[why], ", ")); err != nil {
			return err
		}
	}
	return nil
}
