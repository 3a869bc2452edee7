package hub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func pull(t testing.TB, c Cache, h *testHub, spec PullSpec) (Pulled, error) {
	t.Helper()
	spec.Repo, spec.Choose = h.repo, weights
	return c.Pull(context.Background(), h.Hub(), spec, PullOptions{})
}

func mustPull(t testing.TB, c Cache, h *testHub, spec PullSpec) Pulled {
	t.Helper()
	p, err := pull(t, c, h, spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkFile compares a file of a snapshot with the hub's.
func checkFile(t testing.TB, p Pulled, h *testHub, path string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(p.Dir, path))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, h.files[path]) {
		t.Errorf("%s is not what the hub has (%d bytes, want %d)", path, len(got), len(h.files[path]))
	}
}

// leftovers lists what of a repository's blobs is not finished.
func leftovers(t testing.TB, c Cache, repo string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.repo(repo), "blobs"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !hashName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestPull(t *testing.T) {
	h := newTestHub(t)
	h.private = "hf_secret"
	c := Cache{Dir: t.TempDir()}
	hub := h.Hub()
	hub.Token = h.private
	var last Progress
	calls := 0
	p, err := c.Pull(context.Background(), hub, h.spec(),
		PullOptions{Progress: func(p Progress) { last = p; calls++ }})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range p.Files {
		names = append(names, f.Path)
		checkFile(t, p, h, f.Path)
	}
	slices.Sort(names)
	if want := []string{"config.json", "empty.txt", "model.safetensors"}; !slices.Equal(names, want) {
		t.Errorf("pulled %v, want %v", names, want)
	}
	if len(h.leaked) > 0 {
		t.Errorf("the token came to another host: %v", h.leaked)
	}
	// The layout is the one that other programs expect.
	link, err := os.Readlink(filepath.Join(c.Dir, "models--acme--tiny/snapshots", h.commit, "model.safetensors"))
	if want := "../../blobs/" + h.etag("model.safetensors"); err != nil || link != want {
		t.Errorf("the link leads to %q, %v; want %q", link, err, want)
	}
	ref, err := os.ReadFile(filepath.Join(c.Dir, "models--acme--tiny/refs/main"))
	if err != nil || string(ref) != h.commit {
		t.Errorf("refs/main is %q, %v", ref, err)
	}
	if left := leftovers(t, c, h.repo); left != nil {
		t.Errorf("left over: %v", left)
	}
	total := int64(len(h.files["config.json"]) + len(h.files["model.safetensors"]))
	if last.Done != total || last.Total != total || p.Fetched != total || calls < 4 || last.Number != 3 ||
		last.Files != 3 {
		t.Errorf("progress ended with %+v after %d calls, fetched %d; want %d", last, calls, p.Fetched, total)
	}
	if n := h.count("store", "bytes=0-"); n != 1 {
		t.Errorf("the large file was asked for %d times, want once", n)
	}
}

// A second pull finds everything.
func TestPullAgain(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	mustPull(t, c, h, PullSpec{})
	h.reset()
	p, err := pull(t, c, h, PullSpec{})
	if err != nil || p.Fetched != 0 || h.count("resolve") != 0 {
		t.Errorf("the second pull fetched %d bytes, %v", p.Fetched, err)
	}
	// A pinned one of known files does not even ask.
	h.reset()
	files := []File{{Path: "model.safetensors", Hash: h.etag("model.safetensors"),
		Bytes: int64(len(h.files["model.safetensors"]))}}
	pinned := PullSpec{Repo: h.repo, Revision: h.commit, Files: files}
	p, err = c.Pull(context.Background(), Hub{Endpoint: "http://127.0.0.1:1"}, pinned, PullOptions{})
	if err != nil || h.count() != 0 {
		t.Errorf("offline: %v", err)
	}
	checkFile(t, p, h, "model.safetensors")
}

func TestPullChosenFiles(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	p := mustPull(t, c, h, PullSpec{Files: []File{{Path: "tiny-q4.gguf"}}})
	if len(p.Files) != 1 || p.Files[0].Path != "tiny-q4.gguf" {
		t.Errorf("pulled %v", p.Files)
	}
	checkFile(t, p, h, "tiny-q4.gguf")
	p = mustPull(t, c, h, PullSpec{Revision: h.commit, Files: []File{{Path: "sub/dir/notes.txt"}}})
	checkFile(t, p, h, "sub/dir/notes.txt")
	link, _ := os.Readlink(filepath.Join(p.Dir, "sub/dir/notes.txt"))
	if link != "../../../../blobs/"+h.etag("sub/dir/notes.txt") {
		t.Errorf("the link leads to %q", link)
	}
	if _, err := pull(t, c, h, PullSpec{Files: []File{{Path: "other.gguf"}}}); err == nil ||
		!strings.Contains(err.Error(), "no file other.gguf") {
		t.Error(err)
	}
	wrong := File{Path: "tiny-q4.gguf", Hash: strings.Repeat("0", 64)}
	if _, err := pull(t, c, h, PullSpec{Files: []File{wrong}}); err == nil ||
		!strings.Contains(err.Error(), "not the one that was pinned") {
		t.Error(err)
	}
	if _, err := pull(t, c, h, PullSpec{Files: []File{{Path: "tiny-q4.gguf", Bytes: 1}}}); err == nil ||
		!strings.Contains(err.Error(), "1") {
		t.Error(err)
	}
}

// Answers that another try cannot change are explained.
func TestPullRefused(t *testing.T) {
	status := func(status int, code, message string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, status, code, message)
			return true
		}
	}
	for name, tc := range map[string]struct {
		spec PullSpec
		hook func(http.ResponseWriter, *http.Request) bool
		want []string
	}{
		"gated": {hook: status(403, "GatedRepo", "Access to model acme/tiny is restricted"),
			want: []string{"acme/tiny is gated", "accept its licence", "HF_TOKEN"}},
		"unknown, not logged in": {hook: status(401, "RepoNotFound", ""),
			want: []string{"401", "no such repository, or it is private"}},
		"unauthorised": {hook: status(401, "", ""), want: []string{"does not exist, or it is private or gated"}},
		"forbidden":    {hook: status(403, "", ""), want: []string{"may not read it"}},
		"no repository": {spec: PullSpec{Repo: "acme/other"},
			want: []string{"acme/other", "404", "no such repository"}},
		"no revision": {spec: PullSpec{Revision: strings.Repeat("a", 40)},
			want: []string{"no such revision", "history was rewritten"}},
		"bad name":     {spec: PullSpec{Repo: "../../etc"}, want: []string{"not a repository's name"}},
		"bad revision": {spec: PullSpec{Revision: "../x"}, want: []string{"not a revision"}},
		"always busy": {hook: status(429, "", "slow down"),
			want: []string{"giving up after 5 tries", "429", "slow down"}},
		"broken": {hook: status(500, "", ""), want: []string{"giving up after 5 tries", "500"}},
		"gated on the file": {hook: func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/resolve/") {
				refuse(w, 401, "GatedRepo", "")
				return true
			}
			return false
		}, want: []string{"config.json", "is gated"}},
		"a file that climbs out": {hook: func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprintf(w, `{"sha": %q, "siblings": [{"rfilename": "../../x.json", "size": 1, "blobId": %q}]}`,
				strings.Repeat("c0ffee00", 5), strings.Repeat("a", 40))
			return true
		}, want: []string{"leads out of the repository"}},
		"an etag that climbs out": {hook: func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprintf(w, `{"sha": %q, "siblings": [{"rfilename": "x.json", "size": 1, "blobId": "../../x"}]}`,
				strings.Repeat("c0ffee00", 5))
			return true
		}, want: []string{"no usable hash"}},
		"another commit": {spec: PullSpec{Revision: strings.Repeat("b", 40)},
			hook: func(w http.ResponseWriter, r *http.Request) bool {
				fmt.Fprintf(w, `{"sha": %q, "siblings": []}`, strings.Repeat("c0ffee00", 5))
				return true
			}, want: []string{"pinned revision", "c0ffee00"}},
		"not JSON": {hook: func(w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprint(w, "<html>maintenance</html>")
			return true
		}, want: []string{"reading the hub's answer"}},
		"a circle": {hook: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, want: []string{"circle"}},
	} {
		h := newTestHub(t)
		h.set(tc.hook)
		c := Cache{Dir: t.TempDir()}
		tc.spec.Repo, tc.spec.Choose = cmp.Or(tc.spec.Repo, h.repo), weights
		_, err := c.Pull(context.Background(), h.Hub(), tc.spec, PullOptions{})
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range tc.want {
			if !strings.Contains(told(err), w) {
				t.Errorf("%s: %s; want %q in it", name, told(err), w)
			}
		}
		if stored, _ := c.List(); len(stored) > 0 && stored[0].Bytes > 0 {
			t.Errorf("%s: left %+v", name, stored)
		}
	}
}

func TestPullMovedRevision(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	first := mustPull(t, c, h, PullSpec{})
	if first.Moved != "" {
		t.Errorf("moved from %q", first.Moved)
	}
	old := h.commit
	h.commit = strings.Repeat("beef0000", 5)
	h.put("config.json", []byte(`{"model_type": "tiny", "new": true}`))
	second := mustPull(t, c, h, PullSpec{})
	if second.Moved != old || second.Commit != h.commit || second.Fetched != int64(len(h.files["config.json"])) {
		t.Errorf("%+v, want moved from %s and only the changed file fetched", second, old)
	}
	// The old commit is gone from the hub, which says so; its files on disk stay.
	if _, err := pull(t, c, h, PullSpec{Revision: old, Files: []File{{Path: "tiny-q4.gguf"}}}); err == nil ||
		!strings.Contains(told(err), "history was rewritten") {
		t.Error(err)
	}
	if !exists(c.link(h.repo, old, "config.json")) {
		t.Error("the old snapshot is gone")
	}
}

func TestTwoPullsAtOnce(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	h.set(func(w http.ResponseWriter, r *http.Request) bool {
		time.Sleep(20 * time.Millisecond)
		return false
	})
	var wg sync.WaitGroup
	var fetched atomic.Int64
	var waited atomic.Bool
	for range 4 {
		wg.Go(func() {
			p, err := c.Pull(context.Background(), h.Hub(), h.spec(), PullOptions{Progress: func(p Progress) {
				if p.Waiting {
					waited.Store(true)
				}
			}})
			if err != nil {
				t.Error(err)
				return
			}
			fetched.Add(p.Fetched)
		})
	}
	wg.Wait()
	if want := int64(len(h.files["model.safetensors"]) + len(h.files["config.json"])); fetched.Load() != want {
		t.Errorf("four pulls fetched %d bytes together, want %d", fetched.Load(), want)
	}
	if !waited.Load() {
		t.Error("no pull said that it waits")
	}
}

// interrupt cancels a pull when so many bytes of the large file are on disk.
func interrupt(t *testing.T, c Cache, h *testHub, bytes int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	large := File{Bytes: int64(len(h.files["model.safetensors"])), Hash: h.etag("model.safetensors")}
	h.stopAfter(int(bytes), func() {
		for c.started(h.repo, large) < bytes && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	})
	defer h.set(nil)
	if _, err := c.Pull(ctx, h.Hub(), h.spec(), PullOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("a pull that was cancelled: %v", err)
	}
}

func TestPullCancelled(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	interrupt(t, c, h, 2*piece)
	p := mustPull(t, c, h, PullSpec{})
	checkFile(t, p, h, "model.safetensors")
	if want := int64(len(h.files["model.safetensors"]) - 2*piece); p.Fetched != want {
		t.Errorf("the second pull fetched %d bytes, want %d", p.Fetched, want)
	}
}
