//go:build e2e && unix

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLlamaServer_FirstScenarios plays on a real model what a new user plays first: the README's scenario and the one
// that init writes for this server.
func TestLlamaServer_FirstScenarios(t *testing.T) {
	address := startLlamaServer(t)
	p := build(t)
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, opened := strings.Cut(string(text), "```yaml\n")
	scenario, _, closed := strings.Cut(rest, "\n```")
	if !opened || !closed {
		t.Fatal("the README has no scenario")
	}
	dir := t.TempDir()
	pump := filepath.Join(dir, "pump.yaml")
	if err := os.WriteFile(pump, []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, printed := p.run(t, "init", dir, "--url", address); code != 0 {
		t.Fatalf("init: exit code %d\n%s", code, printed)
	}
	for i, file := range []string{pump, filepath.Join(dir, "scenarios", "first.yaml")} {
		out := filepath.Join(dir, "run", string(rune('a'+i)))
		if code, printed := p.run(t, "apply", file, "--url", address, "--repeats", "3", "--out", out); code != 0 {
			t.Errorf("%s: exit code %d\n%s", filepath.Base(file), code, printed)
		}
	}
}
