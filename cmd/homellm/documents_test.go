package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"homellm/dsl/figure"
	"homellm/engine/listing"
	"homellm/schema"
)

// conforms checks what the last command printed against a schema, and against the rule for all documents: conforms
// KIND.
func conforms(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: conforms KIND")
	}
	for _, p := range problemsOf(args[0], ts.ReadFile("stdout")) {
		ts.Fatalf("%s", p)
	}
}

// problemsOf says what is wrong with a document of a kind.
func problemsOf(kind, text string) (out []string) {
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return []string{fmt.Sprintf("no JSON: %v", err)}
	}
	if kind == "findings" { // a list
		for _, p := range schema.Validate(kind, doc) {
			out = append(out, fmt.Sprintf("%s %s: %s", strings.Join(p.Path, "."), p.Key, p.Message))
		}
		return out
	}
	if named := doc.(map[string]any)["schema"]; named != "homellm."+kind+"/v1" {
		out = append(out, fmt.Sprintf("it says that it is %v", named))
	}
	for _, p := range schema.Validate(kind, doc) {
		out = append(out, fmt.Sprintf("%s %s: %s", strings.Join(p.Path, "."), p.Key, p.Message))
	}
	return append(out, unexplained("", doc)...)
}

// unexplained finds what is null without a reason, and reasons for what is not null.
func unexplained(path string, v any) (out []string) {
	switch v := v.(type) {
	case []any:
		for i, one := range v {
			out = append(out, unexplained(fmt.Sprintf("%s[%d]", path, i), one)...)
		}
	case map[string]any:
		reasons, _ := v["unknown"].(map[string]any)
		for key, one := range v {
			at := path + "." + key
			if key == "resolved" {
				continue // profiles and requests: what is null there was not written
			}
			reason, _ := reasons[key].(string)
			if (one == nil) != (reason != "") {
				out = append(out, fmt.Sprintf("%s is %v, and the reason is %q", at, one, reason))
			}
			out = append(out, unexplained(at, one)...)
		}
		for key := range reasons {
			if _, there := v[key]; !there {
				out = append(out, fmt.Sprintf("%s has a reason for %s, which it does not have", path, key))
			}
		}
	}
	return out
}

// Whatever is null says why, and nothing else does.
func TestDocumentRule(t *testing.T) {
	for text, want := range map[string]int{
		`{"a": null, "unknown": {"a": "it does not say"}}`:       0,
		`{"a": null, "unknown": {}}`:                             1,
		`{"a": [{"b": null}]}`:                                   1,
		`{"a": 0, "unknown": {"a": "it does not say"}}`:          1,
		`{"unknown": {"a": "it does not say"}}`:                  1,
		`{"a": null, "unknown": {"a": ""}}`:                      1,
		`{"a": 1, "b": {"c": null, "unknown": {"c": "locked"}}}`: 0,
	} {
		var doc any
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		if got := unexplained("", doc); len(got) != want {
			t.Errorf("%s: %q, want %d problems", text, got, want)
		}
	}
}

// Every command of the table of outputs takes --format json, and every kind of document has a schema.
func TestOutputs(t *testing.T) {
	root := newRoot(process{})
	for _, o := range listing.Outputs {
		c, rest, err := root.Find(strings.Fields(o.Command))
		if err != nil || len(rest) > 0 {
			t.Errorf("there is no command %q: %v", o.Command, err)
			continue
		}
		f := c.Flags().Lookup("format")
		if f == nil || f.DefValue != o.Formats()[0] || f.Usage != "what to print: "+strings.Join(o.Formats(), ", ") {
			t.Errorf("%s --format: %+v", o.Command, f)
		}
		for _, kind := range o.Kinds {
			if !slices.Contains(schema.Kinds(), kind) || slices.Contains(schema.Written(), kind) {
				t.Errorf("%s: no document %q", o.Command, kind)
			}
		}
	}
}

// documents maps the kinds of documents that --format json prints to the names of their commands in docs/cli.md.
func documents() []listing.Output {
	return append(slices.Clone(listing.Outputs), []listing.Output{
		{Command: "apply", Kinds: []string{"result", "results"}}, {Command: "report", Kinds: []string{"result"}},
		{Command: "results show", Kinds: []string{"result"}}, {Command: "results diff", Kinds: []string{"diff"}},
		{Command: "compare", Kinds: []string{"compare"}}, {Command: "ab", Kinds: []string{"compare"}},
		{Command: "history", Kinds: []string{"history"}}, {Command: "validate", Kinds: []string{"findings"}},
		{Command: "baseline show", Kinds: []string{"baseline"}},
	}...)
}

// noDocuments are the commands that print no document for programs, and why.
var noDocuments = map[string]string{
	"baseline record": "it prints the paths of the files that it wrote",
	"completion bash": "a script", "completion fish": "a script", "completion powershell": "a script",
	"completion zsh": "a script", "help": "a text", "import": "it writes a scenario; --format is that of what it reads",
	"init": "it prints the paths of the files that it wrote", "man": "it writes pages",
	"models pull": "it downloads", "models rm": "it removes files",
	"models setup":  "it writes a models file and downloads",
	"models verify": "its exit code says it",
	"results prune": "it prints the paths of the runs that it removed", "schema": "it prints a schema",
	"serve": "a server", "sim": "a server", "stop": "it ends servers", "template render": "it prints a prompt",
	"ui": "pages",
}

// Every command that prints something can also print it as a document with a schema, or is a listed exception.
func TestDocumentsOfEveryCommand(t *testing.T) {
	kinds := map[string][]string{}
	for _, d := range documents() {
		kinds[d.Command] = d.Kinds
	}
	root := newRoot(process{})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		name := strings.TrimPrefix(c.CommandPath(), "homellm ")
		if c.HasSubCommands() || c.Hidden {
			return
		}
		f := c.Flags().Lookup("format")
		json := f != nil && strings.Contains(f.Usage, "json")
		if json != (kinds[name] != nil) || json == (noDocuments[name] != "") {
			t.Errorf("%s: has --format json: %v, documents: %v, none because %q", name, json, kinds[name], noDocuments[name])
		}
		for _, kind := range kinds[name] {
			if !slices.Contains(schema.Kinds(), kind) || slices.Contains(schema.Written(), kind) {
				t.Errorf("%s: no document %q", name, kind)
			}
		}
	}
	visit(root)
}

// The words of the plan's schema are those of the program.
func TestPlanWords(t *testing.T) {
	for key, want := range map[string][]string{
		"cells[].turns[].phase":           figure.Phases(),
		"cells[].assertions[].severity":   schema.Describe("scenario", "severity")[0].Values,
		"cells[].assertions[].on_unknown": schema.Describe("scenario", "on_unknown")[0].Values,
	} {
		if got := schema.Describe("plan", key)[0].Values; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}

// What several documents hold is described in the same words.
func TestSharedDefinitions(t *testing.T) {
	seen := map[string]string{}
	for _, o := range listing.Outputs {
		for _, kind := range o.Kinds {
			var doc struct{ Definitions map[string]json.RawMessage }
			if err := json.Unmarshal(schema.Source(kind), &doc); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"unknown", "served_model", "capability", "left_out", "cell", "turn", "assertion"} {
				text := string(doc.Definitions[name])
				if text != "" && seen[name] != "" && text != seen[name] {
					t.Errorf("%s of %s is described otherwise elsewhere", name, kind)
				}
				seen[name] = cmp.Or(text, seen[name])
			}
		}
	}
}
