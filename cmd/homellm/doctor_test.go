package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"homellm/engine/sim"
)

// A cache test whose request fails is a problem that doctor names, with the command to type next.
func TestDoctor_FailedCacheTest(t *testing.T) {
	s, err := sim.New(sim.Config{Speed: 100, ServedNames: []string{"m"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for fails, want := range map[int64]string{
		0: "no problems found",
		3: "the cache test of ",
	} {
		var completions atomic.Int64
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/chat/completions") && completions.Add(1) == fails {
				http.Error(w, "out of memory", http.StatusInternalServerError)
				return
			}
			s.ServeHTTP(w, r)
		}))
		var out bytes.Buffer
		p := process{stdout: &out, stderr: &out, getenv: func(string) string { return "" }, stateDir: t.TempDir()}
		root := newRoot(p)
		root.SetArgs([]string{"doctor", "--url", front.URL})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("request %d fails: %v", fails, err)
		}
		front.Close()
		failed := fails > 0
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "no problems found") == failed ||
			strings.Contains(out.String(), "--model m") != failed {
			t.Errorf("request %d fails, want %q:\n%s", fails, want, out.String())
		}
	}
}
