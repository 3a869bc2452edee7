package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"homellm/engine/exit"
	"homellm/engine/hub"
)

func TestChoose(t *testing.T) {
	gguf := func(quant string) spec { return spec{format: "gguf", quant: quant} }
	for name, tc := range map[string]struct {
		spec  spec
		paths string
		want  string // paths, or a part of the error
	}{
		"what servers need": {spec{}, "config.json model.safetensors pytorch_model.bin README.md a.gguf " +
			"sub/config.json chat_template.jinja tokenizer.model",
			"config.json model.safetensors chat_template.jinja tokenizer.model"},
		"weights that are there twice": {spec{},
			"consolidated.safetensors model-00001-of-00002.safetensors model-00002-of-00002.safetensors",
			"model-00001-of-00002.safetensors model-00002-of-00002.safetensors"},
		"weights under the other name alone": {spec{}, "consolidated.safetensors params.json",
			"consolidated.safetensors params.json"},
		"f16 is no bf16":      {gguf("f16"), "m-BF16.gguf m-F16.gguf", "m-F16.gguf"},
		"q4_k is no q4_k_m":   {gguf("q4_k"), "m.Q4_K_M.gguf m.Q4_K.gguf m.Q4_K_S.gguf", "m.Q4_K.gguf"},
		"q4_0 is no q4_0_4_4": {gguf("Q4_0"), "m-q4_0_4_4.gguf m-q4_0.gguf", "m-q4_0.gguf"},
		"parts of one": {gguf("q8_0"),
			"m-q8_0-00001-of-00002.gguf m-q8_0-00002-of-00002.gguf m-q4_0.gguf",
			"m-q8_0-00001-of-00002.gguf m-q8_0-00002-of-00002.gguf"},
		"a projector is none": {gguf("f16"), "mmproj-m-f16.gguf m-f16.gguf", "m-f16.gguf"},
		"the only one":        {gguf(""), "m.gguf config.json", "m.gguf"},
		"two of a name": {gguf("q8_0"), "a-q8_0.gguf b-q8_0.gguf",
			`has 2 GGUF files, and more than one is named "q8_0": a-q8_0.gguf, b-q8_0.gguf`},
		"none of a name":   {gguf("q8_0"), "a-q4_0.gguf", `has 1 GGUF files, and none is named "q8_0"`},
		"two, and no name": {gguf(""), "a.gguf b.gguf", "has 2 GGUF files, and nothing says which"},
		"no GGUF":          {gguf("q8_0"), "config.json", "has no GGUF files"},
		"no weights":       {spec{}, "README.md", "has no safetensors files"},
	} {
		var listed []hub.File
		for p := range strings.FieldsSeq(tc.paths) {
			listed = append(listed, hub.File{Path: p})
		}
		files, err := tc.spec.choose(listed)
		var got []string
		for _, f := range files {
			got = append(got, f.Path)
		}
		if err != nil && !strings.Contains(err.Error(), tc.want) || err == nil && strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %v, %v; want %s", name, got, err, tc.want)
		}
		if _, ok := errors.AsType[*exit.Failure](err); ok != (err != nil && tc.spec.format == "gguf") {
			t.Errorf("%s: %v has no hint", name, err)
		}
	}
}

// Names that claim many parts are not believed for long.
func TestMissingParts(t *testing.T) {
	if got := parts([]hub.File{{Path: "a-00001-of-99999.gguf"}, {Path: "b-00001-of-99999.gguf"}}); len(got) > mostParts {
		t.Errorf("%d parts are looked for, want at most %d", len(got), mostParts)
	}
	got := missing("", []hub.File{{Path: "a-00001-of-00003.gguf"}, {Path: "a-00003-of-00003.gguf"},
		{Path: "b-00002-of-00002.gguf"}, {Path: "a.gguf"}}, "gguf")
	if want := []string{"a-00002-of-00003.gguf", "b-00001-of-00002.gguf"}; !slices.Equal(got, want) {
		t.Errorf("missing are %v, want %v", got, want)
	}
}

// snapshot lays a snapshot out whose files have the bytes of their names.
func snapshot(t *testing.T, commit string, paths ...string) hub.Cache {
	t.Helper()
	c := hub.Cache{Dir: t.TempDir()}
	for _, p := range paths {
		link := filepath.Join(c.Snapshot("acme/tiny", commit), p)
		data := []byte(p)
		if p == indexName {
			data, _ = json.Marshal(map[string]any{"weight_map": map[string]string{"a": "model-00001-of-00002.safetensors",
				"b": "model-00002-of-00002.safetensors"}})
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(link, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// What is here is judged by what a server would miss, no matter which program fetched it.
func TestHolds(t *testing.T) {
	const commit = "c0ffee"
	for name, tc := range map[string]struct {
		spec    spec
		paths   string
		files   int
		missing string
	}{
		"nothing":                     {paths: "", missing: "config.json model.safetensors"},
		"whole":                       {paths: "config.json model.safetensors", files: 2},
		"a tokeniser alone":           {paths: "tokenizer.json", files: 1, missing: "config.json model.safetensors"},
		"weights alone":               {paths: "model.safetensors", files: 1, missing: "config.json"},
		"weights as Mistral has them": {paths: "consolidated.safetensors params.json", files: 2},
		"parts by their index": {paths: "config.json " + indexName + " model-00001-of-00002.safetensors", files: 3,
			missing: "model-00002-of-00002.safetensors"},
		"no parts, but their index": {paths: "config.json " + indexName, files: 2,
			missing: "model-00001-of-00002.safetensors model-00002-of-00002.safetensors"},
		"parts by their names": {spec: spec{format: "gguf"},
			paths: "m-00001-of-00003.gguf m-00003-of-00003.gguf", files: 2, missing: "m-00002-of-00003.gguf"},
		"another quantisation": {spec: spec{format: "gguf", quant: "q8_0"}, paths: "m-q4_0.gguf config.json",
			missing: "model.gguf"},
		"promised": {spec: spec{files: []hub.File{{Path: "a.gguf", Bytes: 6}, {Path: "b.gguf"}}},
			paths: "a.gguf c.gguf", files: 1, missing: "b.gguf"},
		"promised, of another size": {spec: spec{files: []hub.File{{Path: "a.gguf", Bytes: 7}}}, paths: "a.gguf",
			missing: "a.gguf"},
	} {
		tc.spec.repo = "acme/tiny"
		got := holds(snapshot(t, commit, strings.Fields(tc.paths)...), tc.spec, commit)
		if len(got.files) != tc.files || strings.Join(got.missing, " ") != tc.missing ||
			got.whole() != (tc.files > 0 && tc.missing == "") {
			t.Errorf("%s: %+v; want %d files, missing %q", name, got, tc.files, tc.missing)
		}
		var size int64
		for _, f := range got.files {
			size += f.Bytes
		}
		if size != got.bytes() || tc.files > 0 && size == 0 {
			t.Errorf("%s: %d bytes, want %d", name, got.bytes(), size)
		}
	}
	c := snapshot(t, commit, "config.json", indexName)
	huge := append(bytes.Repeat([]byte(" "), indexBytes), "{}"...)
	if err := os.WriteFile(filepath.Join(c.Snapshot("acme/tiny", commit), indexName), huge, 0o644); err != nil {
		t.Fatal(err)
	}
	got := holds(c, spec{repo: "acme/tiny"}, commit)
	if !slices.Equal(got.missing, []string{indexName}) {
		t.Errorf("a huge index leaves %v missing", got.missing)
	}
	// An interrupted download counts for the source that asked for it.
	part := filepath.Join(c.Dir, "models--acme--tiny", "blobs", strings.Repeat("c", 64)+".part")
	if err := errors.Join(os.MkdirAll(filepath.Dir(part), 0o755), os.WriteFile(part, make([]byte, 100), 0o644),
		os.WriteFile(part+".path", []byte("tiny-q4.gguf"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[int64]spec{0: {}, 100: {format: "gguf", quant: "q4"}} {
		s.repo = "acme/tiny"
		if got := holds(c, s, commit); got.unfinished != want {
			t.Errorf("%+v: %d bytes are unfinished, want %d", s, got.unfinished, want)
		}
	}
	if got := holds(snapshot(t, "other", "model.safetensors"), spec{repo: "acme/tiny"}, ""); len(got.files) != 0 {
		t.Errorf("a commit that is not known holds %+v", got)
	}
}
