package syntax

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var someDiagnostics = Diagnostics{
	{Pos{"b.yaml", 10, 5}, 8, Error, "links/x", "second, with: 100 %\nand a line", "do it", "    abc: d"},
	{Pos{"a,b:c.yaml", 3, 1}, 4, Error, "schema/unknown-key", `unknown key "tag"`, `did you mean "tags"?`, "tag: [rag]"},
	{Pos{File: "a,b:c.yaml"}, 0, Warning, "yaml/empty", "nothing", "", ""},
	{Pos{"b.yaml", 10, 5}, 8, Error, "links/x", "second, with: 100 %\nand a line", "do it", "    abc: d"},
	{Pos{"b.yaml", 2, 3}, 0, Error, "yaml/tag", "tab", "", "\tö: x"},
}

func TestDiagnosticText(t *testing.T) {
	want := `a,b:c.yaml: warning[yaml/empty]: nothing
a,b:c.yaml:3:1: error[schema/unknown-key]: unknown key "tag"
3 | tag: [rag]
  | ^^^
  = help: did you mean "tags"?
b.yaml:2:3: error[yaml/tag]: tab
2 | ` + "\tö: x" + `
  | ` + "\t" + ` ^
b.yaml:10:5: error[links/x]: second, with: 100 %
and a line
10 |     abc: d
   |     ^^^
   = help: do it
`
	var got bytes.Buffer
	if err := someDiagnostics.Sorted().WriteText(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if someDiagnostics.Sorted().Error()+"\n" != want {
		t.Error("as an error it reads differently")
	}
}

func TestDiagnosticJSON(t *testing.T) {
	var b bytes.Buffer
	if err := someDiagnostics[1:3].WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"file": "a,b:c.yaml", "line": 3.0, "col": 1.0, "end_col": 4.0, "severity": "error", "code": "schema/unknown-key",
			"message": `unknown key "tag"`, "help": `did you mean "tags"?`},
		{"file": "a,b:c.yaml", "line": 0.0, "col": 0.0, "end_col": 0.0, "severity": "warning", "code": "yaml/empty",
			"message": "nothing"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	b.Reset()
	if err := (Diagnostics)(nil).WriteJSON(&b); err != nil || strings.TrimSpace(b.String()) != "[]" {
		t.Errorf("no findings: %q, %v", b.String(), err)
	}
}

func TestDiagnosticGitHub(t *testing.T) {
	var got bytes.Buffer
	if err := someDiagnostics.Sorted().WriteGitHub(&got); err != nil {
		t.Fatal(err)
	}
	//nolint:lll // GitHub takes a line
	want := `::error file=a%2Cb%3Ac.yaml,line=3,col=1,endColumn=4,title=schema/unknown-key::unknown key "tag"%0Adid you mean "tags"?
::error file=b.yaml,line=2,col=3,title=yaml/tag::tab
::error file=b.yaml,line=10,col=5,endColumn=8,title=links/x::second, with: 100 %25%0Aand a line%0Ado it
::warning file=a%2Cb%3Ac.yaml,title=yaml/empty::nothing
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var many Diagnostics
	for i := range 11 {
		many = append(many, Diagnostic{Pos: Pos{"f.yaml", i + 1, 1}, Severity: Error, Code: "x/y", Message: "m"})
	}
	for n, want := range map[int]string{10: "line=10,", 11: "::error::and 2 more, see the summary"} {
		got.Reset()
		if err := many[:n].WriteGitHub(&got); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(got.String()), "\n")
		if len(lines) != 10 || !strings.Contains(lines[9], want) {
			t.Errorf("%d findings:\n%s", n, got.String())
		}
	}
}

func TestErrors(t *testing.T) {
	if (Diagnostics{{Severity: Warning}}).Errors() || !(Diagnostics{{Severity: Warning}, {Severity: Error}}).Errors() {
		t.Error("Errors counts warnings")
	}
}

func TestLongLinesAreCut(t *testing.T) {
	line := strings.Repeat("x", 1000) + "HERE" + strings.Repeat("y", 1000)
	text := excerpt(Pos{"f", 7, 1001}, 1005, line)
	lines := strings.Split(text, "\n")
	caret := strings.Index(lines[1], "^")
	if len(lines[0]) > 200 || caret < 0 || lines[0][caret:caret+4] != "HERE" || strings.Count(lines[1], "^") != 4 {
		t.Errorf("\n%s", text)
	}
	if text := excerpt(Pos{"f", 7, 4}, 8, "a: \x1b[31mb"); strings.Contains(text, "\x1b") {
		t.Errorf("an escape sequence reaches the terminal: %q", text)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"tags", "name", "temperature", "max_tokens", "min_tokens", "query", "ask"}
	for written, want := range map[string]string{
		"tag": "tags", "tgas": "tags", "naem": "name", "temprature": "temperature", "max_token": "max_tokens",
		"mxa_tokens": "max_tokens",
		"querry":     "query", "aks": "ask", "retries": "", "x": "", "": "", "mame": "name", "completely_else": "",
		"max": "max_tokens", "temp": "", "maxTokens": "max_tokens", "MAX-TOKENS": "max_tokens", "mx": "max_tokens",
		"min_tok": "", "tokens": "",
	} {
		if got := Nearest(written, known); got != want {
			t.Errorf("%q is nearest to %q, want %q", written, got, want)
		}
	}
	figures := []string{"ttft_ms", "ttft_answer_ms", "ttfs_ms", "output_tps", "output_tokens", "text", "stf_x", "tf_x",
		"tta_x"}
	for written, want := range map[string]string{
		"ttft": `did you mean "ttft_ms"?`, "TTFT": `did you mean "ttft_ms"?`, "tftt": `did you mean "ttft_ms"?`,
		"ttf":    `did you mean "ttfs_ms" or "ttft_ms"?`,
		"output": `did you mean "output_tokens" or "output_tps"?`, "nothing": "",
	} {
		if got := Suggest(written, figures); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
	paths := []string{"steps.a.ttft_ms", "steps.b.ttft_ms", "phases.before.cache.hit_rate"}
	for written, want := range map[string]string{
		"ttft": `did you mean "steps.a.ttft_ms" or "steps.b.ttft_ms"?`, "steps.a.ttft": `did you mean "steps.a.ttft_ms"?`,
		"hit_rate": `did you mean "phases.before.cache.hit_rate"?`, "zzz": "",
	} {
		if got := SuggestPath(written, paths); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"ab", "ba", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}, {"öä", "äö", 1}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("%s", fmt.Sprintf("%q to %q takes %d edits, want %d", c.a, c.b, got, c.want))
		}
	}
}
