package hub

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// patience is how long a silent transfer is waited for: long enough that a busy machine is not taken for one.
const patience = 2 * time.Second

// Whatever passes is borne.
func TestPullThroughTrouble(t *testing.T) {
	var wasCut, wasSlow, slowDone, first atomic.Bool
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
			if n == 2 || n == 4 || n == 6 { // a small file, the large file at the hub, and at the store
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
				r.Header.Del("Range")
				if wasCut.CompareAndSwap(false, true) {
					cut(w, r, h.files[path], 2*piece+77)
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
			const bytes = 25
			data := h.files[path]
			begin(w, r, data, 1)
			for i := 1; i < bytes; i++ { // never silent for long, but slower than the patience with silence
				_, _ = w.Write(data[i : i+1])
				w.(http.Flusher).Flush()
				time.Sleep(patience / (bytes - 5))
			}
			_, _ = w.Write(data[bytes:])
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
		"ranges for a while": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			path := strings.TrimPrefix(r.URL.Path, "/")
			if !h.large(path) {
				return false
			}
			if first.CompareAndSwap(false, true) {
				cut(w, r, h.files[path], 1<<20)
			}
			_, _ = w.Write(h.files[path])
			return true
		},
		"a length that the range does not give": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			path := strings.TrimPrefix(r.URL.Path, "/")
			from, ok := rangeOf(r)
			if !ok || !h.large(path) {
				return false
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", from, len(h.files[path])-1))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(h.files[path][from:])
			return true
		},
		"a listing that stops": func(h *testHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				return false
			}
			_, _ = w.Write([]byte(`{"sha": "`))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
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
			if name == "cut connections" {
				hub.Attempts = 2 // every request brings something: that counts anew
			}
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
			if name == "a slow link" && (!slowDone.Load() || h.count("store") != 1) {
				t.Errorf("the slow transfer was given up: %d requests", h.count("store"))
			}
			if name == "no ranges, cut once" && !wasCut.Load() {
				t.Error("nothing was cut")
			}
		})
	}
}

// What does not pass ends a pull at once, in words.
func TestPullGivesUp(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, tc := range map[string]struct {
		answer func(h *testHub, w http.ResponseWriter, r *http.Request) bool
		want   string
	}{
		"a pause of an hour": {func(_ *testHub, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}, "it asks to come again in 1h0m0s"},
		"a pause of an hour, from the store": {func(h *testHub, w http.ResponseWriter, r *http.Request) bool {
			if !h.large(strings.TrimPrefix(r.URL.Path, "/")) {
				return false
			}
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}, "it asks to come again in 1h0m0s"},
		"another range than was asked for": {func(h *testHub, w http.ResponseWriter, r *http.Request) bool {
			if !h.large(strings.TrimPrefix(r.URL.Path, "/")) {
				return false
			}
			w.Header().Set("Content-Range", "bytes 1-2/3")
			w.WriteHeader(http.StatusPartialContent)
			return true
		}, `the server sends "bytes 1-2/3", want "bytes `},
		"a file of another length": {func(h *testHub, w http.ResponseWriter, r *http.Request) bool {
			if h.large(strings.TrimPrefix(r.URL.Path, "/")) {
				_, _ = w.Write([]byte("short"))
				return true
			}
			return false
		}, "the server sends 5 bytes, want "},
		"a redirect to plain HTTP": {func(_ *testHub, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, plain.URL+"/x", http.StatusFound)
			return true
		}, "refusing a redirect from https to http://"},
		"an address that does not answer": {func(_ *testHub, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://127.0.0.1:1/x?signature=secret", http.StatusFound)
			return true
		}, "giving up after 2 tries"},
	} {
		h := newTestHub(t)
		asked := 0
		h.set(func(w http.ResponseWriter, r *http.Request) bool { asked++; return tc.answer(h, w, r) })
		hub := h.Hub()
		hub.Attempts = 2
		if strings.HasPrefix(tc.want, "refusing") {
			secure := httptest.NewTLSServer(h.hub.Config.Handler)
			t.Cleanup(secure.Close)
			hub.Endpoint, hub.Client = secure.URL, secure.Client()
		}
		_, err := (Cache{Dir: t.TempDir()}).Pull(t.Context(), hub, PullSpec{Repo: h.repo}, PullOptions{})
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v; want %q", name, err, tc.want)
		}
		if name == "a pause of an hour" && asked != 1 {
			t.Errorf("%s: asked %d times", name, asked)
		}
	}
}

// A pause that a hub asks for is kept.
func TestPullPauses(t *testing.T) {
	h := newTestHub(t)
	var first time.Time
	h.set(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case first.IsZero():
			first = time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		case time.Since(first) < time.Second:
			t.Errorf("asked again after %v", time.Since(first))
		}
		return false
	})
	mustPull(t, Cache{Dir: t.TempDir()}, h, PullSpec{Format: "gguf", Quant: "q4"})
}

// Speed and remaining time are those of the last seconds.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last Progress
		m := newMeter([]Remote{{Path: "a", Bytes: 10_000}}, func(p Progress) { last = p })
		m.begin(0)
		m.add(1000) // was there before
		for range 10 {
			time.Sleep(time.Second)
			m.arrived(100)
		}
		if last.BytesPerSecond != 100 || last.ETA != 80*time.Second || last.Done != 2000 || last.Total != 10_000 {
			t.Errorf("%+v", last)
		}
		for range 20 {
			time.Sleep(time.Second)
			m.arrived(200)
		}
		if last.BytesPerSecond < 190 || last.BytesPerSecond > 200 || last.ETA < 20*time.Second || last.ETA > 21*time.Second {
			t.Errorf("at twice the speed: %+v", last)
		}
	})
}
