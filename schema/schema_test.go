package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

func load(t testing.TB, kind string) *jsonschema.Schema {
	t.Helper()
	s, err := compiled[kind]()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKinds(t *testing.T) {
	for _, kind := range []string{"models", "scenario", "servers"} {
		if !slices.Contains(Kinds(), kind) {
			t.Errorf("no kind %s in %v", kind, Kinds())
		}
	}
	for _, kind := range Kinds() {
		load(t, kind) // the library checks it against the meta-schema
		if !json.Valid(Source(kind)) {
			t.Errorf("%s is not JSON", kind)
		}
	}
	if Source("nothing") != nil {
		t.Error("a kind that does not exist has a source")
	}
}

// keywords are those that the explainer knows. The meta-schema lets any other name pass, a
// misspelt one as well.
var keywords = []string{
	"$id", "$schema", "$ref", "title", "description", "default", "definitions",
	"type", "enum", "const", "examples", "properties", "required", "additionalProperties", "propertyNames",
	"minProperties",
	"items", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern",
	"minimum", "maximum", "exclusiveMinimum", "format", "allOf", "anyOf", "oneOf",
}

// TestLint refuses what compiles and does nothing: unknown keywords, siblings of $ref, patterns that are not anchored,
// objects that are open without saying what they hold, and properties without a description.
func TestLint(t *testing.T) {
	for _, kind := range Kinds() {
		var root any
		if err := json.Unmarshal(Source(kind), &root); err != nil {
			t.Fatal(err)
		}
		definitions := root.(map[string]any)["definitions"].(map[string]any)
		used := map[string]bool{}
		var lint func(path string, v any)
		named := func(path string, v any) {
			for key, sub := range v.(map[string]any) {
				lint(path+"/"+key, sub)
			}
		}
		lint = func(path string, v any) {
			s, ok := v.(map[string]any)
			if !ok {
				return // additionalProperties: false
			}
			for key, sub := range s {
				if !slices.Contains(keywords, key) {
					t.Errorf("%s: unknown keyword %q", path, key)
				}
				switch key {
				case "properties", "definitions":
					named(path+"/"+key, sub)
				case "items", "additionalProperties", "propertyNames":
					lint(path+"/"+key, sub)
				case "allOf", "anyOf", "oneOf":
					for i, alternative := range sub.([]any) {
						lint(fmt.Sprintf("%s/%s/%d", path, key, i), alternative)
					}
				case "$ref":
					name := strings.TrimPrefix(sub.(string), "#/definitions/")
					used[name] = true
					if definitions[name] == nil {
						t.Errorf("%s: no definition %q", path, name)
					}
					if len(s) > 1 {
						t.Errorf("%s: draft-07 ignores what stands beside $ref", path)
					}
				case "pattern":
					if p := sub.(string); !strings.HasPrefix(p, "^") && p != `\$\{` {
						t.Errorf("%s: pattern %s is not anchored", path, p)
					}
				case "title", "description":
					if text := sub.(string); text == "" || strings.HasSuffix(text, ".") != (key == "description") {
						t.Errorf("%s: %s %q: a description is a sentence, a title is not", path, key, text)
					}
				}
			}
			if s["type"] == "object" && s["additionalProperties"] == nil &&
				!strings.HasSuffix(path, "/profile/properties/body") {
				t.Errorf("%s: the mapping is open", path)
			}
			if s["pattern"] != nil && s["title"] == nil {
				t.Errorf("%s: a pattern without a title cannot be explained", path)
			}
		}
		lint(kind, root)
		for name := range definitions {
			if !used[name] {
				t.Errorf("%s: definition %q is not used", kind, name)
			}
		}
		for _, p := range Properties(kind) {
			if p.Description == "" && !strings.HasSuffix(p.Path, "<name>") {
				t.Errorf("%s: %s has no description", kind, p.Path)
			}
			if p.Type == "" {
				t.Errorf("%s: %s has no type", kind, p.Path)
			}
		}
	}
}

// TestDefaultsAreValid checks every default and every example against its own schema.
func TestDefaultsAreValid(t *testing.T) {
	for _, kind := range Kinds() {
		n := 0
		seen := map[*jsonschema.Schema]bool{}
		var visit func(s *jsonschema.Schema)
		visit = func(s *jsonschema.Schema) {
			if s == nil || seen[s] {
				return
			}
			seen[s] = true
			if s.Default != nil {
				n++
				if err := s.Validate(s.Default); err != nil {
					t.Errorf("%s: default %v: %v", s.Location, s.Default, err)
				}
			}
			for _, example := range s.Examples {
				if err := s.Validate(example); err != nil {
					t.Errorf("%s: example %v: %v", s.Location, example, err)
				}
			}
			visit(s.Ref)
			for _, sub := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
				visit(sub)
			}
			for _, sub := range s.Properties {
				visit(sub)
			}
			if sub, ok := s.Items.(*jsonschema.Schema); ok {
				visit(sub)
			}
			if sub, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
				visit(sub)
			}
		}
		visit(load(t, kind))
		if n == 0 && (kind == "scenario" || kind == "servers") {
			t.Errorf("%s has no defaults", kind)
		}
	}
}

// scenario returns a valid scenario that a case may spoil.
func scenario(spoil func(s, step map[string]any)) map[string]any {
	step := map[string]any{"id": "first", "ask": "Hello"}
	s := map[string]any{
		"schema": "homellm.scenario/v1", "name": "x",
		"conversations": []any{map[string]any{"id": "main", "steps": []any{step}}},
	}
	if spoil != nil {
		spoil(s, step)
	}
	return s
}

func TestValidate(t *testing.T) {
	at := func(parts ...string) []string { return parts }
	steps := at("conversations", "0", "steps", "0")
	below := func(parts ...string) []string { return append(slices.Clone(steps), parts...) }
	for _, c := range []struct {
		name  string
		spoil func(s, step map[string]any)
		want  []Problem
	}{
		{"nothing", nil, nil},
		{"int and float", func(s, _ map[string]any) { s["run"] = map[string]any{"repeats": 3.0, "warmup": 2} }, nil},
		{"reference", func(s, _ map[string]any) { s["run"] = map[string]any{"repeats": "${vars.n}"} }, nil},
		{"unknown key", func(s, _ map[string]any) { s["nam/e~"] = 1 },
			[]Problem{{Key: "nam/e~", Rule: "unknown-key", Message: `unknown key "nam/e~"`}}},
		{"missing key", func(s, _ map[string]any) { delete(s, "name") },
			[]Problem{{Rule: "missing-key", Message: `key "name" is missing`,
				Help: "Name of the scenario: key of its results and part of file names.", Missing: at("name")}}},
		{"path with special characters", func(s, _ map[string]any) { s["vars"] = map[string]any{"a/b~c %": []any{}} },
			[]Problem{
				{Path: at("vars"), Key: "a/b~c %", Rule: "key-format",
					Message: `"a/b~c %" is not an identifier such as first_turn: a lower-case letter, then lower-case letters, digits and _`},
			}},
		{"no action", func(_, step map[string]any) { delete(step, "ask") }, []Problem{
			{Path: steps, Rule: "one-of", Message: "one of these keys is missing: ask, inject, query, remove, continue, " +
				"edit, compact, wait, retrieve",
				Help: "add exactly one of them", Missing: at("ask", "inject", "query", "remove", "continue", "edit", "compact",
					"wait", "retrieve")},
		}},
		{"two actions", func(_, step map[string]any) { step["continue"] = "x" }, []Problem{
			{Path: steps, Key: "continue", Rule: "one-of", Message: "only one of these keys is possible: ask, continue",
				Help: "keep one of them"},
		}},
		{"alternatives of another type", func(_, step map[string]any) { step["continue"] = 5; delete(step, "ask") },
			[]Problem{
				{Path: below("continue"), Rule: "type", Message: "expected a text or a mapping, but this is 5",
					Help: "write it like this: {turns: [What else?, Thank you.]}"},
			}},
		{"alternative that is meant", func(_, step map[string]any) {
			step["continue"] = map[string]any{"turns": []any{}}
			delete(step, "ask")
		}, []Problem{{Path: below("continue", "turns"), Rule: "size",
			Message: "the list has 0 entries; at least 1 are needed"}}},
		{"number below its range", func(_, step map[string]any) { step["request"] = map[string]any{"temperature": -0.5} },
			[]Problem{
				{Path: below("request", "temperature"), Rule: "range", Message: "-0.5 is out of range: it must be 0 to 5"},
			}},
		{"fraction", func(_, step map[string]any) { step["request"] = map[string]any{"max_tokens": 1.5} }, []Problem{
			{Path: below("request", "max_tokens"), Rule: "type", Message: "expected a whole number, but this is 1.5"},
		}},
		{"null", func(_, step map[string]any) { step["timeout"] = nil }, []Problem{
			{Path: below("timeout"), Rule: "type",
				Message: "expected a duration such as 180s, 1m30s or 500ms, but this is empty",
				Help:    "write a value, or remove the key"},
		}},
		{"not a value of the list", func(_, step map[string]any) { step["request"] = map[string]any{"api": "rpc"} },
			[]Problem{
				{Path: below("request", "api"), Rule: "value", Message: `"rpc" is not possible here`,
					Help: "use chat, completions, responses or messages", Known: at("chat", "completions", "responses", "messages")},
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Validate("scenario", scenario(c.spoil))
			for i := range got {
				if got[i].Rule == "unknown-key" {
					got[i].Known = nil // as long as the schema
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestValidateNeverPanics gives values that make the validator panic.
func TestValidateNeverPanics(t *testing.T) {
	for _, doc := range []any{nil, 1, "x", []any{}, map[string]any{"schema": func() {}}, []byte("x"), struct{}{},
		map[string]any{"vars": map[string]any{"x": complex(1, 1)}}} {
		if len(Validate("scenario", doc)) == 0 {
			t.Errorf("%v is a valid scenario", doc)
		}
	}
	if got := Validate("nothing", map[string]any{}); len(got) != 1 || got[0].Rule != "invalid" {
		t.Errorf("a kind that does not exist: %v", got)
	}
}

// FuzzExplain checks that whatever the validator refuses is explained in other words than its own.
func FuzzExplain(f *testing.F) {
	for _, kind := range Kinds() {
		f.Add(kind, `{"schema": "homellm.`+kind+`/v1"}`)
	}
	valid, _ := json.Marshal(scenario(nil))
	f.Add("scenario", string(valid))
	f.Add("scenario", `{"matrix": {"a": [], "server": [1], "exclude": [{}]}, "vars": {"A": null}, "assert": ["", {"that": 1}]}`)
	f.Add("servers", `{"schema": "homellm.servers/v1", "servers": {"a": {"port": "x", "attach": {"api_key": {"env": "A", "file": "b"}}, "launch": {"flags": {"a": [[]], "-": 1}}}}}`)
	f.Add("models", `{"schema": "homellm.models/v1", "models": {"a": {"context": {"trained": 0}, "engines": {"x": {}}, "architecture": {"parameters": 0}}}}`)
	f.Fuzz(func(t *testing.T, kind, text string) {
		var doc any
		if json.Unmarshal([]byte(text), &doc) != nil || compiled[kind] == nil {
			return
		}
		s := load(t, kind)
		problems := Validate(kind, doc)
		if (s.Validate(doc) == nil) != (len(problems) == 0) {
			t.Fatalf("%d problems: %v", len(problems), s.Validate(doc))
		}
		for _, p := range problems {
			if p.Rule == "invalid" {
				t.Errorf("not explained: %s", p.Message)
			}
		}
	})
}

func TestDescribe(t *testing.T) {
	into := Describe("scenario", "into")
	if len(into) != 2 || into[0].Path != "conversations[].steps[].inject.into" ||
		!cmp.Equal(into[0].Values, []string{"turn", "system", "message"}) || into[0].Default != "turn" {
		t.Errorf("into: %+v", into)
	}
	if inject := Describe("scenario", "inject"); len(inject) != 1 || inject[0].Example != "{docs: [manual], into: turn}" {
		t.Errorf("inject: %+v", inject)
	}
	timeout := Describe("scenario", "timeout")
	if len(timeout) != 2 || timeout[0].Type != "a duration such as 180s, 1m30s or 500ms" {
		t.Errorf("timeout: %+v", timeout)
	}
	if got := Describe("scenario", "run.repeats"); len(got) != 1 || got[0].Key() != "repeats" || got[0].Required {
		t.Errorf("run.repeats: %+v", got)
	}
	if got := Describe("servers", "null_means"); len(got) != 1 ||
		got[0].Path != "servers.<name>.capabilities.cache_report.null_means" {
		t.Errorf("null_means: %+v", got)
	}
	if got := Describe("nothing", "x"); got != nil {
		t.Errorf("a kind that does not exist: %+v", got)
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		for _, kind := range Kinds() {
			if _, err := compile(kind); err != nil {
				b.Fatal(err)
			}
		}
	}
}
