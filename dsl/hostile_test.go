package dsl

import (
	"fmt"
	"strings"
	"testing"
)

// FuzzParse checks that no file makes reading it panic, hang or point outside of the file.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"schema: homellm.scenario/v1\nname: x\nconversations:\n  - id: a\n    steps:\n      - {id: b, ask: Hello}\n",
		"schema: homellm.servers/v1\nservers:\n  a: {extends: a}\n",
		"schema: homellm.models/v1\nmodels: {a: {context: {trained: 1}}}\n",
		"a: |2\n    x\n  y\n", "a: >-\n\n x\n", "a: &a [*a, *b]\n? [x]\n: y\n", "- !t x\n- \n- ~",
		"{a: 'it''s', \"b\\n\": 010}", "%YAML 1.2\n---\na\n...\n", "\ufeffa:\tb",
		"schema: homellm.scenario/v1\nvars: {a: '${vars.a}'}\nrun: {repeats: '${vars.a}${'}\nmatrix: {a: [1]}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		lines := strings.Count(text, "\n") + 1
		for _, d := range Validate(File{Name: "f.yaml", Data: []byte(text)}, nil, testVocabulary) {
			if d.Pos.Line > lines || d.Pos.Line < 0 || d.Pos.Line > 0 && d.Pos.Col < 1 {
				t.Errorf("%+v is outside of the file", d)
			}
			if d.Message == "" || d.Code == "" {
				t.Errorf("%+v says nothing", d)
			}
		}
	})
}

func BenchmarkDiagnose200Lines(b *testing.B) {
	var text strings.Builder
	text.WriteString("schema: homellm.scenario/v1\nname: bench\ndefaults: {request: {temperature: 0}}\nconversations:\n " +
		" - id: main\n    steps:\n")
	for i := range 48 {
		fmt.Fprintf(&text, "      - id: step_%d\n        querry: Hello\n        ask: Hello\n        assert: [turn.ttft_m > "+
			"%d]\n", i, i)
	}
	f := File{Name: "bench.yaml", Data: []byte(text.String())}
	for b.Loop() {
		if diags := Validate(f, nil, testVocabulary); len(diags) < 96 {
			b.Fatalf("%d findings: %v", len(diags), diags)
		}
	}
}
