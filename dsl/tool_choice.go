package dsl

import (
	"slices"
	"strings"

	"homellm/engine/wire"
)

// Chooses reports whether the request says which tools the model must call, or that it must call none.
func (r Sampling) Chooses() bool { return r.ToolChoice != "" && r.ToolChoice != wire.ChooseAuto }

// Disobeys says how a reply ignores the request's tool_choice; empty if it does not. A reply without text or calls
// ended too early to tell.
func (r Sampling) Disobeys(text string, calls []wire.ToolCall) string {
	names := make([]string, len(calls))
	for i, c := range calls {
		names[i] = c.Function.Name
	}
	switch {
	case !r.Chooses() || text == "" && len(calls) == 0:
	case r.ToolChoice == wire.ChooseNone && len(calls) > 0:
		return "the reply calls " + strings.Join(names, ", ")
	case r.ToolChoice == wire.ChooseNone:
	case len(calls) == 0:
		return "the reply calls no tool"
	case r.ToolChoice != wire.ChooseRequired && !slices.Contains(names, r.ToolChoice):
		return "the reply calls " + strings.Join(names, ", ")
	}
	return ""
}
