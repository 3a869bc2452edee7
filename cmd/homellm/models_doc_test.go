package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"homellm/engine/model/apart"
)

var fenced = regexp.MustCompile("(?ms)^```(yaml|json|console)\n(.*?)^```$")

// TestModelsPage runs the commands of docs/models.md on the files that it shows, and looks for the
// output that it shows, line by line and in order.
func TestModelsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "models.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	home := t.TempDir()
	program, err := exec.LookPath("homellm") // testscript puts the program into the path of its tests
	if err != nil {
		t.Fatal(err)
	}
	p := process{getenv: func(name string) string { return map[string]string{"HOME": home}[name] },
		renderer: apart.New(program, renderTemplates)}
	commands := 0
	for _, block := range fenced.FindAllStringSubmatch(string(page), -1) {
		kind, text := block[1], block[2]
		switch kind {
		case "yaml":
			name, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
			write(t, name, text)
		case "json":
			write(t, "messages.json", text)
		case "console":
			for _, one := range strings.Split("\n"+text, "\n$ ")[1:] {
				commands++
				line, want, _ := strings.Cut(one, "\n")
				playCommand(t, p, line, want)
			}
		}
	}
	if commands < 5 {
		t.Errorf("the page has %d commands", commands)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var digestWord = regexp.MustCompile(`\b[0-9a-f]{12}\b`)

func playCommand(t *testing.T, p process, line, want string) {
	t.Helper()
	args := strings.Fields(line)
	if args[0] != "homellm" {
		t.Fatalf("%q is no command of ours", line)
	}
	var stdout, stderr bytes.Buffer
	p.stdout, p.stderr = &stdout, &stderr
	if code := run(context.Background(), p, args[1:]); code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", line, code, stdout.String(), stderr.String())
	}
	mask := func(s string) string { return masked(digestWord.ReplaceAllString(s, "ID")) }
	rest := mask(stdout.String())
	for shown := range strings.Lines(mask(want)) {
		shown = strings.TrimSpace(shown)
		at := strings.Index(rest, shown)
		if at < 0 {
			t.Errorf("%s does not print %q (then):\n%s", line, shown, rest)
			return
		}
		rest = rest[at+len(shown):]
	}
}
