package model

import (
	"testing"

	"homellm/engine/wire"
)

// The filter pprint of templates writes JSON, in the order of keys: what it calls is our stand-in.
func TestPprint(t *testing.T) {
	render, err := Parse("p", Spec{Jinja: `{{ messages[0].tool_calls[0].function.arguments|pprint }}`})
	if err != nil {
		t.Fatal(err)
	}
	call := wire.Call("1", "look", `{"b": [1], "a": "x"}`)
	got, err := render([]Message{{Role: "assistant", ToolCalls: []wire.ToolCall{call}}}, Options{})
	if want := "{\n  \"a\": \"x\",\n  \"b\": [\n    1\n  ]\n}"; err != nil || got.Text != want {
		t.Errorf("%q, %v, want %q", got.Text, err, want)
	}
}
