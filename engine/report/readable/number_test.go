package readable

import (
	"slices"
	"strings"
	"testing"

	"homellm/engine/metrics"
)

func TestQuantity(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "ms", "0.0 ms"}, {3.44, "ms", "3.4 ms"}, {9.96, "ms", "10 ms"}, {21.4, "ms", "21 ms"}, {1523.4, "ms", "1,523 ms"},
		{9999, "ms", "9,999 ms"}, {12345, "ms", "12.3 s"}, {700000, "ms", "11.7 min"}, {2.85, "s", "2,850 ms"},
		{-4, "ms", "-4.0 ms"},
		{8412, "tokens", "8,412"}, {1234567, "tokens", "1,234,567"}, {0.4, "tokens", "0"}, {-0.4, "tokens", "0"},
		{-1234, "tokens", "-1,234"},
		{0.876, "ratio", "0.88"}, {182.3, "tokens/s", "182"}, {18.23, "tokens/s", "18.2"}, {1.5, "tokens/s", "1.50"},
		{212.53, "W", "212.5 W"}, {1650, "J", "1650 J"},
		{1, "calls", "1 call"}, {2, "calls", "2 calls"}, {0, "calls", "0 calls"}, {1, "runes", "1 rune"},
	} {
		if got := Quantity(tt.v, tt.unit); got != tt.want {
			t.Errorf("%v %s: got %q, want %q", tt.v, tt.unit, got, tt.want)
		}
	}
}

// TestWithUnit checks that one thing is not called several, and that every unit that counts things is known.
func TestWithUnit(t *testing.T) {
	for _, tt := range []struct{ number, unit, want string }{
		{"1", "requests", "1 request"}, {"2", "requests", "2 requests"}, {"1.5", "turns", "1.5 turns"}, {"1", "ms", "1 ms"},
		{"1", "s", "1 s"}, {"1", "tokens/s", "1 tokens/s"}, {"1", "ratio", "1"}, {"1", "", "1"},
	} {
		if got := WithUnit(tt.number, tt.unit); got != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.number, tt.unit, got, tt.want)
		}
	}
	for _, d := range metrics.Defs {
		if words := strings.HasSuffix(d.Unit, "s") && len(d.Unit) > 2 && !strings.Contains(d.Unit, "/"); words !=
			slices.Contains(counts, d.Unit) {
			t.Errorf("%s is in %s: is one of them called without s?", d.Name, d.Unit)
		}
	}
}

// A change that rounds to nothing has no direction.
func TestSigned(t *testing.T) {
	ms := func(v float64) string { return Quantity(v, "ms") }
	for v, want := range map[float64]string{0.01: "0.0 ms", -0.01: "0.0 ms", 0.1: "+0.1 ms", -0.1: "-0.1 ms",
		-30: "-30 ms"} {
		if got := Signed(v, ms); got != want {
			t.Errorf("%g: %s, want %s", v, got, want)
		}
	}
	if got := Percent(-0.00001) + Percent(0.05); got != "0.0 %+5.0 %" {
		t.Error(got)
	}
}

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "漢字": 4, "e\u0301": 1, "\x1b[1mab\x1b[0m": 2,
		"\x1b]8;;http://a\x1b\\b\x1b]8;;\a": 1} {
		if got := Width(text); got != want {
			t.Errorf("%q has %d columns, want %d", text, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct {
		in      string
		columns int
		want    string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"漢字漢字", 5, "漢字…"}, {"", 0, ""}} {
		if got := Shorten(tt.in, tt.columns); got != tt.want {
			t.Errorf("%q to %d: got %q, want %q", tt.in, tt.columns, got, tt.want)
		}
	}
}
