package dsl

import (
	"testing"

	"homellm/engine/wire"
)

func TestSampling_Disobeys(t *testing.T) {
	call := []wire.ToolCall{wire.Call("1", "list", "{}")}
	for _, tt := range []struct {
		choice, text string
		calls        []wire.ToolCall
		want         string
	}{
		{"", "Hi", nil, ""},
		{"auto", "Hi", nil, ""},
		{"required", "Hi", nil, "the reply calls no tool"},
		{"required", "", nil, ""}, // the reply was cut during reasoning
		{"required", "", call, ""},
		{"list", "Hi", call, ""},
		{"read_file", "", call, "the reply calls list"},
		{"read_file", "Hi", nil, "the reply calls no tool"},
		{"none", "Hi", nil, ""},
		{"none", "", call, "the reply calls list"},
	} {
		if got := (Sampling{ToolChoice: tt.choice}).Disobeys(tt.text, tt.calls); got != tt.want {
			t.Errorf("%q and %q with %d calls: %q, want %q", tt.choice, tt.text, len(tt.calls), got, tt.want)
		}
	}
}
