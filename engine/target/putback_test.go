package target_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/target"
)

// What a run changes of a model in Ollama's memory is put back when it ends, for each model once: a model that was not
// there leaves it, and one that was keeps the time and the context that it had.
func TestClose_PutsBack(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339Nano) }
	for name, c := range map[string]struct {
		loaded string // of /api/ps
		want   string // pattern of the request that puts it back
	}{
		"not loaded": {"", `{"keep_alive":0,"model":"tiny:latest"}`},
		"for a while": {`{"name":"tiny:latest","expires_at":"` + in(4*time.Hour) + `"}`,
			`{"keep_alive":"1[34]\d\d\ds","model":"tiny:latest"}`},
		"for ever, with its own context": {
			`{"name":"tiny:latest","context_length":8192,"expires_at":"2319-03-11T17:49:07.039972148Z"}`,
			`{"keep_alive":-1,"model":"tiny:latest","options":{"num_ctx":8192}}`},
		"about to leave": {`{"name":"tiny:latest","expires_at":"` + in(-time.Second) + `"}`,
			`{"keep_alive":"1s","model":"tiny:latest"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var generated []string
			sent := func() []string {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(generated)
			}
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/":
					fmt.Fprint(w, "Ollama is running")
				case "/api/version":
					fmt.Fprint(w, `{"version":"0.33.0"}`)
				case "/v1/models":
					fmt.Fprint(w, `{"object":"list","data":[{"id":"tiny:latest","owned_by":"library"}]}`)
				case "/api/ps":
					fmt.Fprintf(w, `{"models":[%s]}`, c.loaded)
				case "/api/generate":
					var body map[string]any
					if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
						t.Error(err)
					}
					raw, err := json.Marshal(body)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					generated = append(generated, string(raw))
					mu.Unlock()
					fmt.Fprint(w, `{"done":true,"done_reason":"load"}`)
				default:
					http.NotFound(w, r)
				}
			}))
			t.Cleanup(web.Close)
			profile := &dsl.Server{Name: "s", Engine: "ollama", Address: dsl.Address{Attach: web.URL},
				Wire: dsl.Wire{API: "ollama"}}
			cell := &dsl.Cell{ID: "x", Server: profile, Scenario: &dsl.Scenario{}}
			opener := target.Opener{Key: func(dsl.Secret) (string, error) { return "", nil }}
			for range 2 { // two cells of one model
				ready, err := opener.Open(t.Context(), cell)
				if err != nil {
					t.Fatal(err)
				}
				if err := ready.Prepare(t.Context(), cell, func(string, string, ...any) {}); err != nil {
					t.Fatal(err)
				}
				ready.Shut()
			}
			loads := len(sent())
			if err := opener.Close(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(sent()[loads:], "\n"); loads != 2 || !regexp.MustCompile("^"+c.want+"$").MatchString(got) {
				t.Errorf("%d loads, then %s\nwant %s", loads, got, c.want)
			}
			if err := opener.Close(); err != nil || len(sent()) != loads+1 {
				t.Errorf("put back twice: %q, %v", sent(), err)
			}
		})
	}
}
