package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"homellm/engine/exit"
)

// TestInvalidFiles_SendNothing checks, for every command that may talk to a server, the promise of exit code 3.
func TestInvalidFiles_SendNothing(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.NotFound(w, r)
	}))
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const head = "schema: homellm.scenario/v1\nname: one\n"
	steps := "conversations:\n  - id: main\n    steps: [{id: a, ask: Hi}]\n"
	good := write("good.yaml", head+steps)
	key := write("key.yaml", head+"colour: red\n"+steps)
	assertion := write("assertion.yaml", head+strings.Replace(steps, "ask: Hi", "ask: Hi, assert: [turn.nothing > 1]", 1))
	profile := write("profile.yaml", head+"matrix: {server: [no-such-profile]}\n"+steps)
	broken := write("broken.yaml", "schema: [\n")
	gates := write("gates.yaml", "schema: homellm.gates/v1\ncompare: [{metric: run.nothing}]\n")
	write("results/journal.jsonl", "{\"seq\":7}\n{}\n")
	results := filepath.Join(dir, "results")

	for _, args := range [][]string{
		{"apply", key, "--url", server.URL},
		{"apply", good, key, "--url", server.URL},
		{"apply", assertion, "--url", server.URL},
		{"apply", profile, "--url", server.URL},
		{"apply", broken, "--url", server.URL},
		{"apply", gates, "--url", server.URL},
		{"apply", good, "--url", server.URL, "--servers", broken},
		{"apply", good, "--url", server.URL, "--models", broken},
		{"apply", good, "--url", server.URL, "--include-tags", "no-such-tag"},
		{"apply", good, "--url", server.URL, "--resume", results},
		{"apply", key},
		{"ab", key, "--a", "one", "--b", "two", "--servers", write("servers.yaml", profiles(server.URL))},
		{"ab", good, "--a", "one", "--b", "two", "--servers", filepath.Join(dir, "servers.yaml"), "--gates", gates},
		{"plan", key},
		{"list", key},
		{"validate", key},
		{"compare", results, "--gates", gates},
		{"doctor", "--url", server.URL, "--servers", broken},
		{"servers", "--servers", broken},
		{"template", "check", "--url", server.URL, "--models", broken},
		{"template", "render", "phi3", key},
	} {
		var stdout, stderr bytes.Buffer
		p := process{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }, stateDir: dir}
		asked.Store(0)
		if code := run(t.Context(), p, append(args, "--help")); code != exit.Pass {
			t.Errorf("%v is no command line: %s", args, stderr.String())
		}
		stdout.Reset()
		if code := run(t.Context(), p, args); code != exit.Invalid {
			t.Errorf("%v ends with %d, want %d\n%s%s", args, code, exit.Invalid, stdout.String(), stderr.String())
		}
		if n := asked.Load(); n > 0 {
			t.Errorf("%v sends %d requests", args, n)
		}
	}

	// The server would be asked if the file were valid.
	var out bytes.Buffer
	run(t.Context(), process{stdout: &out, stderr: &out, getenv: func(string) string { return "" }, stateDir: dir},
		[]string{"apply", good, "--url", server.URL, "--out", filepath.Join(dir, "out")})
	if asked.Load() == 0 {
		t.Errorf("a valid file sends nothing either\n%s", out.String())
	}
}

func profiles(address string) string {
	return "schema: homellm.servers/v1\nservers:\n  one: {extends: generic, attach: " + address +
		"}\n  two: {extends: generic, attach: " + address + "}\n"
}
