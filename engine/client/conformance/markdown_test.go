package conformance

import (
	"errors"
	"strings"
	"testing"
)

func TestMarkdown(t *testing.T) {
	rows := []Row{
		{Shape: "plain", API: "chat", Figure: "class", OK: true},
		{Shape: "plain", API: "chat", Figure: "text", Truth: "a|b", Measured: "a|b", OK: true},
		{Shape: "plain", API: "chat", Figure: "TTFT", Truth: "100.000 ms", Measured: "100.100 ms", OK: true},
		{Shape: "plain", API: "chat", Figure: "TPOT", Truth: "unknown", Measured: "unknown", OK: true},
		{Shape: "plain", API: "completions", Figure: "class", Truth: "reset", Measured: "truncated"},
		{Shape: "plain", API: "completions", Figure: "text", Truth: "a|b", Measured: ""},
	}
	var b strings.Builder
	if err := Markdown(&b, rows); err != nil {
		t.Fatal(err)
	}
	const want = "| | shape | API | error | finish | prompt | output | cached | reasoning | TTFT | TPOT | worst instant " +
		"| gave up after | text and the rest |\n" + `|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
| ✓ | plain | chat | none | – | – | – | – | – | 100.000 ms → 100.100 ms | – | – | – | same |
| **✗** | plain | completions | **reset → truncated** | – | – | – | – | – | – | – | – | – | text: **a\|b → none** |
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if err := Markdown(broken{}, rows); err == nil {
		t.Error("a writer's failure is lost")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }
