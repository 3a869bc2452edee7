package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	measured = regexp.MustCompile(`([≥≤] )?[0-9][0-9.,]*(-[0-9][0-9.,]*)?`)
	unknown  = regexp.MustCompile(` –$`) // the decode speed of a reply whose tokens came together
	spaces   = regexp.MustCompile(` +`)
	folder   = regexp.MustCompile(`\S+/$`)
)

// busy are remarks that a busy machine is enough to bring up: the simulator and the client share it, and where
// neither got a core for a while, the tokens of a short reply arrive together.
var busy = []string{"several deltas came with one read", "the reply was held back and not sent as it was generated"}

// masked takes out of a report what differs from run to run: measured numbers and whether they are bounds, the width
// of columns, the name of the results folder, notes, and what a busy machine is enough to bring up.
func masked(report string) string {
	var out []string
	noted := false
	for line := range strings.Lines(report) {
		goesOn := strings.HasPrefix(line, "    ") || strings.HasPrefix(strings.TrimSpace(line), "(")
		noted = strings.HasPrefix(line, "  note ") || noted && goesOn ||
			slices.ContainsFunc(busy, func(b string) bool { return strings.Contains(line, b) })
		if noted {
			continue
		}
		line = folder.ReplaceAllString(strings.TrimSpace(line), "DIR")
		line = unknown.ReplaceAllString(measured.ReplaceAllString(line, "N"), " N")
		out = append(out, spaces.ReplaceAllString(line, " "))
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}

// TestReadme plays the scenario in the README and compares the output with what the README shows.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := func(open string) string {
		_, rest, ok := strings.Cut(string(text), open)
		body, _, closed := strings.Cut(rest, "\n```")
		if !ok || !closed {
			t.Fatalf("the README has no block %q", open)
		}
		return body
	}
	scenario := block("```yaml\n")
	want := block("```\n$ homellm apply pump.yaml\n")

	dir := t.TempDir()
	file := filepath.Join(dir, "pump.yaml")
	if err := os.WriteFile(file, []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	p := process{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	args := []string{"apply", file, "--server", "sim", "--out", filepath.Join(dir, "out")}
	if code := run(context.Background(), p, args); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
	if diff := cmp.Diff(masked(want), masked(stdout.String())); diff != "" {
		t.Errorf("the README shows another output (-README +program):\n%s", diff)
	}
}

// TestReadme_OneCommandALine: somebody new types the README line by line.
func TestReadme_OneCommandALine(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```sh\n")
	lines := 0
	for rest != "" {
		var block string
		block, rest, _ = strings.Cut(rest, "```")
		for line := range strings.Lines(block) {
			lines++
			command, _, _ := strings.Cut(strings.TrimSpace(line), " #")
			if strings.Count(command, "homellm ") != 1 && !strings.HasPrefix(command, "go test ") ||
				!strings.HasPrefix(command, "homellm ") && !strings.HasPrefix(command, "go ") {
				t.Errorf("this is no command: %s", line)
			}
		}
		_, rest, _ = strings.Cut(rest, "```sh\n")
	}
	if lines < 10 {
		t.Errorf("only %d lines were found", lines)
	}
}
