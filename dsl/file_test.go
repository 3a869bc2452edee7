package dsl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"homellm/dsl/syntax"
)

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "s.yaml")
	text := "schema: homellm.scenario/v1\nname: x\ndefaults: {request: {temperature: 0}}\ndocuments: [{id: a, file: " +
		"a.txt}]\nconversations: [{id: c, steps: [{id: l, inject: {docs: [a]}}, {id: s, query: What?}]}]\n"
	for file, data := range map[string]string{"s.yaml": text, "a.txt": "A text.",
		"large.yaml": strings.Repeat("x", 3<<20)} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diags := Validate(f, nil, testVocabulary); len(diags) > 0 {
		t.Error(diags)
	}
	if f, err = OpenFile(filepath.Join(dir, "large.yaml")); err != nil || len(f.Data) != syntax.MaxBytes+1 {
		t.Errorf("of a large file %d bytes were read, %v", len(f.Data), err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "none.yaml"), os.DevNull} {
		if _, err := OpenFile(bad); err == nil {
			t.Errorf("%s was opened", bad)
		}
	}
}

// TestSecretsAreMasked checks every form of output for a key that is written in a file.
func TestSecretsAreMasked(t *testing.T) {
	for _, text := range []string{
		"schema: homellm.servers/v1\nservers:\n  a: {engine: openai, attach: {url: \"http://127.0.0.1:1\", api_key: " +
			"sk-hunter2}}\n",
		"schema: homellm.servers/v1\nservers:\n  a: {engine: openai, attach: {url: \"http://me:sk-hunter2@127.0.0.1:1\"}, " +
			"modells: [any]}\n",
	} {
		diags := Validate(serverText(text), nil, testVocabulary)
		var b strings.Builder
		for _, write := range []func() error{func() error { return diags.WriteText(&b) },
			func() error { return diags.WriteJSON(&b) }, func() error { return diags.WriteGitHub(&b) }} {
			if err := write(); err != nil {
				t.Fatal(err)
			}
		}
		if !diags.Errors() || strings.Contains(b.String(), "hunter2") {
			t.Errorf("the key is shown, or not refused:\n%s", b.String())
		}
	}
}

func serverText(text string) File { return File{Name: "servers.yaml", Data: []byte(text)} }

func BenchmarkLoad(b *testing.B) {
	data, err := os.ReadFile("../scenarios/rag-long.yaml")
	if err != nil {
		b.Fatal(err)
	}
	f := File{Name: "rag-long.yaml", Data: data, Dir: os.DirFS("../scenarios")}
	for b.Loop() {
		t, diags := readFile(f)
		if t == nil || diags.Errors() {
			b.Fatal(diags)
		}
		d := &decoder{src: t.src}
		if _, diags := decodeScenario(t, values{vars: readVars(d, t.root, Options{})}, nil, nil); diags.Errors() {
			b.Fatal(diags)
		}
	}
}
