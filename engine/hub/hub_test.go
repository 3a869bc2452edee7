package hub

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"homellm/engine/exit"
)

// piece is a part of a large file that is small enough to be fetched in no time.
const piece = 3 << 20

// testHub is a hub with another host that stores its large files.
type testHub struct {
	hub, store *httptest.Server

	repo, commit string
	files        map[string][]byte // by path; those over 1 KiB are large
	private      string            // a token that is needed; empty: none

	mu       sync.Mutex
	hook     hook     // answers itself if true; for both hosts
	requests []string // host, method, path and range
	leaked   []string // tokens that came to the store
	hashes   map[*byte]string
	rate     float64   // bytes a second over all connections; 0: unlimited
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
		"model.safetensors": noise(1, 3*piece+12345),
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

// spec asks for what a server needs.
func (h *testHub) spec() PullSpec { return PullSpec{Repo: h.repo, Choose: weights} }

// weights are the files of a test hub that a server needs.
func weights(listed []File) (out []File, _ error) {
	for _, name := range []string{"config.json", "empty.txt", "model.safetensors"} {
		if f, ok := find(listed, name); ok {
			out = append(out, f)
		}
	}
	return out, nil
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
	begin(w, r, data, after)
	panic(http.ErrAbortHandler)
}

// begin sends the first bytes of the range that is asked for, and leaves the rest out.
func begin(w http.ResponseWriter, r *http.Request, data []byte, bytes int) {
	from, ok := rangeOf(r)
	w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
	if ok {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(data[from:min(from+bytes, len(data))])
	w.(http.Flusher).Flush()
}

// rangeOf is where the range that a request asks for begins; ok is false if it asks for none.
func rangeOf(r *http.Request) (from int, ok bool) {
	_, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	return from, err == nil
}

// stopAfter has every transfer of the large file stop after so many bytes, and calls stopped then.
func (h *testHub) stopAfter(bytes int, stopped func()) {
	h.set(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "resolve") || !strings.HasSuffix(r.URL.Path, "model.safetensors") {
			return false
		}
		begin(w, r, h.files["model.safetensors"], bytes)
		stopped()
		<-r.Context().Done()
		return true
	})
}

// told returns an error as a user reads it: what is wrong, and what helps.
func told(err error) string {
	if f, ok := errors.AsType[*exit.Failure](err); ok {
		return err.Error() + ": " + f.Hint
	}
	return err.Error()
}

// reset forgets what was asked for.
func (h *testHub) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = nil
}

var _ http.ResponseWriter = (*counting)(nil)
