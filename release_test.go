package homellm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

// outdated are options that goreleaser still reads and that its check refuses. Its schema does not mark them.
var outdated = map[string][]string{
	"":                          {"brews", "dockers", "docker_manifests"},
	"archives":                  {"format", "builds"},
	"archives.format_overrides": {"format"},
	"builds":                    {"gobinary"},
	"homebrew_casks":            {"binary", "manpage"},
	"nfpms":                     {"builds"},
	"snapshot":                  {"name_template"},
}

// TestRelease_Config checks .goreleaser.yaml by the schema that goreleaser prints (.ci/goreleaser jsonschema), because
// goreleaser itself takes minutes to build: .ci/nightly has it check the file, and compares the schema.
func TestRelease_Config(t *testing.T) {
	data, err := os.ReadFile(".goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := checkRelease(data); err != nil {
		t.Error(err)
	}
	for name, change := range map[string][2]string{
		"a key that does not exist":      {"project_name:", "projekt_name:"},
		"a key in the wrong place":       {"    bindir: /usr/bin", "    bin_dir: /usr/bin"},
		"a text in place of a list":      {"flags: [-trimpath]", "goos: {linux: true}"},
		"a form that does not exist":     {"formats: [tar.gz]", "formats: {tar.gz: yes}"},
		"an option that is outdated":     {"formats: [tar.gz]", "format: tar.gz"},
		"an outdated kind of package":    {"homebrew_casks:", "brews:"},
		"a text where yes or no belongs": {"draft: true", "draft: maybe"},
		"a template that does not end":   {`"{{ .Version }}"`, `"{{ .Version"`},
		"a function that is not there":   {"incpatch .Version", "inkpatch .Version"},
		"a file that is not there":       {"dockerfile: Containerfile", "dockerfile: Dockerfile"},
		"a program that is not there":    {".ci/release-extras .release", ".ci/release-extra .release"},
		"a list that is not closed":      {"formats: [zip]", "formats: [zip"},
	} {
		wrong := bytes.Replace(data, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(wrong, data) {
			t.Errorf("%s: the file has no %q", name, change[0])
		} else if checkRelease(wrong) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// checkRelease returns what is wrong with a configuration of goreleaser.
func checkRelease(data []byte) error {
	var config map[string]any
	text, err := yaml.YAMLToJSON(data)
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		return err
	}
	schema, err := jsonschema.Compile(filepath.Join(".ci", "goreleaser.schema.json"))
	if err != nil {
		return err
	}
	if err := schema.Validate(config); err != nil {
		return err
	}
	if err := checkOptions("", config); err != nil {
		return err
	}
	var files struct {
		Before  struct{ Hooks []string }
		Dockers []struct{ Dockerfile string } `json:"dockers_v2"`
	}
	if err := json.Unmarshal(text, &files); err != nil {
		return err
	}
	var named []string
	for _, hook := range files.Before.Hooks {
		program, _, _ := strings.Cut(hook, " ")
		named = append(named, program)
	}
	for _, d := range files.Dockers {
		named = append(named, d.Dockerfile)
	}
	for _, name := range named {
		if _, err := os.Stat(name); err != nil {
			return err
		}
	}
	return nil
}

// checkOptions looks for options that are outdated, and for templates that cannot be read, below a path of keys.
func checkOptions(path string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range outdated[path] {
			if _, ok := v[key]; ok {
				return fmt.Errorf("%s: %s is outdated", path, key)
			}
		}
		for key, value := range v {
			if err := checkOptions(strings.TrimPrefix(path+"."+key, "."), value); err != nil {
				return err
			}
		}
	case []any:
		for _, value := range v {
			if err := checkOptions(path, value); err != nil {
				return err
			}
		}
	case string:
		// The functions of goreleaser that the file uses.
		known := template.FuncMap{"envOrDefault": os.Getenv, "incpatch": strings.TrimSpace}
		if _, err := template.New(path).Funcs(known).Parse(v); err != nil {
			return err
		}
	}
	return nil
}
