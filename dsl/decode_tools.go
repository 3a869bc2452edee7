package dsl

import (
	"slices"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// tools reads the tools of a conversation.
func (d *decoder) tools(n *syntax.Node) []*Tool {
	var out []*Tool
	seen := map[string]*syntax.Node{}
	for _, item := range d.list(n, "tools") {
		t := &Tool{Pos: d.src.Pos(item), Name: d.str(item, "name"), About: d.str(item, "description")}
		if first := seen[t.Name]; first != nil && t.Name != "" {
			d.errorf(d.get(item, "name"), "links/duplicate", "give one of the two another name",
				"tool %q is already declared on line %d", t.Name, first.Line)
		}
		seen[t.Name] = item
		var parameters any
		if p := d.get(item, "parameters"); p != nil && p.Kind == syntax.MapKind {
			parameters = p.Plain()
			t.Parameters = d.answerSchema(p)
			if of := d.get(p, "type"); of.Text() != "" && of.Text() != "object" && t.Parameters != nil {
				d.errorf(of, "links/tool", "write type: object, with the arguments as its properties",
					"the parameters of a tool are an object, and this one takes %s", of.Text())
			}
		}
		all := false
		for _, r := range d.list(item, "results") {
			if all {
				d.errorf(r, "links/tool", "move it before the one that has no when",
					"the result before this one answers every call")
			}
			result := d.result(r, parameters)
			t.Results, all = append(t.Results, result), d.get(r, "when") == nil
		}
		out = append(out, t)
	}
	return out
}

// result reads one result of a tool.
func (d *decoder) result(n *syntax.Node, parameters any) *Result {
	r := &Result{Pos: d.src.Pos(n), Text: d.str(n, "text")}
	if file := d.get(n, "file"); file != nil {
		r.Text = d.readDocument("result", file)
	}
	when := d.get(n, "when")
	if when == nil {
		return r
	}
	r.When = strings.TrimSpace(when.Text())
	if when.Text() != "" && d.compile != nil {
		var found syntax.Diagnostics
		r.when, found = expr.CompileCondition(when, parameters)
		d.diags = append(d.diags, found...)
	}
	return r
}

// rounds reads a step's settings for rounds of tool calls; nil if the conversation has no tools.
func (d *decoder) rounds(n *syntax.Node, c *Conversation) *Rounds {
	most, replies := d.integer(n, "max_rounds", defaultRounds), d.replies(n)
	if len(c.Tools) > 0 {
		r := &Rounds{Most: most}
		if c.History == Recorded {
			r.Replies = replies
		}
		return r
	}
	if d.get(n, "max_rounds") != nil {
		d.errorKey(n, "max_rounds", "links/tool", "give the conversation tools, or remove it",
			"without tools every user message has one request")
	}
	if i := slices.IndexFunc(replies, func(r Reply) bool { return r.Calls != nil }); i >= 0 {
		d.errorf(d.nthReply(decodedStep{node: n, reply: d.get(n, "reply")}, i), "links/tool",
			"declare `tools:` in the conversation, or write a text", "this reply calls a tool, and the conversation has none")
	}
	return nil
}

// replies reads the recorded replies of a step with tools: texts, and mappings with calls.
func (d *decoder) replies(n *syntax.Node) []Reply {
	var out []Reply
	for _, item := range d.list(n, "reply") {
		if item.Kind == syntax.StringKind {
			out = append(out, Reply{Text: item.Text()})
			continue
		}
		r := Reply{Text: d.str(item, "text")}
		for _, c := range d.list(item, "tool_calls") {
			arguments := "{}"
			switch a := d.get(c, "arguments"); {
			case a == nil:
			case a.Kind == syntax.StringKind:
				arguments = a.Text()
			default:
				arguments = compact(a.Plain())
			}
			r.Calls = append(r.Calls, wire.Call("", d.str(c, "name"), arguments))
		}
		out = append(out, r)
	}
	return out
}
