package hub

import (
	"cmp"
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

// patience is how long a transfer may be silent: long enough that a busy machine does not look silent.
const patience = 2 * time.Second

// trouble is what happens to the n-th request of a pull: true if it was answered. Path is that of a large file,
// or empty.
type trouble = func(h *testHub, n int, path string, w http.ResponseWriter, r *http.Request) bool

// troubles are failures that are temporary.
var troubles = []struct {
	name     string
	attempts int // 0: 10
	stores   int // requests to the store; 0: any number
	do       trouble
}{
	{name: "busy", do: func(_ *testHub, n int, _ string, w http.ResponseWriter, _ *http.Request) bool {
		if n > 8 {
			return false
		}
		w.Header().Set("Retry-After", "0")
		w.WriteHeader([]int{429, 503}[n%2])
		return true
	}},
	// Every request makes progress, so the count of tries starts again.
	{name: "cut connections", attempts: 2, stores: 10,
		do: onLarge(func(h *testHub, path string, w http.ResponseWriter, r *http.Request) bool {
			cut(w, r, h.files[path], 1<<20)
			return true
		})},
	{name: "refused at once", do: func(_ *testHub, n int, _ string, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 2 || n == 4 || n == 6 { // a small file, the large file at the hub, and at the store
			panic(http.ErrAbortHandler)
		}
		return false
	}},
	// A transfer is cut, and its address has expired when it is resumed.
	{name: "signatures that expire", stores: 2, do: func(h *testHub, n int, path string, w http.ResponseWriter,
		r *http.Request) bool {
		if n == 4 {
			h.mu.Lock()
			h.signed++
			h.mu.Unlock()
			cut(w, r, h.files[path], 1<<20)
		}
		return false
	}},
	{name: "no ranges", do: onLarge(func(h *testHub, path string, w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write(h.files[path])
		return true
	})},
	{name: "no ranges, cut once", stores: 2,
		do: onLarge(func(h *testHub, path string, w http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("Range")
			if h.count("store") == 1 {
				cut(w, r, h.files[path], 2*piece+77)
			}
			_, _ = w.Write(h.files[path])
			return true
		})},
	{name: "ranges for a while", stores: 2,
		do: onLarge(func(h *testHub, path string, w http.ResponseWriter, r *http.Request) bool {
			if h.count("store") == 1 {
				cut(w, r, h.files[path], 1<<20)
			}
			_, _ = w.Write(h.files[path])
			return true
		})},
	{name: "a slow link", stores: 1, do: onLarge(func(h *testHub, path string, w http.ResponseWriter,
		r *http.Request) bool {
		const bytes = 25
		data := h.files[path]
		begin(w, r, data, 1)
		for i := 1; i < bytes; i++ { // never silent for long, but slower than the patience with silence
			_, _ = w.Write(data[i : i+1])
			w.(http.Flusher).Flush()
			time.Sleep(patience / (bytes - 5))
		}
		_, _ = w.Write(data[bytes:])
		return true
	})},
	{name: "a renamed repository", do: func(_ *testHub, _ int, _ string, w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/acme/tiny/") && r.URL.Query().Get("renamed") == "" {
			w.Header().Set("Location", r.URL.Path+"?renamed=1")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return true
		}
		return false
	}},
	{name: "a length that the range does not give", stores: 1,
		do: onLarge(func(h *testHub, path string, w http.ResponseWriter, r *http.Request) bool {
			from, _ := rangeOf(r)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", from, len(h.files[path])-1))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(h.files[path][from:])
			return true
		})},
	{name: "a listing that stops", do: func(_ *testHub, n int, _ string, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			return false
		}
		_, _ = w.Write([]byte(`{"sha": "`))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}},
	{name: "silence", stores: 2, do: func(_ *testHub, n int, _ string, _ http.ResponseWriter, r *http.Request) bool {
		if n == 4 {
			<-r.Context().Done()
			return true
		}
		return false
	}},
}

// onLarge is trouble with the large files at the store alone.
func onLarge(do func(h *testHub, path string, w http.ResponseWriter, r *http.Request) bool) trouble {
	return func(h *testHub, _ int, path string, w http.ResponseWriter, r *http.Request) bool {
		return path != "" && do(h, path, w, r)
	}
}

// A pull survives every failure that is temporary.
func TestPullThroughTrouble(t *testing.T) {
	for _, tc := range troubles {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := newTestHub(t)
			var n atomic.Int64
			h.set(func(w http.ResponseWriter, r *http.Request) bool {
				path := strings.TrimPrefix(r.URL.Path, "/")
				if !h.large(path) {
					path = ""
				}
				return tc.do(h, int(n.Add(1)), path, w, r)
			})
			c := Cache{Dir: t.TempDir()}
			hub := h.Hub()
			hub.Idle = patience
			hub.Attempts = cmp.Or(tc.attempts, 10)
			var last Progress
			p, err := c.Pull(context.Background(), hub, h.spec(),
				PullOptions{Progress: func(p Progress) { last = p }})
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
			if got := h.count("store"); tc.stores > 0 && got != tc.stores {
				t.Errorf("the store was asked %d times, want %d", got, tc.stores)
			}
		})
	}
}

// A failure that is not temporary ends a pull at once, with an explanation.
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
		}, "it asks to retry in 1h0m0s"},
		"a pause of an hour, from the store": {func(h *testHub, w http.ResponseWriter, r *http.Request) bool {
			if !h.large(strings.TrimPrefix(r.URL.Path, "/")) {
				return false
			}
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}, "it asks to retry in 1h0m0s"},
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
		"no ranges, and always cut at the same place": {func(h *testHub, w http.ResponseWriter, r *http.Request) bool {
			path := strings.TrimPrefix(r.URL.Path, "/")
			if h.large(path) {
				r.Header.Del("Range")
				cut(w, r, h.files[path], 1<<20)
			}
			return false
		}, "giving up after 2 tries: the transfer was cut"},
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
			hub.Endpoint, hub.Transport = secure.URL, secure.Client().Transport
		}
		_, err := (Cache{Dir: t.TempDir()}).Pull(t.Context(), hub, h.spec(), PullOptions{})
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
	t.Parallel()
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
	mustPull(t, Cache{Dir: t.TempDir()}, h, PullSpec{Files: []File{{Path: "tiny-q4.gguf"}}})
}

// Speed and remaining time are those of the last seconds.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last Progress
		m := newMeter([]File{{Path: "a", Bytes: 10_000}}, func(p Progress) { last = p })
		m.report()
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
