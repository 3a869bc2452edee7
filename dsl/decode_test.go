package dsl

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
	"homellm/schema"
)

// decodeText reads a scenario and decodes it with the given values; expressions are not looked at.
func decodeText(t *testing.T, text string, dir fs.FS, v values) (*Scenario, syntax.Diagnostics) {
	t.Helper()
	tr, diags := readFile(File{Name: "s.yaml", Data: []byte(text), Dir: dir})
	if tr == nil || diags.Errors() {
		t.Fatal(diags)
	}
	return decodeScenario(tr, v, nil, nil)
}

//nolint:lll // every setting has its place
const wholeScenario = `schema: homellm.scenario/v1
name: whole
description: Every setting.
tags: [a, b]
requires: {context_tokens: 4096, capabilities: [usage, cache_report]}
matrix: {size: [64, 128], into: [system]}
vars: {topic: orbits, wait: 90s, n: 3}
defaults: {timeout: 2m, history: recorded, request: {temperature: 0, seed: 42, max_tokens: 128, stop: "\n\n", ignore_eos: true}}
run: {repeats: "${vars.n}", warmup: 2, order: abba, cooldown: 1s, error_budget: 12.5%, isolation: {cache: none, scope: run, allow_contaminated: true}}
documents:
  - {id: one, title: One, text: "On ${vars.topic}, $${vars.topic} and ${matrix.size}."}
  - {id: two, file: notes/two.txt}
  - {id: three, synthetic: {tokens: "${matrix.size}", seed: 7}}
conversations:
  - id: main
    title: Main
    description: The only one.
    tags: [b, c]
    tokens: 2000
    system: Answer on ${vars.topic}.
    steps:
      - {id: load, inject: {docs: [one, two, three], into: "${matrix.into}", prefill: true}}
      - id: question
        query: {text: "What on ${vars.topic}?", docs: [two]}
        timeout: ${vars.wait}
        request: {temperature: 0.5, top_p: 0.9, min_tokens: 3, max_tokens: 16, stop: [a, b], ignore_eos: false, api: completions}
        reply: Nothing.
        assert:
          - turn.ok
          - {name: named, that: " turn.ttft_ms > 0 ", on_unknown: fail, severity: warn, min_pass_rate: 90%, message: Why, abort: true}
      - {id: drop, remove: {docs: [two], mode: tombstone}}
      - {id: on, continue: {turns: [And?, Then?]}, reply: [This., That.]}
    assert: [conv.requests_failed == 0]
assert: [run.requests_failed == 0]
`

func TestDecodeScenario(t *testing.T) {
	dir := fstest.MapFS{"notes/two.txt": {Data: []byte("\ufeffSecond\r\ntext.")}}
	vars := map[string]any{"topic": "orbits", "wait": "90s", "n": 3}
	s, diags := decodeText(t, wholeScenario, dir, values{vars, map[string]any{"size": 64, "into": "system"}})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	one := &Document{ID: "one", Title: "One", Source: "text", Text: "On orbits, ${vars.topic} and 64."}
	two := &Document{ID: "two", Source: "file", Text: "Second\ntext."}
	three := &Document{ID: "three", Source: "synthetic", Tokens: 64, Seed: 7}
	def := Sampling{Temperature: new(0.0), Seed: new(int64(42)), MaxTokens: 128, Stop: []string{"\n\n"},
		IgnoreEOS: new(true)}
	want := &Scenario{
		SHA256: s.SHA256, Name: "whole", Description: "Every setting.", Tags: []string{"a", "b"},
		Requires: Requires{ContextTokens: 4096, Capabilities: []string{"usage", "cache_report"}},
		Run: Run{Repeats: 3, Warmup: 2, Order: "abba", Cooldown: time.Second, Cache: "none", Scope: "run",
			ErrorBudget: 0.125, AllowStale: true},
		Vars:      vars,
		Documents: []*Document{one, two, three},
		Conversations: []*Conversation{{
			ID: "main", Title: "Main", Description: "The only one.", Tags: []string{"a", "b", "c"}, Tokens: 2000,
			System: "Answer on orbits.", History: "recorded",
			Steps: []*Step{
				{ID: "load", Action: "inject", Do: Inject{Docs: []*Document{one, two, three}, Into: "system", Role: "user",
					Prefill: true}, Timeout: 2 * time.Minute, Request: def},
				{ID: "question", Action: "query", Do: s.Conversations[0].Steps[1].Do, Timeout: 90 * time.Second, Request: Sampling{
					Temperature: new(0.5), TopP: new(0.9), Seed: new(int64(42)), MaxTokens: 16, MinTokens: new(3),
					Stop: []string{"a", "b"}, IgnoreEOS: new(false), API: "completions",
				}, Assert: []*expr.Assertion{
					{Name: "step.question.assert[1]", That: "turn.ok", OnUnknown: "inconclusive", Severity: "fail", MinPassRate: 1,
						Scope: figure.StepScope},
					{Name: "named", That: "turn.ttft_ms > 0", OnUnknown: "fail", Severity: "warn", MinPassRate: 0.9, Message: "Why",
						Abort: true, Scope: figure.StepScope},
				}},
				{ID: "drop", Action: "remove", Do: s.Conversations[0].Steps[2].Do, Timeout: 2 * time.Minute, Request: def},
				{ID: "on", Action: "continue", Do: Continue{Texts: []string{"And?", "Then?"}, Replies: []string{"This.", "That."}},
					Timeout: 2 * time.Minute, Request: def},
			},
			Assert: []*expr.Assertion{{Name: "conversation.main.assert[1]", That: "conv.requests_failed == 0",
				OnUnknown: "inconclusive", Severity: "fail", MinPassRate: 1, Scope: figure.ConversationScope}},
		}},
		Assert: []*expr.Assertion{{Name: "assert[1]", That: "run.requests_failed == 0", OnUnknown: "inconclusive",
			Severity: "fail", MinPassRate: 1, Scope: figure.ScenarioScope}},
	}
	options := cmp.Options{
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Pos" || p.Last().String() == ".named" },
			cmp.Ignore()),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".program" || p.Last().String() == ".source" },
			cmp.Ignore()),
	}
	if diff := cmp.Diff(want, s, options); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	question := s.Conversations[0].Steps[1]
	if want := (syntax.Pos{File: "s.yaml", Line: 23, Col: 9}); question.Pos != want {
		t.Errorf("the step is at %v, want %v", question.Pos, want)
	}
	if want := (syntax.Pos{File: "s.yaml", Line: 30, Col: 33}); question.Assert[1].Pos != want {
		t.Errorf("the assertion is at %v, want %v", question.Assert[1].Pos, want)
	}
}

func TestDigestCoversDocuments(t *testing.T) {
	text := "schema: homellm.scenario/v1\nname: x\ndocuments: [{id: a, file: a.txt}]\nconversations: [{id: c, steps: " +
		"[{id: l, inject: {docs: [a]}}, {id: s, ask: Hello}]}]\n"
	digest := func(text, document string) string {
		s, _ := decodeText(t, text, fstest.MapFS{"a.txt": {Data: []byte(document)}}, values{})
		return s.SHA256
	}
	first := digest(text, "one")
	if first == "" || first != digest(text, "one") {
		t.Error("the digest of the same files differs")
	}
	if first == digest(text, "two") || first == digest(text+"\n", "one") {
		t.Error("the digest of different files is the same")
	}
}

// TestSubstitutionIsTyped checks that a value that is nothing but a reference keeps its type.
func TestSubstitutionIsTyped(t *testing.T) {
	d := &decoder{src: &syntax.Source{Name: "f"}, usedVars: map[string]bool{}, usedAxes: map[string]bool{}, values: values{
		vars: map[string]any{"s": "text", "i": 3, "f": 0.5, "b": true, "big": 1e21}, matrix: map[string]any{"x": 7},
	}}
	for text, want := range map[string]any{
		"${vars.s}": "text", "${vars.i}": 3, "${vars.f}": 0.5, "${vars.b}": true, "${matrix.x}": 7,
		" ${vars.i}": " 3", "${vars.i}${matrix.x}": "37", "${vars.f}/${vars.b}": "0.5/true",
		"n=${vars.big}": "n=1000000000000000000000",
		"$${vars.s}":    "${vars.s}", "$$${vars.s}": "$${vars.s}", "costs $5": "costs $5", "{vars.s}": "{vars.s}",
	} {
		n := &syntax.Node{Kind: syntax.StringKind, Scalar: text}
		if got := d.substitute(n, "ask").Scalar; got != want {
			t.Errorf("%q became %#v, want %#v", text, got, want)
		}
		if n.Scalar != text {
			t.Errorf("%q: the tree was changed", text)
		}
	}
	if len(d.diags) > 0 {
		t.Error(d.diags)
	}
}

// TestEveryKeyIsDecoded compares the schemas with the decoder: a document with every property of the schema is decoded,
// and the decoder must ask for every key of it, and for no other.
func TestEveryKeyIsDecoded(t *testing.T) {
	for kind, exceptions := range map[string][]string{
		// Read elsewhere: by the planner, or by the step that the key selects.
		"scenario": {"matrix.box", "matrix.exclude", "matrix.include", "matrix.model", "matrix.server"},
		"servers":  {},
		"models":   {},
	} {
		t.Run(kind, func(t *testing.T) {
			var missing, unknown []string
			properties := schema.Properties(kind)
			asked := map[string]bool{}
			for variant := range 9 {
				root := everything(properties, variant)
				trace := func(n *syntax.Node, key string) {
					if n == nil || n.Kind != syntax.MapKind {
						return
					}
					if n.Reference != "" { // the path of the mapping, see everything
						asked[n.Reference+"."+key] = true
					}
				}
				decodeEverything(kind, root, trace)
			}
			for _, p := range properties {
				path := strings.ReplaceAll(p.Path, "[]", "")
				if strings.Contains(path, "<name>") && strings.HasSuffix(path, "<name>") || slices.Contains(exceptions, path) {
					continue
				}
				if !asked["root."+path] {
					missing = append(missing, p.Path)
				}
			}
			for path := range asked {
				path = strings.TrimPrefix(path, "root.")
				if !slices.ContainsFunc(properties, func(p schema.Property) bool {
					return strings.ReplaceAll(p.Path, "[]",
						"") == path
				}) {
					unknown = append(unknown, path)
				}
			}
			slices.Sort(unknown)
			if len(missing) > 0 {
				t.Errorf("the decoder does not read %s", strings.Join(missing, ", "))
			}
			if len(unknown) > 0 {
				t.Errorf("the schema does not have %s", strings.Join(unknown, ", "))
			}
		})
	}
}

// everything returns a tree with every property of a schema. Of keys that exclude each other the
// decoder reads the first; the variant turns their order. Every mapping carries its path.
func everything(properties []schema.Property, variant int) *syntax.Node {
	root := &syntax.Node{Kind: syntax.MapKind, Reference: "root"}
	exclusive := []string{"ask", "inject", "query", "remove", "continue", "edit", "compact", "wait", "retrieve"}
	sources := []string{"text", "file", "synthetic"}
	for _, p := range properties {
		parts := strings.Split(p.Path, ".")
		n := root
		for i, part := range parts {
			name := strings.TrimSuffix(part, "[]")
			path := strings.Join(parts[:i+1], ".")
			if slices.Contains(exclusive, name) && strings.HasPrefix(path, "conversations[].steps[]."+name) &&
				exclusive[variant] != name ||
				slices.Contains(sources, name) && path == "documents[]."+name && sources[variant%3] != name {
				break
			}
			if name == "<name>" {
				name = "a"
			}
			child := n.Get(name)
			last := i == len(parts)-1
			list := strings.HasSuffix(part, "[]") || last && slices.ContainsFunc(properties,
				func(o schema.Property) bool { return strings.HasPrefix(o.Path, p.Path+"[].") })
			if child == nil {
				child = &syntax.Node{Kind: syntax.StringKind, Scalar: scalarFor(p, last), Line: 1, Col: 1, Reference: "root." +
					strings.ReplaceAll(path, "[]", "")}
				switch child.Scalar.(type) {
				case int:
					child.Kind = syntax.IntKind
				case bool:
					child.Kind = syntax.BoolKind
				}
				if !last || slices.ContainsFunc(properties, func(o schema.Property) bool {
					return strings.HasPrefix(strings.ReplaceAll(o.Path, "[]", ""), strings.ReplaceAll(path, "[]", "")+".")
				}) {
					child.Kind, child.Scalar = syntax.MapKind, nil
				}
				value := child
				if list {
					value = &syntax.Node{Kind: syntax.ListKind, Items: []*syntax.Node{child}, Reference: child.Reference}
				}
				n.Entries = append(n.Entries, syntax.Entry{Key: name, Line: 1, Col: 1, Node: value})
			}
			n = child
			if n.Kind == syntax.ListKind {
				n = n.Items[0]
			}
		}
	}
	return root
}

func scalarFor(p schema.Property, last bool) any {
	switch {
	case !last:
		return nil
	case strings.Contains(p.Type, "true or false"):
		return true
	case strings.HasPrefix(p.Type, "a whole number"), strings.HasPrefix(p.Type, "a number"):
		return 1
	case strings.Contains(p.Type, "duration"):
		return "1s"
	}
	return "x"
}

func decodeEverything(kind string, root *syntax.Node, trace func(*syntax.Node, string)) {
	d := &decoder{src: syntax.NewSource("f.yaml", "x"), trace: trace}
	switch kind {
	case "scenario":
		d.scenario(&tree{src: d.src, root: root, documents: map[string]string{},
			images: map[string]wire.Image{}, dir: fstest.MapFS{}})
	case "servers":
		n := root.Get("servers").Get("a")
		d.get(root, "schema")
		d.get(root, "servers")
		if defaults := d.get(root, "defaults"); defaults != nil {
			// The defaults of a file are laid below each of its profiles.
			for _, key := range []string{"startup", "stop", "http"} {
				d.get(defaults, key)
				d.server(syntax.Entry{Key: "a", Node: n}, &syntax.Node{Kind: syntax.MapKind,
					Entries: []syntax.Entry{{Key: key, Node: defaults.Get(key)}}})
			}
		}
		d.server(syntax.Entry{Key: "a", Node: n}, n)
	case "models":
		d.get(root, "schema")
		d.get(root, "models")
		d.get(root, "templates")
		d.template(syntax.Entry{Key: "a", Node: root.Get("templates").Get("a")})
		d.model(syntax.Entry{Key: "a", Node: root.Get("models").Get("a")},
			map[string]syntax.Entry{"x": {Key: "x", Node: root.Get("templates").Get("a")}})
	}
}

// TestDefaultsAreThoseOfTheSchema decodes a document without optional keys and one that has the
// schema's defaults written out; the results must be equal.
func TestDefaultsAreThoseOfTheSchema(t *testing.T) {
	written := map[string]any{}
	for _, p := range schema.Properties("scenario") {
		for _, prefix := range []string{"run.", "defaults."} {
			if p.Default != nil && strings.HasPrefix(p.Path, prefix) {
				at := written
				parts := strings.Split(p.Path, ".")
				for _, part := range parts[:len(parts)-1] {
					if at[part] == nil {
						at[part] = map[string]any{}
					}
					at = at[part].(map[string]any)
				}
				at[parts[len(parts)-1]] = p.Default
			}
		}
	}
	data, err := json.Marshal(written) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	text := "schema: homellm.scenario/v1\nname: x\nconversations: [{id: c, steps: [{id: s, ask: Hello}]}]\n"
	body := strings.TrimSuffix(strings.TrimPrefix(string(data), "{"), "}")
	short, _ := decodeText(t, text, nil, values{})
	head, tail := `{"schema": "homellm.scenario/v1", "name": "x", `,
		`, "conversations": [{"id": "c", "steps": [{"id": "s", "ask": "Hello"}]}]}`
	long, _ := decodeText(t, head+body+tail, nil, values{})
	if long == nil || len(written) != 2 {
		t.Fatalf("%s", data)
	}
	if diff := cmp.Diff(short.Run, long.Run); diff != "" {
		t.Errorf("run (-decoder +schema)\n%s", diff)
	}
	a, b := short.Conversations[0], long.Conversations[0]
	if a.History != b.History || a.Steps[0].Timeout != b.Steps[0].Timeout {
		t.Errorf("history %s and %s, timeout %v and %v", a.History, b.History, a.Steps[0].Timeout, b.Steps[0].Timeout)
	}
	if a.Steps[0].Request.MaxTokens != defaultMaxTokens {
		t.Errorf("max_tokens %d", a.Steps[0].Request.MaxTokens)
	}
	for path, want := range map[string]any{
		"conversations[].steps[].request.max_tokens": float64(defaultMaxTokens),
		"assert[].on_unknown":                        "inconclusive",
		"assert[].severity":                          "fail",
	} {
		if got := schema.Describe("scenario", path); len(got) != 1 || fmt.Sprint(got[0].Default) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %v", path, got, want)
		}
	}
}
