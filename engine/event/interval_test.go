package event

import (
	"encoding/json"
	"math"
	"testing"
)

func TestRangeIsReadAsItWasWritten(t *testing.T) {
	for text, want := range map[string]Range{
		`{"low":0.25,"high":0.5}`: {0.25, 0.5},
		`{"low":0,"high":null}`:   {0, math.Inf(1)},
		`{"low":null,"high":-1}`:  {math.Inf(-1), -1},
	} {
		data, err := json.Marshal(want)
		if err != nil || string(data) != text {
			t.Errorf("%v is written %s (%v), want %s", want, data, err, text)
		}
		var got Range
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s is read as %v (%v), want %v", text, got, err, want)
		}
	}
}
