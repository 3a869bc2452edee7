package dsl

import (
	"fmt"
	"strings"
	"testing"
)

// TestChatRequests checks that an unknown tool choice and an unknown schema are reported at their line.
func TestChatRequests(t *testing.T) {
	for request, want := range map[string]string{
		"{tool_choice: read_file}": "",
		"{tool_choice: required}":  "",
		"{response_format: part}":  "",
		"{thinking: off}":          "",
		"{tool_choice: read_fil}": `s.yaml:20:70 links/tool:` +
			` there is no tool "read_fil" to choose (did you mean "read_file"?)`,
		"{response_format: parts}": `links/schema: schema "parts" is not declared in ` + "`schemas:`" +
			` (did you mean "part"?)`,
		"{thinking: sometimes}":       "schema/value",
		"{response_format: [object]}": "schema/",
	} {
		text := "schemas: {part: {type: object}}\n" + agent("live",
			"      - {id: start, ask: Why?, max_rounds: 2, request: "+request+"}\n")
		_, ds := Load(scenario(text), testLibrary(t), vocabulary, exactOptions())
		var all []string
		for _, d := range ds {
			if !strings.HasPrefix(d.Code, "plan/") {
				all = append(all, fmt.Sprintf("%s:%d:%d %s: %s (%s)", d.Pos.File, d.Pos.Line, d.Pos.Col, d.Code, d.Message,
					d.Help))
			}
		}
		if got := strings.Join(all, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", request, got, want)
		}
	}
}
