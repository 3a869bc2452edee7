//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"homellm/dsl"
	"homellm/engine/files"
	"homellm/engine/hub"
)

func TestModels_FromPullToRemoval(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	p := modelsProgram(t, h)
	p.want(t, 0, []string{"tiny"}, "models", "list")

	out := p.want(t, 0, []string{"is in cache/huggingface/hub/models--acme--tiny/snapshots/" + h.commit,
		"pins no revision", `revision: "` + h.commit + `"`,
		`{path: "model.safetensors", bytes: 41943040, sha256: "` + h.files["model.safetensors"].sha256 + `"}`}, "models",
		"pull", "tiny")
	got, err := os.ReadFile(filepath.Join(p.dir, "cache/huggingface/hub/models--acme--tiny/snapshots", h.commit,
		"model.safetensors"))
	if err != nil || sha256Of(got) != h.files["model.safetensors"].sha256 {
		t.Fatalf("the file is not what the hub has: %v", err)
	}
	pinned(t, out, h)

	p.want(t, 0, []string{"is in"}, "models", "pull", "tiny", "--source", "gguf")
	if _, err := os.Stat(filepath.Join(p.dir, "cache/huggingface/hub/models--acme--tiny/snapshots", h.commit,
		"tiny-q8_0.gguf")); err == nil {
		t.Error("a GGUF of another quantisation was fetched")
	}
	p.want(t, 0, []string{"yes, ", "another revision, "}, "models", "list", "--vram", "24")
	p.want(t, 0, []string{"3 files checked"}, "models", "verify", "tiny")

	blob := filepath.Join(p.dir, "cache/huggingface/hub/models--acme--tiny/blobs", h.files["config.json"].sha256)
	if err := os.WriteFile(blob, []byte(`{"model_type": "tinx"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p.want(t, 1, []string{"config.json", "removed", "1 file wrong"}, "models", "verify")
	if _, err := os.Stat(blob); err == nil {
		t.Error("a wrong file is still there")
	}
	p.want(t, 0, nil, "models", "pull", "tiny", "--quiet")
	p.want(t, 0, []string{"checked"}, "models", "verify", "tiny")

	h.set(func() { h.commit = strings.Repeat("deadbeef", 5) })
	p.want(t, 0, []string{"the branch moved"}, "models", "pull", "tiny")
	p.want(t, 0, []string{"deleted tiny"}, "models", "rm", "tiny")
	p.want(t, 5, []string{"is not here"}, "models", "rm", "tiny")
}

// TestModels_States compares the states that are printed with the files on disk. Sources from one repository are told
// apart.
func TestModels_States(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	p := modelsProgram(t, h)
	states := func() (hf, gguf string) {
		for line := range strings.Lines(p.want(t, 0, nil, "models", "list", "--vram", "24")) {
			words := strings.Fields(line)
			if len(words) > 3 && words[0] == "tiny" {
				rest := strings.TrimSpace(line[strings.Index(line, words[2])+len(words[2]):])
				state, _, _ := strings.Cut(rest, "  ")
				if words[1] == "hf" {
					hf = state
				} else {
					gguf = state
				}
			}
		}
		return hf, gguf
	}
	check := func(when, hf, gguf string) {
		t.Helper()
		if gotHF, gotGGUF := states(); gotHF != hf || gotGGUF != gguf {
			t.Errorf("%s: hf %q, gguf %q; want %q and %q", when, gotHF, gotGGUF, hf, gguf)
		}
	}
	check("at first", "no", "no")
	p.want(t, 0, nil, "models", "pull", "tiny", "--source", "gguf")
	check("with the GGUF", "no", "yes, 5 MB")
	p.want(t, 0, []string{"tiny (gguf)", "1 file checked"}, "models", "verify", "tiny")
	p.want(t, 0, nil, "models", "pull", "tiny", "--file", "config.json")
	check("with the configuration", "part of it, 0 kB", "yes, 5 MB")
	p.want(t, 1, []string{"model.safetensors: missing", "0 files wrong, 1 missing"}, "models", "verify", "tiny")
	p.want(t, 0, nil, "models", "pull", "tiny")
	check("with the weights", "yes, 42 MB", "yes, 5 MB")
	blob := filepath.Join(p.dir, "cache/huggingface/hub/models--acme--tiny/blobs", h.files["model.safetensors"].sha256)
	if err := os.Truncate(blob, 77); err != nil {
		t.Fatal(err)
	}
	p.want(t, 1, []string{"model.safetensors: has hash", "; removed"}, "models", "verify", "tiny")
	p.want(t, 1, []string{"model.safetensors: missing"}, "models", "verify", "tiny")
	check("with damaged weights", "part of it, 0 kB", "yes, 5 MB")
	p.want(t, 0, nil, "models", "rm", "tiny")
	p.want(t, 0, nil, "models", "pull", "acme/tiny", "--file", "model.safetensors")
	check("with the weights alone", "part of it, 42 MB", "no")
	p.want(t, 1, []string{"config.json: missing"}, "models", "verify", "tiny")
	p.want(t, 0, []string{"1 file checked"}, "models", "verify", "acme/tiny") // which may not have one
	p.want(t, 0, nil, "models", "rm", "tiny")
	// Of a source that names its files, the same.
	p.want(t, 0, nil, "models", "pull", "named", "--file", "config.json", "--source", "half")
	p.want(t, 1, []string{"named (half)", "model.safetensors: missing", "1 file checked"}, "models", "verify", "named")
	p.want(t, 0, nil, "models", "rm", "named")
	p.want(t, 0, nil, "models", "pull", "named", "--file", "tiny-q8_0.gguf", "--revision", "dev")
	if out := p.want(t, 0, nil, "models", "list"); !strings.Contains(out, "another revision, 6 MB") {
		t.Errorf("a file of another revision, with another hash, is not told:\n%s", out)
	}
	p.want(t, 0, nil, "models", "rm", "named")
	p.want(t, 0, []string{"this is what dev is now"}, "models", "pull", "tiny", "--revision", "dev")
	check("with another branch", "another revision, 42 MB", "no")
	p.want(t, 0, []string{"2 files checked"}, "models", "verify", "tiny")
}

// A pull takes less than 62 MB, the program itself included.
func TestModels_PullMemory(t *testing.T) {
	t.Parallel()
	switch {
	case runtime.GOOS != "linux":
		t.Skip("reads /proc")
	case raceFactor() > 1:
		t.Skip("the race detector takes more than the pull")
	}
	h := newHub(t)
	h.files = map[string]hubFile{"model.safetensors": newHubFile(make([]byte, 96<<20))}
	p := modelsProgram(t, h)
	c, stdout, stderr := p.command("models", "pull", "tiny", "--quiet")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	peak := 0 // not the one that Wait tells: a child begins with that of its parent
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid)) // none once it is over
		for line := range strings.Lines(string(status)) {
			var kB int
			if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 {
				peak = max(peak, kB)
			}
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("%v\n%s%s", err, stdout, stderr)
			}
			if peak == 0 || peak<<10 > 62e6 {
				t.Errorf("it took %.1f MB", float64(peak<<10)/1e6)
			}
			t.Logf("%.1f MB", float64(peak<<10)/1e6)
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// A line that wraps cannot be painted over.
func TestPullBar(t *testing.T) {
	var b bytes.Buffer
	bar := newPullBar(process{stderr: &b, columns: 80}, false)
	bar.show(hub.Progress{File: strings.Repeat("long", 30), Files: 3, Number: 2, Done: 25e8, Total: 1e10,
		BytesPerSecond: 31e6, ETA: 241 * time.Second})
	got := strings.TrimPrefix(b.String(), repaint)
	for _, want := range []string{"██████░░", " 25 %", "2.5 GB of 10.0 GB", "31 MB/s", "ETA 4m1s"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	if n := utf8.RuneCountInString(got); n > 79 {
		t.Errorf("%d columns: %q", n, got)
	}
	if got := describePull(hub.Progress{Waiting: true, Total: 10, Files: 2, Number: 1, File: "a"}); !strings.Contains(got,
		"another pull holds the file  file 1 of 2  a") {
		t.Errorf("%q", got)
	}
}

// TestPlan_ExactTokens counts with a tokeniser that is in the cache, when it is asked to.
func TestPlan_ExactTokens(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	tokenizer, err := os.ReadFile(filepath.Join("..", "..", "engine", "tokens", "testdata", "tokenizers", "bytewise.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Tokenizer json.RawMessage }
	if err := json.Unmarshal(tokenizer, &file); err != nil {
		t.Fatal(err)
	}
	h.files["tokenizer.json"] = newHubFile(file.Tokenizer)
	p := modelsProgram(t, h)
	p.want(t, 0, nil, "models", "pull", "tiny", "--file", "tokenizer.json")
	if out := p.want(t, 0, nil, "plan", "quickstart", "--model", "tiny"); !strings.Contains(out, "~") {
		t.Errorf("a plan that was not asked for exact counts has some:\n%s", out)
	}
	if out := p.want(t, 0, nil, "plan", "quickstart", "--model", "tiny", "--exact-tokens"); strings.Contains(out, "~") {
		t.Errorf("counts are not exact:\n%s", out)
	}
}

// pinned lays what a pull printed into a models file and checks that it is one.
func pinned(t *testing.T, out string, h *fakeHub) {
	t.Helper()
	_, snippet, ok := strings.Cut(out, "in your own models file:\n")
	if !ok {
		t.Fatal(out)
	}
	var b strings.Builder
	b.WriteString("schema: homellm.models/v1\nmodels:\n  tiny:\n    context: {trained: 32768}\n    sources:\n")
	for line := range strings.Lines(snippet) {
		b.WriteString("    " + line)
	}
	lib, ds := dsl.LoadLibrary(dsl.File{Name: "m.yaml", Data: []byte(b.String())})
	if ds.Errors() {
		t.Fatalf("what pull prints is no models file:\n%s\n%v", b.String(), ds)
	}
	if s := lib.Model("tiny").Sources[0]; s.Revision != h.commit || len(s.Files) < 2 {
		t.Errorf("%+v", s)
	}
}

func TestModels_BadInput(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	p := modelsProgram(t, h)
	p.want(t, 2, []string{`did you mean "qwen2.5-3b"`}, "models", "pull", "qwen-2.5-3b")
	p.want(t, 2, []string{"its sources: hf, gguf"}, "models", "pull", "tiny", "--source", "onnx")
	p.want(t, 5, []string{"promised", "pulling"}, "models", "pull", "promised")
	if left, _ := filepath.Glob(filepath.Join(p.dir, "cache/huggingface/hub/*/snapshots/*/config.json")); left != nil {
		t.Errorf("a file with another hash is kept: %v", left)
	}
	for code, tt := range map[string]struct {
		status int
		want   string
	}{
		"GatedRepo":    {403, "HF_TOKEN"},
		"RepoNotFound": {401, "HF_TOKEN"},
	} {
		h.set(func() { h.status, h.code = tt.status, code })
		p.want(t, 5, []string{tt.want}, "models", "pull", "tiny")
	}
	h.set(func() { h.status = 0 })
	p.want(t, 5, []string{"2 GGUF files, and nothing says which",
		"choose one with --file: tiny-q4_k_m.gguf, tiny-q8_0.gguf"}, "models", "pull", "acme/tiny", "--source", "gguf")
	p.env = append(p.env, "HF_HUB_OFFLINE=1")
	p.want(t, 5, []string{"HF_HUB_OFFLINE"}, "models", "pull", "tiny")
}

// TestModels_SetupAfterKill kills a setup in the middle of a file with SIGKILL; the next one continues.
func TestModels_SetupAfterKill(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	p := modelsProgram(t, h)
	// This hub has none of the shipped models. Only ours is available, and it is the largest that fits.
	only := "schema: homellm.models/v1\nmodels:\n"
	lib := files.ShippedLibrary()
	for _, m := range lib.Models {
		only += fmt.Sprintf("  %s: {context: {trained: 1024}}\n", m.Name)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "none.yaml"), []byte(only), 0o600); err != nil {
		t.Fatal(err)
	}
	setup := []string{"models", "setup", "--vram", "24", "--models", "none.yaml"}
	h.set(func() { h.stall = true })
	c, stdout, stderr := p.command(setup...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	parts := func() (bytes int64) {
		files, _ := filepath.Glob(filepath.Join(p.dir, "cache/huggingface/hub/models--acme--tiny/blobs/*"))
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				bytes += info.Size()
			}
		}
		return bytes
	}
	for deadline := time.Now().Add(20 * time.Second); parts() < 20<<20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing arrived\n%s%s", stdout, stderr)
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	if _, err := os.Stat(filepath.Join(p.dir, "cache/huggingface/hub/models--acme--tiny/snapshots", h.commit,
		"model.safetensors")); err == nil {
		t.Fatal("an unfinished file looks finished")
	}
	p.want(t, 0, []string{"interrupted, "}, "models", "list", "--models", "none.yaml")
	h.set(func() { h.stall = false })
	p.want(t, 0, []string{"a GPU, 24.0 GiB: tiny (hf). It fits", "is in"}, setup...)
	p.want(t, 0, []string{"2 files checked"}, "models", "verify", "tiny")
}
