package report

import (
	"encoding/json"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/text"
)

func TestTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"plain · – é 漢": "plain · – é 漢",
		"\x1b[31mred":   `\x1b[31mred`,
		"a\nb\r\tc":     `a\nb\r c`,
		"\u202eevil":    `\u202eevil`,
		"\x9bK\x7f":     "\ufffdK\\x7f",
		"\u009bK":       `\x9bK`,
		"a\u200bb":      `a\u200bb`,
		"::error::x":    `:\x3aerror::x`,
		"::error a=b::": `:\x3aerror a=b::`,
		"##[group]":     `#\x23[group]`,
		"std::vector":   "std::vector",
	} {
		if got := terminal(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestMarkdownEscapes(t *testing.T) {
	for in, want := range map[string]string{
		"a|b":                `a\|b`,
		"<img src=x>":        "&lt;img src=x&gt;",
		"@octocat #12":       "@\u2060octocat #\u206012",
		"[x](http://e.com)":  "\\[x\\](http:\u2060//e.com)",
		"www.e.com":          "www\u2060.e.com",
		"*b* _i_ `c` ~s~ \\": "\\*b\\* \\_i\\_ \\`c\\` \\~s\\~ \\\\",
		"two\nlines":         `two\\nlines`,
		"&lt;":               "&amp;lt;",
	} {
		if got := md(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"a|b":   "`a\\|b`",
		"a`b":   "``a`b``",
		"`a``":  "``` `a`` ```",
		"":      "",
		"x\ny":  "`x\\ny`",
		"<b>@x": "`<b>@x`",
	} {
		if got := mdCode(in); got != want {
			t.Errorf("code %q: got %q, want %q", in, got, want)
		}
	}
	block := mdBlock([]string{"a", "````", "b"})
	if !strings.HasPrefix(block, "`````text\n") || !strings.HasSuffix(block, "\n`````\n") {
		t.Errorf("a fence within a block closes it: %q", block)
	}
}

func TestCSVText(t *testing.T) {
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+x": "'+x", "-x": "'-x", "@x": "'@x", "plain": "plain", "": "", "a=b": "a=b", "\t=1": "' =1",
	} {
		if got := csvText(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCompared(t *testing.T) {
	operand := func(path string, v any) event.Operand { return event.Operand{Path: path, Value: v} }
	for _, tt := range []struct {
		that     string
		operands []event.Operand
		want     string
	}{
		{"first_turn.cache.hit_rate > vars.min_hit", []event.Operand{operand("first_turn.cache.hit_rate", 0.9312),
			operand("vars.min_hit", 0.5)}, "0.931 > 0.5"},
		{"a > 0.5", []event.Operand{operand("a", 0.4996)}, "0.4996 > 0.5"},
		{"a > b", []event.Operand{operand("a", 0.12345), operand("b", 0.1234)}, "0.1235 > 0.1234"},
		{"a < 1500", []event.Operand{operand("a", 1523.456)}, "1523 < 1500"},
		{"a < 1523", []event.Operand{operand("a", 1523.456)}, "1523.46 < 1523"},
		{"turn.ok", []event.Operand{operand("turn.ok", true)}, "true"},
		{"turn.ttft_ms < 2 * steps.q.ttft_ms", []event.Operand{operand("turn.ttft_ms", 120.0),
			operand("steps.q.ttft_ms", 80.5)}, "120 < 2 * 80.5"},
		{"turn.text == \"x\"", []event.Operand{operand("turn.text", "x")}, ""},
		{"a > 1", []event.Operand{operand("a", nil)}, ""},
		{"true", nil, ""},
	} {
		if got := compared(event.Verdict{That: tt.that, Operands: tt.operands}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.that, got, tt.want)
		}
	}
}

// What acts beyond the first plane needs two escapes in JSON; the document means the same.
func TestJSONText_BeyondTheFirstPlane(t *testing.T) {
	for _, s := range []string{"a\u202eb", "a\U000e0041b", "a\u00adb"} {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal(jsonText(raw), &back); err != nil || back != s {
			t.Errorf("%q: %s reads back as %q, %v", s, jsonText(raw), back, err)
		}
		if strings.ContainsFunc(string(jsonText(raw)), text.Acts) {
			t.Errorf("%q: %q acts", s, jsonText(raw))
		}
	}
}
