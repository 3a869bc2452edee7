package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The versions whose flags differ, as far as they are known, and the newest one.
var argvVersions = map[string][]string{
	"phi3-debug":      {"0.8.5", "0.10.0", "0.10.1", "0.11.0", "0.17.0", "0.27.1"},
	"phi3-production": {"0.8.5", "0.10.0", "0.10.1", "0.11.0", "0.17.0", "0.27.1"},
	"phi3-long":       {"0.8.5", "0.11.0", "0.27.1"},
	"qwen-optimized":  {"0.8.5", "0.10.0", "0.10.1", "0.11.0", "0.17.0", "0.27.1"},
	"llamacpp":        {"b6000", "b6400", "b7000", "b10488"},
	"sglang":          {"0.5.9"},
	"sim":             {""},
}

// TestShippedProfiles_Argv holds the command line of every shipped profile that starts a server
// to a golden file, for every version that takes other flags.
func TestShippedProfiles_Argv(t *testing.T) {
	for name, versions := range argvVersions {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, version := range versions {
				var stderr bytes.Buffer
				p := process{stdout: &out, stderr: &stderr, getenv: func(string) string { return "" }, stateDir: t.TempDir()}
				args := []string{"serve", name, "--dry-run", "--engine-version", version, "--port", "8001"}
				if code := run(t.Context(), p, args); code != 0 {
					t.Fatalf("exit code %d: %s", code, &stderr)
				}
				out.WriteString("\n")
			}
			got := withoutCard(out.String())
			golden := filepath.Join("testdata", "argv", name+".golden")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// withoutCard leaves out the one line that depends on the machine's graphics card.
func withoutCard(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "# card: ") && !strings.HasPrefix(line, "# the card's memory") {
			b.WriteString(line)
		}
	}
	return b.String()
}
