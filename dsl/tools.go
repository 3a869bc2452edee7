package dsl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
	"homellm/schema"
)

// Tool is a tool that the model of a conversation may call: its declaration, and the results that answer its calls.
type Tool struct {
	Pos        syntax.Pos
	Name       string
	About      string               // its description for the model
	Parameters *schema.AnswerSchema // nil: it takes none
	Results    []*Result            // the first that matches answers a call
}

// Result is what a tool answers to a call.
type Result struct {
	Pos  syntax.Pos
	When string // an expression over args and call; empty: to every call
	Text string

	when *expr.Condition
}

// told returns the declarations of tools for a model.
func told(tools []*Tool) []wire.Tool {
	var out []wire.Tool
	for _, t := range tools {
		w := wire.Tool{Name: t.Name, Description: t.About}
		if t.Parameters != nil {
			if doc, err := json.Marshal(t.Parameters.Doc); err == nil { // it was read from a file, so it is plain
				w.Parameters = doc
			}
		}
		out = append(out, w)
	}
	return out
}

// Reply is the reply to a turn in the form that a history keeps.
type Reply struct {
	Text     string
	Thoughts string // what the model thought before it said that
	Calls    []wire.ToolCall

	results []string // of a plan: what the calls are answered with, whatever they say
}

// Answered says how the calls of a reply are answered.
type Answered struct {
	Valid     int    // calls of a tool that there is, with arguments that its parameters accept
	Unmatched int    // calls that no result answers
	Stopped   string // why no further request follows; empty: one does

	calls []answeredCall
}

// answeredCall is what one call comes to.
type answeredCall struct {
	result         string
	valid, matched bool
}

// Why a user message gets no further request.
const (
	stoppedAnswer = "answer"     // the reply calls nothing
	stoppedRounds = "max_rounds" // there were as many requests as there may be
	stoppedLoop   = "loop"       // the same call with the same result came too often
)

const (
	defaultRounds = 8
	mostAlike     = 3 // calls that say the same and get the same, for one user message
)

// toolbox answers the calls of one conversation.
type toolbox struct {
	tools []*Tool
	told  []wire.Tool
	calls map[string]int // of each tool so far
	ids   int            // given so far
}

// rounds are the requests of one user message.
type rounds struct {
	n     int            // so far
	most  int            // that there may be
	alike map[string]int // calls with their results
}

// answer finds what becomes of a reply's calls, and changes nothing.
func (b *toolbox) answer(r *rounds, reply Reply) Answered {
	var out Answered
	calls, alike := map[string]int{}, map[string]int{}
	loops := false
	for i, c := range reply.Calls {
		name := c.Function.Name
		calls[name]++
		text, valid, matched := b.result(c, b.calls[name]+calls[name])
		if i < len(reply.results) {
			text, valid, matched = reply.results[i], true, true
		}
		if valid {
			out.Valid++
		}
		if !matched {
			out.Unmatched++
		}
		out.calls = append(out.calls, answeredCall{text, valid, matched})
		key := same(c, text)
		alike[key]++
		loops = loops || r.alike[key]+alike[key] >= mostAlike
	}
	switch {
	case len(reply.Calls) == 0:
		out.Stopped = stoppedAnswer
	case loops:
		out.Stopped = stoppedLoop
	case r.n >= r.most:
		out.Stopped = stoppedRounds
	}
	return out
}

// same is equal for calls that say the same and get the same result.
func same(c wire.ToolCall, result string) string {
	arguments := c.Function.Arguments
	var v any
	if json.Unmarshal([]byte(arguments), &v) == nil {
		if plain, err := json.Marshal(v); err == nil {
			arguments = string(plain)
		}
	}
	return c.Function.Name + "\x00" + arguments + "\x00" + result
}

// result answers one call. N says which call of its tool it is.
func (b *toolbox) result(c wire.ToolCall, n int) (text string, valid, matched bool) {
	tool := b.tool(c.Function.Name)
	if tool == nil {
		return fmt.Sprintf("error: there is no tool %q", c.Function.Name), false, false
	}
	arguments := argumentsOf(c)
	var args any
	if err := json.Unmarshal([]byte(arguments), &args); err != nil {
		return "error: the arguments are not JSON", false, false
	}
	valid = true
	if tool.Parameters != nil {
		ok, _, err := tool.Parameters.Check(arguments)
		valid = ok && err == nil
	}
	call := expr.Call{Name: tool.Name, Arguments: args, Text: c.Function.Arguments, N: n}
	for _, r := range tool.Results {
		if r.When == "" || r.when != nil && r.when.Holds(call) {
			return r.Text, valid, true
		}
	}
	return fmt.Sprintf("error: %s has no result for these arguments", tool.Name), valid, false
}

// tool returns the tool of a name; nil if there is none.
func (b *toolbox) tool(name string) *Tool {
	i := slices.IndexFunc(b.tools, func(t *Tool) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return b.tools[i]
}

// argumentsOf returns the arguments of a call as JSON; a call without arguments has an empty object.
func argumentsOf(c wire.ToolCall) string {
	if strings.TrimSpace(c.Function.Arguments) == "" {
		return "{}"
	}
	return c.Function.Arguments
}

// longest is the tool with the longest result, and that result.
func (b *toolbox) longest() (tool *Tool, text string) {
	tool = b.tools[0]
	for _, t := range b.tools {
		for _, r := range t.Results {
			if len(r.Text) > len(text) {
				tool, text = t, r.Text
			}
		}
	}
	return tool, text
}
