package metrics

import "testing"

// A reason has one count, of what is being summed up: that windows had counts of their own is not added to it.
func TestReason(t *testing.T) {
	for _, tt := range []struct {
		each []Value
		want string
	}{
		{nil, "no request was measured"},
		{[]Value{{Why: "held back"}, {Why: "held back"}}, "held back"},
		{[]Value{{Why: "held back (1 of 18)"}, {Why: "held back (2 of 17)"}, {V: 1.0}}, "held back (2 of 3)"},
		{[]Value{{Why: "held back (1 of 18)"}, {Why: "held back (2 of 17)"}}, "held back (1 of 18)"},
		{[]Value{{Why: "failed"}, {Why: "held back (1 of 9)"}, {Why: "held back (4 of 8)"}}, "held back (2 of 3)"},
	} {
		if got := reason(tt.each); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.each, got, tt.want)
		}
	}
}
