package dsl

import (
	"encoding/json"

	"homellm/dsl/syntax"
	"homellm/engine/text"
)

// checkRounds plays the recorded replies of a conversation with tools and reports where they do not fit its steps.
func (d *decoder) checkRounds(c *Conversation, steps []decodedStep) {
	h := c.Begin()
	h.Retrieve = undecided
	for _, s := range steps {
		if s.step.Do == nil {
			continue
		}
		n := 0
		err := s.step.Play(h, func(t Turn) (Reply, error) {
			r := Reply{Text: t.Reply, Calls: t.Calls}
			if n = t.N; t.Answer != nil && s.rounds != nil && n <= len(s.rounds.Replies) {
				d.checkCalls(h.tools, d.nthReply(s, n-1), r, t.Answer(r))
			}
			return r, nil
		})
		r := s.rounds
		if err != nil || r == nil || r.Replies == nil {
			continue
		}
		r.played = n
		switch at := firstOf(s.reply, s.node); {
		case n > len(r.Replies):
			d.errorf(at, "links/reply", "add one without calls", "step %q has no reply left after %d: its last calls are "+
				"answered and sent", s.step.ID, len(r.Replies))
		case n < len(r.Replies):
			d.errorf(d.nthReply(s, n), "links/reply", "remove it, or raise max_rounds where calls are to go on",
				"step %q makes %s, so this reply is never kept", s.step.ID, text.Plural(n, "request"))
		}
	}
}

// checkCalls warns about the calls of a recorded reply that cannot be answered, or that the parameters of their tools
// do not accept. They are no errors: a recorded model may have made such calls.
func (d *decoder) checkCalls(tools *toolbox, reply *syntax.Node, r Reply, a Answered) {
	for i, n := range d.list(reply, "tool_calls") {
		if i >= len(r.Calls) || i >= len(a.calls) {
			return
		}
		name, arguments := firstOf(d.get(n, "name"), n), firstOf(d.get(n, "arguments"), d.get(n, "name"), n)
		call, came := r.Calls[i], a.calls[i]
		tool := tools.tool(call.Function.Name)
		switch {
		case call.Function.Name == "": // the schema has reported it
		case tool == nil:
			var names []string
			for _, t := range tools.tools {
				names = append(names, t.Name)
			}
			d.warnf(name, "links/tool", syntax.SuggestOr(call.Function.Name, names, "tools"),
				"there is no tool %q: the call gets an error as its result", call.Function.Name)
		case !json.Valid([]byte(argumentsOf(call))):
			d.warnf(arguments, "links/tool", "write them as a mapping",
				"the arguments are no JSON: the call gets an error as its result")
		case !came.valid && tool.Parameters != nil:
			_, why, _ := tool.Parameters.Check(argumentsOf(call))
			d.warnf(arguments, "links/tool", "correct the call, or the parameters of the tool",
				"the parameters of %s do not accept these arguments: %s", tool.Name, why)
		case !came.matched:
			d.warnf(n, "links/tool", "add a result to the tool, or correct the call",
				"no result of %s answers this call: it gets an error as its result", tool.Name)
		}
	}
}

// nthReply returns the node of a recorded reply, for positions.
func (d *decoder) nthReply(s decodedStep, i int) *syntax.Node {
	if s.reply != nil && s.reply.Kind == syntax.ListKind && i < len(s.reply.Items) {
		return s.reply.Items[i]
	}
	return firstOf(s.reply, s.node)
}
