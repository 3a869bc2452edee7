package client

import (
	"strings"
	"testing"
)

// A reply is kept whole up to its limit, and the fields beside it are kept only up to the length that such words have:
// a finish reason of megabytes would be in every report, several times.
func TestWordsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	body := `data: {"model":"` + long + `","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}` + "\n\n" +
		`data: {"choices":[{"index":0,"delta":{},"finish_reason":"` + long + `"}]}` + "\n\n" + "data: [DONE]\n\n"
	x, e := replay(t, "chat", "sse", []byte(body), 1<<16)
	if e != nil || x.Text != "hi" {
		t.Errorf("%q, %v", x.Text, e)
	}
	for name, word := range map[string]string{"finish reason": x.Finish, "model": x.Wire.Model} {
		if !strings.HasPrefix(word, "xxx") || len(word) > maxWord {
			t.Errorf("%d bytes of the %s are kept, want at most %d", len(word), name, maxWord)
		}
	}
	if got := beginning([]byte("aäö"), 4); got != "aä" {
		t.Errorf("cut to %q", got)
	}
}
