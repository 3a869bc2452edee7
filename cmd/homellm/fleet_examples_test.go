//go:build fleet && unix

package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const fleetExamples = "../../docs/examples/fleet/"

// parsed checks that a command line of homellm is one, without playing it.
func parsed(args []string) error {
	root := newRoot(process{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard,
		getenv: func(string) string { return "" }})
	c, rest, err := root.Find(args)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil {
		err = c.ValidateArgs(c.Flags().Args())
	}
	if err == nil {
		err = c.ValidateRequiredFlags()
	}
	if err == nil {
		err = c.ValidateFlagGroups()
	}
	return err
}

// walk calls f for every mapping of a YAML document.
func walk(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		f(v)
		for _, of := range v {
			walk(of, f)
		}
	case []any:
		for _, of := range v {
			walk(of, f)
		}
	}
}

// commandsIn are the command lines of homellm in a script or in comments, without what a shell makes of them.
func commandsIn(text string) (out [][]string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "#"))
		line, _, _ = strings.Cut(line, " || ")
		line, _, _ = strings.Cut(line, " | ")
		line = strings.TrimPrefix(line, "until ")
		words := strings.Fields(strings.ReplaceAll(line, `"`, ""))
		i := slices.IndexFunc(words, func(w string) bool { return w == "homellm" || w == "./homellm" })
		if i == 0 || i > 0 && words[0] == "timeout" {
			out = append(out, words[i+1:])
		}
	}
	return out
}

// TestFleetExamples reads the examples of docs/examples/fleet: the documents are YAML of the kinds that they should be,
// and every command line in them is one of homellm.
func TestFleetExamples(t *testing.T) {
	var kinds []string
	commands := map[string][][]string{}
	for _, name := range []string{"kubernetes.yaml", "github-actions.yml"} {
		data, err := os.ReadFile(filepath.Join(fleetExamples, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "kubernetes.yaml" {
			commands[name] = commandsIn(string(data))
		}
		decoder := yaml.NewDecoder(strings.NewReader(string(data)), yaml.DisallowUnknownField())
		for {
			var document map[string]any
			if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if kind, ok := document["kind"].(string); ok {
				kinds = append(kinds, kind)
			}
			walk(document, func(m map[string]any) {
				var words []string
				of, _ := m["command"].([]any)
				for _, w := range of {
					words = append(words, w.(string))
				}
				if len(words) > 0 && words[0] == "homellm" {
					commands[name] = append(commands[name], words[1:])
				}
				if script, ok := m["run"].(string); ok {
					commands[name] = append(commands[name], commandsIn(script)...)
				}
			})
		}
	}
	if want := []string{"Service", "StatefulSet", "NetworkPolicy", "DaemonSet", "Job"}; !slices.Equal(kinds, want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
	for name, want := range map[string]int{"kubernetes.yaml": 3, "github-actions.yml": 3} {
		if got := commands[name]; len(got) != want {
			t.Errorf("%s has %d command lines of homellm, want %d: %q", name, len(got), want, got)
		}
		for _, args := range commands[name] {
			if err := parsed(args); err != nil {
				t.Errorf("%s: homellm %s: %v", name, strings.Join(args, " "), err)
			}
		}
	}
	for _, wrong := range [][]string{{"fleet", "join", "--kee=x"}, {"fleet", "join"}, {"fleet", "drain"}, {"flet"}} {
		if parsed(wrong) == nil {
			t.Errorf("homellm %v is taken for a command line", wrong)
		}
	}
}
