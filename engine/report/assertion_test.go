package report

import (
	"math"
	"testing"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

func TestOperandsAreShownAsFarAsTheyAreKnown(t *testing.T) {
	between := func(low, high float64) *event.Range { return &event.Range{Low: low, High: high} }
	for _, c := range []struct {
		of   event.Operand
		want string
	}{
		{event.Operand{Value: 0.34, Unit: "ratio"}, "0.34"},
		{event.Operand{Range: between(0.34, 0.55), Unit: "ratio", Why: "1 of 2"}, "0.34-0.55"},
		{event.Operand{Range: between(110, math.Inf(1)), Unit: "ms", Why: "1 of 2"}, "≥ 110 ms"},
		{event.Operand{Range: between(110, 120), Unit: "ms", Why: "1 of 2"}, "110-120 ms"},
		{event.Operand{Range: between(0, math.Inf(1)), Unit: "ms", Why: "1 of 2"}, "unknown"},
		{event.Operand{Unit: "ms", Why: "it was cut"}, "unknown"},
		{event.Operand{Unit: "ms", Why: "no field", Unsupported: true}, "unsupported"},
		{event.Operand{Beginning: new("The ans"), Why: "it was cut"}, `"The ans" …`},
		{event.Operand{Beginning: new(""), Why: "it was cut"}, "unknown"},
	} {
		if got := operandShown(c.of); got != c.want {
			t.Errorf("%+v: %s, want %s", c.of, got, c.want)
		}
	}
	if got := readable.Value(metrics.Value{Range: between(0.344, 0.55), Unit: "ratio",
		Why: "1 of 2"}); got != "0.34-0.55" {
		t.Errorf("a figure of a table: %s", got)
	}
}
