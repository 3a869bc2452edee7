package metrics

import (
	"homellm/engine/event"
)

// toolUse lists the metrics of tool calls and their results.
var toolUse = []Def{
	{Name: "tool_calls", wording: true, Unit: "calls", Kind: Int, Levels: turns, answer: true, Fold: Sum,
		Source: "server",
		Doc:    "tool calls that the model made", Formula: "calls of the reply, told apart by their numbers and names",
		each: func(_ *Cell, q *event.Request) (any, string) { return calls(q) }},
	{Name: "tool_calls_valid", Unit: "calls", Kind: Int, Better: +1, Levels: turns, answer: true, Fold: Sum,
		Source: "client",
		Doc:    "tool calls that can be answered as they are: the tool exists, and its parameters accept the arguments",
		Formula: "calls with the name of a tool of the conversation and arguments that are JSON and meet the schema of " +
			"its parameters",
		each: func(_ *Cell, q *event.Request) (any, string) {
			return ofAnswered(q, func(a *event.Answered) int { return a.Valid })
		}},
	{Name: "tool_calls_unmatched", Unit: "calls", Kind: Int, Better: -1, Levels: turns, answer: true, Fold: Sum,
		Source: "client",
		Doc:    "tool calls that no result of the scenario answers",
		Formula: "calls for which no result's condition holds, calls of an unknown tool, and calls whose arguments are " +
			"not JSON",
		each: func(_ *Cell, q *event.Request) (any, string) {
			return ofAnswered(q, func(a *event.Answered) int { return a.Unmatched })
		}},
	{Name: "rounds", Unit: "requests", Kind: Int, Levels: turns, Fold: Max, anyway: true, Source: "client",
		Doc:     "requests for one user message: a reply, the results of its calls, another reply",
		Formula: "of a turn: which request of its user message it is, from 1; of several turns: the most",
		each: func(_ *Cell, q *event.Request) (any, string) {
			return max(q.Round, 1), "" // without tools every user message has one
		}},
	{Name: "stopped", Kind: String, Levels: turns, Fold: Last, Source: "client",
		Doc: "why a user message got no further request: answer, max_rounds, or loop",
		Formula: "answer: the reply that the history keeps calls nothing; loop: it makes a call that got the same result " +
			"twice before; max_rounds: there were as many requests as there may be; of several turns: that of the last",
		each: func(_ *Cell, q *event.Request) (any, string) {
			switch n, why := calls(q); {
			case q.Answered != nil && q.Answered.Stopped != "":
				return q.Answered.Stopped, ""
			case q.Answered != nil:
				return nil, "the calls of the reply were answered, and the conversation went on"
			case why != "":
				return nil, why
			case n == 0:
				return "answer", ""
			}
			return nil, "the reply calls a tool, and the conversation has none"
		}},
	{Name: "time_to_tool_call_ms", Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean,
		first: true, FromSending: true, Source: "client",
		Doc:     "time until the first tool call is complete: when an agent can begin to run it",
		Formula: "arrival of the last piece of the first call - sent",
		each: func(_ *Cell, q *event.Request) (any, string) {
			switch {
			case len(q.Calls) == 0:
				return nil, "the reply calls no tool"
			case q.FirstCall == nil:
				return nil, noStream
			}
			return since(q.Sent, *q.FirstCall)
		}},
	{Name: "thinking_ms", wording: true, Unit: "ms", Kind: Float, Better: -1, Levels: turns, answer: true, Fold: Mean,
		Source: "client",
		Doc: "how long the model thought, if that is visible: from the first text of its reasoning to the first text " +
			"after it",
		Formula: "arrival of the first delta behind the reasoning that is not reasoning - first delta of reasoning; 0 of a " +
			"streamed reply without reasoning; unknown where the server counts reasoning that it does not show, and of a " +
			"reply that ended in it",
		each: thinking},
}

// calls is how many tools a reply calls.
func calls(q *event.Request) (v any, why string) {
	if q.Calls == nil && q.Tools != "" {
		return nil, "the journal was written by a version that did not distinguish calls"
	}
	return len(q.Calls), ""
}

// ofAnswered counts calls of a conversation with tools.
func ofAnswered(q *event.Request, of func(*event.Answered) int) (v any, why string) {
	if q.Answered != nil {
		return of(q.Answered), ""
	}
	n, why := calls(q)
	switch {
	case why != "":
		return nil, why
	case n == 0:
		return 0, ""
	}
	return nil, "the conversation has no tools, so that nothing is known of a call"
}

// thinking is how long the reasoning of a reply took.
func thinking(_ *Cell, q *event.Request) (v any, why string) {
	if !streamed(q) {
		return nil, noStream
	}
	from := -1
	for i, c := range q.Chunks {
		switch {
		case c.Channel == event.Reasoning && from < 0:
			from = i
		case c.Channel != event.Reasoning && from >= 0:
			return event.Milliseconds(c.At - q.Chunks[from].At), ""
		}
	}
	switch {
	case from >= 0:
		return nil, "the reply ended in its reasoning"
	case q.Usage.Reasoning != nil && *q.Usage.Reasoning > 0:
		return nil, "the server counts reasoning that it does not show"
	}
	return 0.0, ""
}
