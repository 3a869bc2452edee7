package starter

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/server"
)

var yes = true

// Every file is valid, and its first line points an editor to the schema beside it.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	written, err := Write(dir, Found{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range written {
		if f.Kept {
			t.Errorf("%s was there before", f.Path)
		}
	}
	address := regexp.MustCompile(`^# yaml-language-server: \$schema=(\S+)\n`)
	for _, name := range []string{Scenario, "gates.yaml"} {
		file, err := files.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bad := dsl.Validate(file, files.ShippedLibrary(), judge.Vocabulary()); len(bad) > 0 {
			t.Errorf("%s: %v", name, bad)
		}
		m := address.FindSubmatch(file.Data)
		if m == nil {
			t.Fatalf("%s names no schema", name)
		}
		if _, err := os.Stat(filepath.Join(dir, filepath.Dir(name), string(m[1]))); err != nil {
			t.Error(err)
		}
	}
}

// An existing file is never changed, nor one that a link leads to.
func TestWrite_KeepsWhatIsThere(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gates.yaml"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	written, err := Write(dir, Found{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range written {
		if f.Kept != (f.Path == "gates.yaml") {
			t.Errorf("%+v", f)
		}
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "gates.yaml")); string(data) != "mine" {
		t.Errorf("gates.yaml holds %q", data)
	}
	again, err := Write(dir, Found{Label: "other"})
	if err != nil || slices.ContainsFunc(again, func(f File) bool { return !f.Kept }) {
		t.Errorf("%+v, %v", again, err)
	}

	linked := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(linked, "scenarios")); err != nil {
		t.Skip("no links here")
	}
	if _, err := Write(linked, Found{}); err == nil {
		t.Error("it followed a link out of the folder")
	}
	if left, _ := os.ReadDir(elsewhere); len(left) > 0 {
		t.Errorf("it wrote %v", left)
	}
}

// The job plays on the server that was found. No name that a server gives itself becomes a command or an expression.
func TestJob(t *testing.T) {
	model := func(id string, loaded *bool) engines.Model { return engines.Model{ID: id, Loaded: loaded} }
	ready := func(models ...engines.Model) server.Found {
		f := server.Found{URL: "http://127.0.0.1:11434", State: server.Ready, Models: models}
		f.Engine, f.Version = "ollama", "0.6.5"
		return f
	}
	for name, c := range map[string]struct {
		found Found
		flags string
	}{
		"none":      {Found{}, " --server sim"},
		"one model": {For(ready(model("a", nil))), " --url http://127.0.0.1:11434 --no-sim"},
		"several": {For(ready(model("a", nil), model("qwen3:4b", &yes))),
			" --url http://127.0.0.1:11434 --model qwen3:4b --no-sim"},
		"embeds": {For(ready(model("nomic-embed-text:latest", &yes), model("qwen3:4b", nil))),
			" --url http://127.0.0.1:11434 --model qwen3:4b --no-sim"},
		"hostile": {For(ready(model("${{ secrets.A }}", nil), model("b\n- run: x", nil))),
			" --url http://127.0.0.1:11434 --no-sim"},
		"simulator": {Found{Label: "sim 1", URL: "http://127.0.0.1:1", Simulated: true}, " --url http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{}
			for _, each := range content(c.found) {
				all[each.path] = string(each.data)
			}
			text := all[".github/workflows/llm.yml"]
			if want := "homellm apply scenarios/" + c.flags + " --out"; !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
			var job struct {
				Jobs map[string]struct{ Steps []struct{ Uses, Run string } }
			}
			if err := yaml.Unmarshal([]byte(text), &job); err != nil || len(job.Jobs["gate"].Steps) != 5 {
				t.Fatalf("%v: %+v of %v", err, job, slices.Sorted(maps.Keys(all)))
			}
			for _, s := range job.Jobs["gate"].Steps {
				if s.Uses != "" && !regexp.MustCompile(`@[0-9a-f]{40}$`).MatchString(s.Uses) {
					t.Errorf("%s is pinned to no commit", s.Uses)
				}
			}
			if strings.Contains(text, "secrets.") {
				t.Error("a name became an expression")
			}
		})
	}
}
