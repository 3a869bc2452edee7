package hub

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCacheListAndRemove(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: filepath.Join(t.TempDir(), "hub")}
	if got, err := c.List(); err != nil || got != nil {
		t.Errorf("a cache that does not exist lists %v, %v", got, err)
	}
	mustPull(t, c, h, PullSpec{})
	old := h.commit
	h.commit = strings.Repeat("beef0000", 5)
	h.put("config.json", []byte("{}"))
	mustPull(t, c, h, PullSpec{})

	big := int64(len(h.files["model.safetensors"]))
	want := []Stored{{Repo: "acme/tiny", Commits: []string{h.commit, old},
		Bytes: big + 2 + int64(len(`{"model_type": "tiny"}`))}}
	got, err := c.List()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if freed, err := c.Remove(h.repo); err != nil || freed != want[0].Bytes {
		t.Errorf("freed %d, %v; want %d", freed, err, want[0].Bytes)
	}
	if got, _ := c.List(); len(got) > 0 {
		t.Errorf("left %+v", got)
	}
	if _, err := c.Remove(h.repo); err == nil || !strings.Contains(err.Error(), "not in the cache") {
		t.Error(err)
	}
}

func TestCacheVerify(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	mustPull(t, c, h, PullSpec{})
	if got := wrong(t, c, h, []File{{Path: "model.safetensors", Hash: h.etag("model.safetensors")}}); len(got) > 0 {
		t.Errorf("good files are wrong: %v", got)
	}
	// A file whose hash is not known, and one that cannot be read, are not removed.
	own, dangling := filepath.Join(c.Snapshot(h.repo, h.commit), "own.txt"),
		filepath.Join(c.Snapshot(h.repo, h.commit), "dangling")
	if err := errors.Join(os.WriteFile(own, []byte("mine"), 0o600), os.Symlink("nowhere", dangling)); err != nil {
		t.Fatal(err)
	}
	if got := wrong(t, c, h, nil); len(got) != 1 || !strings.Contains(got["dangling"], "cannot be read") || !exists(own) {
		t.Errorf("%v", got)
	}
	got := wrong(t, c, h, []File{{Path: "own.txt", Hash: strings.Repeat("0", 64)}})
	if !strings.Contains(got["own.txt"], "; removed") || exists(own) {
		t.Errorf("a file with another hash than was promised: %v", got)
	}
	if err := os.Remove(dangling); err != nil {
		t.Fatalf("what could not be read is gone: %v", err)
	}
	if _, err := c.Verify(context.Background(), h.repo, strings.Repeat("a", 40), nil); err == nil {
		t.Error("a commit that is not there was verified")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Verify(ctx, h.repo, h.commit, nil); !errors.Is(err, context.Canceled) ||
		!exists(c.link(h.repo, h.commit, "config.json")) {
		t.Errorf("cancelled: %v", err)
	}
}

// wrong verifies the files of a hub and returns what is wrong with which.
func wrong(t *testing.T, c Cache, h *testHub, want []File) map[string]string {
	t.Helper()
	got, err := c.Verify(context.Background(), h.repo, h.commit, want)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, v := range got {
		if v.Wrong != "" {
			out[v.Path] = v.Wrong
		}
	}
	return out
}

// One wrong bit of a large file is found, and one byte of a small file.
func TestCacheVerifyFindsDamage(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	mustPull(t, c, h, PullSpec{})
	blob := c.blob(h.repo, h.etag("model.safetensors"))
	f, err := os.OpenFile(blob, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{h.files["model.safetensors"][777] ^ 1}, 777); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.WriteFile(c.blob(h.repo, h.etag("config.json")), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := wrong(t, c, h, nil)
	if len(got) != 2 || !strings.Contains(got["model.safetensors"], "want "+h.etag("model.safetensors")) ||
		!strings.Contains(got["config.json"], "hash") {
		t.Errorf("%v", got)
	}
	if exists(blob) || exists(c.link(h.repo, h.commit, "model.safetensors")) {
		t.Error("a wrong file is left")
	}
	p := mustPull(t, c, h, PullSpec{})
	checkFile(t, p, h, "model.safetensors")
	checkFile(t, p, h, "config.json")
}

func TestEnvironment(t *testing.T) {
	env := func(vars map[string]string) func(string) string { return func(k string) string { return vars[k] } }
	for _, tc := range []struct {
		vars map[string]string
		want string
	}{
		{nil, "/home/u/.cache/huggingface/hub"},
		{map[string]string{"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"},
		{map[string]string{"HF_HOME": "/hf", "XDG_CACHE_HOME": "/x"}, "/hf/hub"},
		{map[string]string{"HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/hf"}, "/old"},
		{map[string]string{"HF_HUB_CACHE": "/c", "HUGGINGFACE_HUB_CACHE": "/old"}, "/c"},
	} {
		if got := CacheFromEnv(env(tc.vars), "/home/u").Dir; filepath.ToSlash(got) != tc.want {
			t.Errorf("%v: %s, want %s", tc.vars, got, tc.want)
		}
	}
	files := map[string]string{"/home/u/.cache/huggingface/token": "from-file\n", "/t": "from-path"}
	read := func(p string) ([]byte, error) {
		if s, ok := files[filepath.ToSlash(p)]; ok {
			return []byte(s), nil
		}
		return nil, os.ErrNotExist
	}
	for _, tc := range []struct {
		vars            map[string]string
		token, endpoint string
	}{
		{nil, "from-file", "https://huggingface.co"},
		{map[string]string{"HF_TOKEN": " a ", "HUGGING_FACE_HUB_TOKEN": "b", "HF_ENDPOINT": "https://mirror/"}, "a",
			"https://mirror"},
		{map[string]string{"HUGGING_FACE_HUB_TOKEN": "b"}, "b", "https://huggingface.co"},
		{map[string]string{"HF_TOKEN_PATH": "/t"}, "from-path", "https://huggingface.co"},
		{map[string]string{"HF_TOKEN_PATH": "/none"}, "", "https://huggingface.co"},
	} {
		if h := FromEnv(env(tc.vars), "/home/u", read); h.Token != tc.token || h.endpoint() != tc.endpoint {
			t.Errorf("%v: %+v", tc.vars, h)
		}
	}
}

// The token must not follow a redirect, whatever the other host is called.
func TestSameOrigin(t *testing.T) {
	for _, tc := range []struct {
		a    string
		want bool
	}{
		{"https://huggingface.co/x", true},
		{"https://HuggingFace.co/x?y", true},
		{"https://cdn.huggingface.co/x", false},
		{"http://huggingface.co/x", false},
		{"https://huggingface.co:8443/x", false},
		{"https://huggingface.co.evil.example/x", false},
	} {
		address, err := url.Parse(tc.a)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&Hub{}).owns(address); got != tc.want {
			t.Errorf("%s: %v", tc.a, got)
		}
	}
}

// An interrupted download is listed, no longer when the file is complete, and is not removed while it is being fetched.
func TestPullLeftovers(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	leave := func(path, etag string) (names []string) {
		part := c.blob(h.repo, etag) + partSuffix
		err := errors.Join(os.MkdirAll(filepath.Dir(part), 0o755), os.WriteFile(part, make([]byte, 100), 0o644),
			os.WriteFile(part+pathSuffix, []byte(path), 0o644))
		if err != nil {
			t.Fatal(err)
		}
		return []string{filepath.Base(part), filepath.Base(part) + pathSuffix}
	}
	other := strings.Repeat("c", 64)
	kept := leave("tiny-q4.gguf", other)
	if got := c.Interrupted(h.repo); !slices.Equal(got, []File{{Path: "tiny-q4.gguf", Bytes: 100}}) {
		t.Errorf("a download was interrupted, and it has %+v", got)
	}
	mustPull(t, c, h, PullSpec{})
	leave("model.safetensors", h.etag("model.safetensors")) // the pull was killed before it could clean up
	mustPull(t, c, h, PullSpec{})
	if got := leftovers(t, c, h.repo); !slices.Equal(got, kept) {
		t.Errorf("left over: %v, want %v", got, kept)
	}
	unlock, err := lock(c.lock(h.repo, other))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Remove(h.repo); !errors.Is(err, ErrBusy) {
		t.Errorf("removed while it is pulled: %v", err)
	}
	unlock()
	if _, err := c.Remove(h.repo); err != nil {
		t.Error(err)
	}
}
