package client

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWholeReplies reads whole replies of real engines, and compares them with the engine's own account of them. The
// suites of e2e record both.
func TestWholeReplies(t *testing.T) {
	accounts, err := filepath.Glob(filepath.Join("testdata", "recorded", "*.json"))
	if err != nil || len(accounts) == 0 {
		t.Fatal(accounts, err)
	}
	for _, path := range accounts {
		base := strings.TrimSuffix(path, ".json")
		t.Run(filepath.Base(base), func(t *testing.T) {
			var account struct {
				Prompt, Output int
				Cached         *int // nil: the engine does not tell
				Text           string
			}
			data, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(data, &account)
			}
			if err != nil {
				t.Fatal(err)
			}
			dialect, framing := "chat", "sse"
			body, err := os.ReadFile(base + ".sse")
			if os.IsNotExist(err) {
				dialect, framing = "ollama", "ndjson"
				body, err = os.ReadFile(base + ".ndjson")
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, piece := range []int{1, 7, 1000, len(body)} {
				x, failed := replay(t, dialect, framing, body, piece)
				if failed != nil || x.Text != account.Text || orMinus(x.Usage.Prompt) != account.Prompt ||
					orMinus(x.Usage.Completion) != account.Output {
					t.Errorf("in pieces of %d bytes: %v, %+v, %q; the engine says %+v", piece, failed, x.Usage, x.Text, account)
				}
				// counters tell what the reply leaves out
				if x.Usage.Cached != nil && (account.Cached == nil || *x.Usage.Cached != *account.Cached) {
					t.Errorf("in pieces of %d bytes: %d cached tokens; the engine says %v", piece, *x.Usage.Cached, account.Cached)
				}
			}
		})
	}
}
