package dsl

import (
	"bytes"
	"strings"
)

// KindOf tells from the first key what kind of file of ours data is: scenario, servers, models …
// It is empty for a file that is not ours. It is a cheap look for commands that search folders,
// not a check.
func KindOf(data []byte) string {
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(strings.TrimPrefix(string(line), "\ufeff"))
		if text == "" || strings.HasPrefix(text, "#") || text == "---" {
			continue
		}
		value, ok := strings.CutPrefix(text, "schema:")
		if !ok {
			return ""
		}
		value, _, _ = strings.Cut(value, " #")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		kind, ok := strings.CutPrefix(value, "homellm.")
		kind, _, _ = strings.Cut(kind, "/")
		if !ok {
			return ""
		}
		return kind
	}
	return ""
}
