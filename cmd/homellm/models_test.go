//go:build unix

package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"homellm/dsl"
	"homellm/engine/files"
	"homellm/engine/hub"
	"homellm/engine/sim"
)

// fakeHub plays a model hub with one repository, whose files are all kept as large ones are.
type fakeHub struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string][]byte
	commit string
	status int    // refuses everything, if set
	code   string // X-Error-Code of the refusal
	stall  bool   // large files stop in their middle
}

func sha256Of(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func newHub(t *testing.T) *fakeHub {
	t.Helper()
	weights := make([]byte, 40<<20)
	for i := range weights {
		weights[i] = byte(i*7 + i>>9)
	}
	h := &fakeHub{commit: strings.Repeat("c0ffee00", 5), files: map[string][]byte{
		"config.json": []byte(`{"model_type": "tiny"}`), "model.safetensors": weights, "tiny-q4_k_m.gguf": weights[:5<<20],
		"tiny-q8_0.gguf": weights[:6<<20],
	}}
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Close)
	return h
}

func (h *fakeHub) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *fakeHub) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	status, code, commit, stall := h.status, h.code, h.commit, h.stall
	h.mu.Unlock()
	if status != 0 {
		w.Header().Set("X-Error-Code", code)
		w.WriteHeader(status)
		return
	}
	if name, revision, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/models/"), "/revision/"); ok {
		if name != "acme/tiny" || revision != "main" && revision != "dev" && revision != commit {
			w.Header().Set("X-Error-Code", "RevisionNotFound")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		type sibling struct {
			Name string         `json:"rfilename"`
			Size int            `json:"size"`
			Blob string         `json:"blobId"`
			LFS  map[string]any `json:"lfs"`
		}
		out := struct {
			SHA      string    `json:"sha"`
			Gated    bool      `json:"gated"`
			Siblings []sibling `json:"siblings"`
		}{SHA: commit}
		for _, name := range slices.Sorted(maps.Keys(h.files)) {
			data := h.files[name]
			out.Siblings = append(out.Siblings, sibling{name, len(data), fmt.Sprintf("%x", sha1.Sum(data)),
				map[string]any{"sha256": sha256Of(data), "size": len(data)}})
		}
		_ = json.NewEncoder(w).Encode(out) // a client that is gone was killed
		return
	}
	_, name, ok := strings.Cut(r.URL.Path, "/resolve/"+commit+"/")
	data, found := h.files[name]
	if !ok || !found {
		w.Header().Set("X-Error-Code", "EntryNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if stall && len(data) > 1<<20 {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:len(data)/2]) // a client that is gone was killed
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	etag := `"` + sha256Of(data) + `"`
	w.Header().Set("X-Repo-Commit", commit)
	w.Header().Set("X-Linked-Etag", etag)
	w.Header().Set("X-Linked-Size", fmt.Sprint(len(data)))
	w.Header().Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// modelsProgram is homellm with a hub and a models file whose sources it has.
func modelsProgram(t *testing.T, h *fakeHub) program {
	t.Helper()
	p := newProgram(t, map[string]string{"config/homellm/models.yaml": `schema: homellm.models/v1
models:
  tiny:
    template: chatml
    context: {trained: 32768}
    architecture: {layers: 2, heads: 2, kv_heads: 1, head_dim: 64, hidden: 128, vocab: 1000, parameters: 1e6}
    sources:
      hf: {repo: acme/tiny, format: safetensors, quant: bf16}
      gguf: {repo: acme/tiny, format: gguf, quant: q4_k_m}
  promised:
    context: {trained: 32768}
    sources:
      hf:
        repo: acme/tiny
        revision: "` + h.commit + `"
        files: [{path: config.json, sha256: "` + strings.Repeat("0", 64) + `"}]
  named:
    context: {trained: 32768}
    sources:
      old:
        repo: acme/tiny
        revision: "` + strings.Repeat("2", 40) + `"
        format: gguf
        files: [{path: tiny-q8_0.gguf, bytes: 77, sha256: "` + strings.Repeat("0", 64) + `"}]
      half: {repo: acme/tiny, revision: "` + h.commit + `", files: [{path: config.json}, {path: model.safetensors}]}
  elsewhere:
    context: {trained: 32768}
    sources:
      hf: {repo: acme/tiny, revision: "` + strings.Repeat("1", 40) + `"}
`})
	p.env = append(p.env, "HF_ENDPOINT="+h.URL, "HF_TOKEN=", "HF_HOME=", "HF_HUB_CACHE=", "HF_HUB_OFFLINE=")
	return p
}

func (p program) want(t *testing.T, code int, words []string, args ...string) string {
	t.Helper()
	got, stdout, stderr := p.run(args...)
	if got != code {
		t.Fatalf("%s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	for _, w := range words {
		if !strings.Contains(stdout+stderr, w) {
			t.Errorf("%s does not say %q:\n%s%s", strings.Join(args, " "), w, stdout, stderr)
		}
	}
	return stdout
}

func TestModels_FromPullToRemoval(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	p := modelsProgram(t, h)
	p.want(t, 0, []string{"tiny"}, "models", "list")

	out := p.want(t, 0, []string{"is in cache/huggingface/hub/models--acme--tiny/snapshots/" + h.commit,
		"pins no revision", `revision: "` + h.commit + `"`,
		`{path: "model.safetensors", bytes: 41943040, sha256: "` + sha256Of(h.files["model.safetensors"]) + `"}`}, "models",
		"pull", "tiny")
	got, err := os.ReadFile(filepath.Join(p.dir, "cache/huggingface/hub/models--acme--tiny/snapshots", h.commit,
		"model.safetensors"))
	if err != nil || sha256Of(got) != sha256Of(h.files["model.safetensors"]) {
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

	blob := filepath.Join(p.dir, "cache/huggingface/hub/models--acme--tiny/blobs", sha256Of(h.files["config.json"]))
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

// TestModels_States holds what is said to be here against what is: sources of one repository are apart.
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
	blob := filepath.Join(p.dir, "cache/huggingface/hub/models--acme--tiny/blobs", sha256Of(h.files["model.safetensors"]))
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

// A pull takes less than 60 MB, the program itself included.
func TestModels_PullMemory(t *testing.T) {
	t.Parallel()
	switch {
	case runtime.GOOS != "linux":
		t.Skip("reads /proc")
	case raceFactor() > 1:
		t.Skip("the race detector takes more than the pull")
	}
	h := newHub(t)
	h.files = map[string][]byte{"model.safetensors": make([]byte, 96<<20)}
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
			if peak == 0 || peak<<10 > 60e6 {
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
	h.files["tokenizer.json"] = file.Tokenizer
	p := modelsProgram(t, h)
	p.want(t, 0, nil, "models", "pull", "tiny", "--file", "tokenizer.json")
	if out := p.want(t, 0, nil, "plan", "quickstart", "--model", "tiny"); !strings.Contains(out, "~") {
		t.Errorf("a plan that was not asked for exact counts has some:\n%s", out)
	}
	if out := p.want(t, 0, nil, "plan", "quickstart", "--model", "tiny", "--exact-tokens"); strings.Contains(out, "~") {
		t.Errorf("counts are not exact:\n%s", out)
	}
}

// TestOllamaNames holds what is sent to Ollama for a model of one name everywhere.
func TestOllamaNames(t *testing.T) {
	t.Parallel()
	lib := files.ShippedLibrary()
	for name, want := range map[string]string{
		"qwen2.5-3b": "qwen2.5:3b", "llama-3.1-8b": "llama3.1:8b", "phi-3.5-mini": "phi3.5:3.8b", "gemma-3-4b": "gemma3:4b",
		"mistral-7b-v0.3": "mistral:7b", "smollm2-1.7b": "smollm2:1.7b", "deepseek-r1-distill-qwen-7b": "deepseek-r1:7b",
		"qwen3-8b": "qwen3:8b",
	} {
		m := lib.Model(name)
		if m == nil || m.Engines["ollama"].ServedName != want || lib.Model(want) != m {
			t.Errorf("%s: Ollama is asked for %+v, want %s", name, m.Engines["ollama"], want)
		}
	}
	asked := make(chan string, 64)
	ollama := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/version":
			fmt.Fprint(w, `{"version":"0.33.0"}`)
		case "/api/tags":
			fmt.Fprint(w, `{"models":[{"name":"qwen2.5:3b","model":"qwen2.5:3b","details":{}}]}`)
		case "/v1/models":
			fmt.Fprint(w, `{"object":"list","data":[{"id":"qwen2.5:3b","object":"model","owned_by":"library"}]}`)
		case "/api/generate", "/api/chat":
			var body struct{ Model string }
			_ = json.NewDecoder(r.Body).Decode(&body) // a body that is none has no model
			asked <- body.Model
			http.Error(w, `{"error":"no more than the name was wanted"}`, http.StatusInternalServerError)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	defer ollama.Close()
	p := newProgram(t, map[string]string{"config/homellm/servers.yaml": "schema: homellm.servers/v1\nservers:\n  " +
		"ollama:\n    extends: ollama\n    attach: {url: \"" + ollama.URL + "\"}\n"})
	_, stdout, stderr := p.run("apply", "quickstart", "--model", "qwen2.5-3b", "--server", "ollama", "--quiet")
	select {
	case name := <-asked:
		if name != "qwen2.5:3b" {
			t.Errorf("Ollama was asked for %q", name)
		}
	default:
		t.Errorf("Ollama was not asked:\n%s%s", stdout, stderr)
	}
}

// TestTemplateCheck_Server compares with a server that renders ChatML for every model, and does not
// open a conversation with the system message that Qwen's own template has.
func TestTemplateCheck_Server(t *testing.T) {
	t.Parallel()
	_, url := startSimulator(t, sim.Config{})
	p := newProgram(t, nil)
	p.want(t, 0, []string{"template chatml", "same       three turns"}, "template", "check", "chatml", "--url", url)
	p.want(t, 1, []string{"DIFFERENT  one question", "they differ from token 1 on", "same       three turns"}, "template",
		"check", "qwen2.5-3b", "--url", url)
	p.want(t, 1, []string{"DIFFERENT  a system message in the middle", "the template does not"}, "template", "check",
		"gemma-3-4b", "--url", url)
	p.want(t, 5, []string{"no server is ready"}, "template", "check", "--url", "http://127.0.0.1:1")
	for _, tokenises := range []bool{true, false} {
		broken := startSimulatorBehind(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost && (tokenises || r.URL.Path == "/v1/chat/completions"):
					http.Error(w, `{"error": {"message": "CUDA out of memory"}}`, http.StatusInternalServerError)
				case !tokenises && r.URL.Path == "/v1/models": // of an engine that is not known: what a reply used is asked for
					fmt.Fprint(w, `{"object": "list", "data": [{"id": "gemma", "object": "model"}]}`)
				case !tokenises:
					http.NotFound(w, r)
				default:
					next.ServeHTTP(w, r)
				}
			})
		})
		out := p.want(t, 5, []string{"UNKNOWN", " HTTP 500: ", "CUDA out of memory", "could not be compared"}, "template",
			"check", "gemma-2-9b", "--url", broken)
		if strings.Contains(out, "same") || strings.Contains(out, "DIFFERENT") ||
			strings.Contains(out, "HTTP 500: HTTP 500") {
			t.Errorf("a server that is broken was compared:\n%s", out)
		}
	}
	p.want(t, 2, []string{"one model"}, "template", "check", "chatml", "qwen2.5", "--url", url)
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

// TestModels_SetupAfterKill kills a setup in the middle of a file with SIGKILL; the next one goes on.
func TestModels_SetupAfterKill(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	p := modelsProgram(t, h)
	// Of the shipped models nothing is on this hub: only ours is to be had, and is the largest that fits.
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
