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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeHub plays a model hub with one repository, whose files are all kept as large ones are.
type fakeHub struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string]hubFile
	commit string
	status int    // refuses everything, if set
	code   string // X-Error-Code of the refusal
	stall  bool   // large files stop in their middle
}

// hubFile is a file of the hub, with its hashes.
type hubFile struct {
	data         []byte
	sha256, sha1 string
}

func sha256Of(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func newHubFile(data []byte) hubFile {
	return hubFile{data, sha256Of(data), fmt.Sprintf("%x", sha1.Sum(data))}
}

// tinyModel is made once for all hubs: hashing 40 MB takes a while.
var tinyModel = sync.OnceValue(func() map[string]hubFile {
	weights := make([]byte, 40<<20)
	for i := range weights {
		weights[i] = byte(i*7 + i>>9)
	}
	return map[string]hubFile{"config.json": newHubFile([]byte(`{"model_type": "tiny"}`)),
		"model.safetensors": newHubFile(weights), "tiny-q4_k_m.gguf": newHubFile(weights[:5<<20]),
		"tiny-q8_0.gguf": newHubFile(weights[:6<<20])}
})

func newHub(t *testing.T) *fakeHub {
	t.Helper()
	h := &fakeHub{commit: strings.Repeat("c0ffee00", 5), files: maps.Clone(tinyModel())}
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
			f := h.files[name]
			out.Siblings = append(out.Siblings, sibling{name, len(f.data), f.sha1,
				map[string]any{"sha256": f.sha256, "size": len(f.data)}})
		}
		_ = json.NewEncoder(w).Encode(out) // a client that is gone was killed
		return
	}
	_, name, ok := strings.Cut(r.URL.Path, "/resolve/"+commit+"/")
	f, found := h.files[name]
	if !ok || !found {
		w.Header().Set("X-Error-Code", "EntryNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if stall && len(f.data) > 1<<20 {
		w.Header().Set("Content-Length", fmt.Sprint(len(f.data)))
		_, _ = w.Write(f.data[:len(f.data)/2]) // a client that is gone was killed
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	etag := `"` + f.sha256 + `"`
	w.Header().Set("X-Repo-Commit", commit)
	w.Header().Set("X-Linked-Etag", etag)
	w.Header().Set("X-Linked-Size", fmt.Sprint(len(f.data)))
	w.Header().Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
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
