package model

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a silent transfer is waited for: long enough that a busy machine is not taken for one.
const patience = 2 * time.Second

// Whatever passes is borne.
func TestPullThroughTrouble(t *testing.T) {
	var wasCut, wasSlow, slowDone atomic.Bool
	type trouble = func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool
	for name, trouble := range map[string]trouble{
		"busy": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if n > 8 {
				return false
			}
			w.Header().Set("Retry-After", "0")
			w.WriteHeader([]int{429, 503}[n%2])
			return true
		},
		"cut connections": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if path := strings.TrimPrefix(r.URL.Path, "/"); h.large(path) {
				cut(w, r, h.files[path], 1<<20)
			}
			return false
		},
		"refused at once": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if n%2 == 0 {
				panic(http.ErrAbortHandler)
			}
			return false
		},
		"signatures that run out": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if h.large(strings.TrimPrefix(r.URL.Path, "/")) && n%4 == 0 {
				h.mu.Lock()
				h.signed++
				h.mu.Unlock()
			}
			return false
		},
		"no ranges": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if path := strings.TrimPrefix(r.URL.Path, "/"); h.large(path) {
				_, _ = w.Write(h.files[path])
				return true
			}
			return false
		},
		"no ranges, cut once": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if path := strings.TrimPrefix(r.URL.Path, "/"); h.large(path) {
				whole := r.Header.Get("Range") == ""
				r.Header.Del("Range")
				if whole && wasCut.CompareAndSwap(false, true) {
					cut(w, r, h.files[path], 2*chunkBytes+77)
				}
				_, _ = w.Write(h.files[path])
				return true
			}
			return false
		},
		"a slow link": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			path := strings.TrimPrefix(r.URL.Path, "/")
			if !h.large(path) || !wasSlow.CompareAndSwap(false, true) {
				return false
			}
			var from, to int
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(h.files[path])))
			w.WriteHeader(http.StatusPartialContent)
			const pieces = 25
			for piece := range pieces { // never silent for long, but slower than the patience with silence
				_, _ = w.Write(h.files[path][from+piece : from+piece+1])
				w.(http.Flusher).Flush()
				time.Sleep(patience / (pieces - 5))
			}
			_, _ = w.Write(h.files[path][from+pieces : to+1])
			slowDone.Store(true)
			return true
		},
		"a renamed repository": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/acme/tiny/") && r.URL.Query().Get("renamed") == "" {
				w.Header().Set("Location", r.URL.Path+"?renamed=1")
				w.WriteHeader(http.StatusTemporaryRedirect)
				return true
			}
			return false
		},
		"silence": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if n == 4 {
				<-r.Context().Done()
				return true
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newTestHub(t)
			var n atomic.Int64
			h.set(func(w http.ResponseWriter, r *http.Request) bool { return trouble(h, int(n.Add(1)), w, r) })
			c := Cache{Dir: t.TempDir()}
			hub := h.Hub()
			hub.Idle = patience
			hub.Attempts = 10
			var last Progress
			p, err := c.Pull(context.Background(), hub, PullSpec{Repo: h.repo}, PullOptions{Progress: func(p Progress) { last = p }})
			if err != nil {
				t.Fatal(err)
			}
			checkFile(t, p, h, "model.safetensors")
			checkFile(t, p, h, "config.json")
			if last.Done != last.Total {
				t.Errorf("progress says %d of %d", last.Done, last.Total)
			}
			if left := leftovers(t, c, h.repo); left != nil {
				t.Errorf("left over: %v", left)
			}
			if name == "a slow link" && (!slowDone.Load() || h.count("store") != 4) {
				t.Errorf("the slow transfer was given up: %d requests", h.count("store"))
			}
			if name == "no ranges, cut once" && !wasCut.Load() {
				t.Error("nothing was cut")
			}
		})
	}
}
