package hub

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// testHub plays a hub and the host that keeps its large files, which is another one.
type testHub struct {
	hub, store *httptest.Server

	repo, commit string
	files        map[string][]byte // by path; those over 1 KiB are large
	private      string            // a token that is needed; empty: none

	mu       sync.Mutex
	hook     hook     // answers itself if true; for both hosts
	requests []string // host, method, path and range
	leaked   []string // tokens that came to the store
	sent     int64    // bytes of files
	hashes   map[*byte]string
	rate     float64   // bytes a second over all connections; 0: as fast as it goes
	free     time.Time // when the line is free again
	signed   int       // number of the address that is valid; older ones ran out
}

type hook = func(w http.ResponseWriter, r *http.Request) bool

func (h *testHub) set(f hook) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hook = f
}

func (h *testHub) put(path string, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files[path] = data
}

func (h *testHub) hooked(w http.ResponseWriter, r *http.Request) bool {
	h.mu.Lock()
	f := h.hook
	h.mu.Unlock()
	return f != nil && f(w, r)
}

func newTestHub(t testing.TB) *testHub {
	h := &testHub{repo: "acme/tiny", commit: strings.Repeat("c0ffee00", 5), files: map[string][]byte{
		"config.json":       []byte(`{"model_type": "tiny"}`),
		"README.md":         []byte("no server needs this"),
		"model.safetensors": noise(1, 3*chunkBytes+12345),
		"tiny-q4.gguf":      noise(2, 5000),
		"sub/dir/notes.txt": []byte("deep"),
		"empty.txt":         {},
	}}
	h.store = httptest.NewServer(http.HandlerFunc(h.serveStore))
	h.hub = httptest.NewServer(http.HandlerFunc(h.serveHub))
	t.Cleanup(h.store.Close)
	t.Cleanup(h.hub.Close)
	return h
}

// noise is repeatable and does not compress.
func noise(seed byte, n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	block := sha256.Sum256([]byte{seed})
	for len(out) < n {
		out = append(out, block[:]...)
		if len(out)%(64<<10) == 0 {
			block = sha256.Sum256(block[:])
		}
		block[0]++
	}
	return out[:n]
}

func sha(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func gitSHA(b []byte) string {
	s := sha1.New()
	fmt.Fprintf(s, "blob %d\x00", len(b))
	s.Write(b)
	return hex.EncodeToString(s.Sum(nil))
}

func (h *testHub) large(path string) bool { return len(h.files[path]) > 1024 }

// etag is remembered for large files: hashing one takes longer than sending it.
func (h *testHub) etag(path string) string {
	data := h.files[path]
	if !h.large(path) {
		return gitSHA(data)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hashes == nil {
		h.hashes = map[*byte]string{}
	}
	if h.hashes[&data[0]] == "" {
		h.hashes[&data[0]] = sha(data)
	}
	return h.hashes[&data[0]]
}

func (h *testHub) Hub() Hub {
	return Hub{Endpoint: h.hub.URL, Backoff: time.Millisecond, Idle: 2 * time.Second}
}

func (h *testHub) note(host string, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, strings.TrimSpace(host+" "+r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
}

// count says how many requests had all of the words.
func (h *testHub) count(words ...string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
requests:
	for _, r := range h.requests {
		for _, w := range words {
			if !strings.Contains(r, w) {
				continue requests
			}
		}
		n++
	}
	return n
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Error-Code", code)
	w.Header().Set("X-Error-Message", message)
	w.WriteHeader(status)
}

func (h *testHub) serveHub(w http.ResponseWriter, r *http.Request) {
	h.note("hub", r)
	if h.hooked(w, r) {
		return
	}
	if h.private != "" && r.Header.Get("Authorization") != "Bearer "+h.private {
		refuse(w, http.StatusUnauthorized, "GatedRepo", "Access to model is restricted")
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/models/")
	if ok {
		h.serveListing(w, path)
		return
	}
	path, ok = strings.CutPrefix(r.URL.Path, "/"+h.repo+"/resolve/"+h.commit+"/")
	data, known := h.files[path]
	switch {
	case !ok || !known:
		refuse(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
	case h.large(path):
		h.mu.Lock()
		signature := h.signed
		h.mu.Unlock()
		http.Redirect(w, r, fmt.Sprintf("%s/%s?signature=%d", h.store.URL, path, signature), http.StatusFound)
	default:
		h.serveBytes(w, r, data)
	}
}

func (h *testHub) serveListing(w http.ResponseWriter, path string) {
	repo, revision, _ := strings.Cut(path, "/revision/")
	switch {
	case repo != h.repo:
		refuse(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
		return
	case revision != "main" && revision != h.commit:
		refuse(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+revision)
		return
	}
	var siblings []map[string]any
	for path, data := range h.files {
		s := map[string]any{"rfilename": path, "size": len(data), "blobId": strings.Repeat("0", 40)}
		if h.large(path) {
			s["lfs"] = map[string]any{"sha256": h.etag(path), "size": len(data)}
		} else {
			s["blobId"] = h.etag(path)
		}
		siblings = append(siblings, s)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"id": h.repo, "sha": h.commit, "gated": false, "siblings": siblings})
}

func (h *testHub) serveStore(w http.ResponseWriter, r *http.Request) {
	h.note("store", r)
	h.mu.Lock()
	if a := r.Header.Get("Authorization"); a != "" {
		h.leaked = append(h.leaked, a)
	}
	valid := r.URL.Query().Get("signature") == fmt.Sprint(h.signed)
	h.mu.Unlock()
	if h.hooked(w, r) {
		return
	}
	if !valid {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	h.serveBytes(w, r, h.files[strings.TrimPrefix(r.URL.Path, "/")])
}

// serveBytes answers ranges as a store does.
func (h *testHub) serveBytes(w http.ResponseWriter, r *http.Request, data []byte) {
	http.ServeContent(&counting{w, h}, r, "", time.Time{}, bytes.NewReader(data))
}

type counting struct {
	http.ResponseWriter
	h *testHub
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.h.mu.Lock()
	c.h.sent += int64(n)
	if c.h.rate > 0 {
		// Sleeping takes longer than asked for: some credit makes up for it.
		if earliest := time.Now().Add(-50 * time.Millisecond); c.h.free.Before(earliest) {
			c.h.free = earliest
		}
		c.h.free = c.h.free.Add(time.Duration(float64(n) / c.h.rate * float64(time.Second)))
	}
	wait := time.Until(c.h.free)
	c.h.mu.Unlock()
	if wait > 20*time.Millisecond {
		time.Sleep(wait)
	}
	return n, err
}

// cut sends the first bytes of a file's range and closes the connection.
func cut(w http.ResponseWriter, r *http.Request, data []byte, after int) {
	var from, to int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
		from, to = 0, len(data)-1
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	} else {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(data)))
		w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(data[from:min(from+after, to+1)])
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}

// reset forgets what was asked for and says how many bytes were sent.
func (h *testHub) reset() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent := h.sent
	h.requests, h.sent = nil, 0
	return sent
}

var _ http.ResponseWriter = (*counting)(nil)
