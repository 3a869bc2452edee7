package prompt

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
)

// A salt goes where the server takes it: a key of the body, else the head of the prompt, before
// which a template may put a few tokens.
func TestSalt(t *testing.T) {
	user := []dsl.Message{{Role: "user", Content: "Hello"}}
	system := append([]dsl.Message{{Role: "system", Content: "Be brief."}}, user...)
	for name, c := range map[string]struct {
		key      string // of the body
		messages []dsl.Message
		want     []dsl.Message
		lead     int
	}{
		"a key of the body": {key: "cache_salt", messages: system, want: system},
		"a system message": {messages: system, lead: 32,
			want: []dsl.Message{{Role: "system", Content: "[session abc]\nBe brief."}, user[0]}},
		"no system message": {messages: user, lead: 32,
			want: []dsl.Message{{Role: "system", Content: "[session abc]"}, user[0]}},
	} {
		t.Run(name, func(t *testing.T) {
			profile := &dsl.Server{Capabilities: dsl.Capabilities{CacheSalt: c.key}}
			m := New(&dsl.Cell{Server: profile}, NewTemplates(nil, nil), nil, Server{Body: map[string]any{"keep": 1}})
			if got := m.Lead(); got != c.lead {
				t.Errorf("%d cached tokens may stand before the salt, want %d", got, c.lead)
			}
			m.Use("abc")
			r := m.Turn(&dsl.Step{}, dsl.Turn{Messages: c.messages})
			if diff := cmp.Diff(c.want, r.messages); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
			extra := map[string]any{"keep": 1}
			if c.key != "" {
				extra[c.key] = "abc"
			}
			if diff := cmp.Diff(extra, r.Extra); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(system[0].Content, "Be brief."); diff != "" {
				t.Errorf("the scenario's own message was changed: %s", diff)
			}
		})
	}
	if a, b := Salt("run/cell/1"), Salt("run/cell/2"); a == b || len(a) != 16 ||
		strings.Trim(a, "0123456789abcdef") != "" {
		t.Errorf("salts %s and %s", a, b)
	}
}
