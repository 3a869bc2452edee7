package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vllmVersions are those whose flags, metrics or replies are known to differ: V0 (0.7), the first
// of V1 (0.8), renamed metrics (0.9), requests logged on demand (0.10.1), the end of V0 (0.11), the
// end of --disable-log-requests (0.17), and the newest that were looked at.
var vllmVersions = []string{"0.7.3", "0.8.5", "0.9.1", "0.10.0", "0.10.1", "0.11.0", "0.17.0", "0.25.1", "0.27.1",
	"0.32.0"}

// argvVersions are the versions of each engine.
var argvVersions = map[string][]string{
	"vllm":     vllmVersions,
	"llamacpp": {"b6000", "b6400", "b7000", "b10488"},
	"sglang":   {"0.5.9"},
	"sim":      {""},
}

// TestShippedProfiles_Argv compares the command line of every shipped profile that starts a server with a golden file,
// for every version that takes different flags.
func TestShippedProfiles_Argv(t *testing.T) {
	t.Parallel()
	s := process{stderr: io.Discard}
	lib, err := libraryFlags{}.load(s)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, profile := range lib.Servers {
		if profile.Abstract || profile.Launch == nil {
			continue
		}
		n++
		name, versions := profile.Name, argvVersions[profile.Engine]
		t.Run(name, func(t *testing.T) {
			if len(versions) == 0 {
				t.Fatalf("no version of %s is known", profile.Engine)
			}
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
			if strings.Contains(got, "--disable-log-stats") {
				t.Error("a flag that empties /metrics")
			}
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
	if n < 7 {
		t.Errorf("%d profiles start a server", n)
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
