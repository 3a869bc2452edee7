package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"homellm/engine/exit"
)

func TestPullHashMismatch(t *testing.T) {
	for _, path := range []string{"model.safetensors", "config.json"} {
		h := newTestHub(t)
		c := Cache{Dir: t.TempDir()}
		spoilt := bytes.Clone(h.files[path])
		spoilt[len(spoilt)/2] ^= 1
		h.set(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, path) || h.large(path) && strings.Contains(r.URL.Path, "resolve") {
				return false
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(spoilt))
			return true
		})
		_, err := pull(t, c, h, PullSpec{})
		if !errors.As(err, new(*exit.Failure)) || !strings.Contains(err.Error(), path+" arrived with hash ") ||
			!strings.Contains(err.Error(), "want "+h.etag(path)) {
			t.Fatalf("%s: %v", path, err)
		}
		if left := leftovers(t, c, h.repo); left != nil {
			t.Errorf("%s: left over: %v", path, left)
		}
		if exists(c.link(h.repo, h.commit, path)) || exists(c.blob(h.repo, h.etag(path))) {
			t.Errorf("%s: something is left that looks valid", path)
		}
		if c.ref(h.repo, "main") != "" {
			t.Errorf("%s: the ref says that the pull was complete", path)
		}
		h.set(nil)
		checkFile(t, mustPull(t, c, h, PullSpec{}), h, path)
	}
}

func TestPullNoSpace(t *testing.T) {
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	need := int64(len(h.files["model.safetensors"]) + len(h.files["config.json"]))
	_, err := c.Pull(context.Background(), h.Hub(), h.spec(),
		PullOptions{Free: func(string) (int64, error) { return need, nil }})
	if want := " has 0.00945 GB free, the pull needs 0.009922 GB"; !errors.As(err, new(*exit.Failure)) ||
		!strings.Contains(err.Error(), want) {
		t.Fatalf("%v", err)
	}
	if h.count("resolve") != 0 {
		t.Error("it began anyway")
	}
	if _, err := c.Pull(context.Background(), h.Hub(), h.spec(),
		PullOptions{Free: func(string) (int64, error) { return need + need/20 + 1, nil }}); err != nil {
		t.Error(err)
	}
	// What is there already needs no room.
	c = Cache{Dir: t.TempDir()}
	interrupt(t, c, h, 2*piece)
	little := func(string) (int64, error) { return need - piece, nil }
	if _, err := c.Pull(t.Context(), h.Hub(), h.spec(), PullOptions{Free: little}); err != nil {
		t.Error(err)
	}
}

// A disk that is full in the middle keeps what there is.
func TestPullFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("mounts a tmpfs")
	}
	h := newTestHub(t)
	c := Cache{Dir: t.TempDir()}
	size := int64(len(h.files["model.safetensors"]))
	room := fmt.Sprintf("size=%d", size-piece)
	mount := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", room, "tmpfs", c.Dir)
	if out, err := mount.CombinedOutput(); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() {
		if err := exec.Command("umount", c.Dir).Run(); err != nil {
			t.Error(err)
		}
	})
	endless := PullOptions{Free: func(string) (int64, error) { return 1 << 50, nil }}
	_, err := c.Pull(t.Context(), h.Hub(), h.spec(), endless)
	if !errors.As(err, new(*exit.Failure)) || !strings.Contains(err.Error(), "what was fetched is kept") {
		t.Fatalf("%v", err)
	}
	remount := exec.CommandContext(t.Context(), "mount", "-o", "remount,size=100m", c.Dir)
	if out, err := remount.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	p := mustPull(t, c, h, PullSpec{})
	checkFile(t, p, h, "model.safetensors")
	if p.Fetched >= size {
		t.Errorf("%d bytes were fetched again", p.Fetched)
	}
}

// The rest of an earlier pull is fetched again if it turns out to be wrong.
func TestPullDistrustsLeftovers(t *testing.T) {
	for name, spoil := range map[string]func(whole []byte) []byte{
		"as long, but empty":   func(whole []byte) []byte { return make([]byte, len(whole)) },
		"one bit":              func(whole []byte) []byte { whole[777] ^= 1; return whole[:piece] },
		"longer than the file": func(whole []byte) []byte { return append(whole, 0) },
	} {
		h := newTestHub(t)
		c := Cache{Dir: t.TempDir()}
		part := c.blob(h.repo, h.etag("model.safetensors")) + partSuffix
		left := spoil(bytes.Clone(h.files["model.safetensors"]))
		if err := errors.Join(os.MkdirAll(filepath.Dir(part), 0o755), os.WriteFile(part, left, 0o644)); err != nil {
			t.Fatal(err)
		}
		var last Progress
		p, err := c.Pull(t.Context(), h.Hub(), h.spec(), PullOptions{Progress: func(p Progress) { last = p }})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkFile(t, p, h, "model.safetensors")
		if last.Done != last.Total {
			t.Errorf("%s: progress says %d of %d", name, last.Done, last.Total)
		}
		if left := leftovers(t, c, h.repo); left != nil {
			t.Errorf("%s: left over: %v", name, left)
		}
	}
}

// Sizes that no file has are refused before anything is added up or fetched.
func TestPullRefusesAbsurdSizes(t *testing.T) {
	for _, size := range []string{"-1", "4398046511105", "4611686018427387904", "9223372036854775807",
		"9223372036854775808", "1e30"} {
		for _, entry := range []string{
			`{"rfilename": "model.safetensors", "size": %s, "blobId": "%040d"}`,
			`{"rfilename": "model.safetensors", "size": 1, "lfs": {"size": %s, "sha256": "%064d"}}`,
		} {
			h := newTestHub(t)
			h.set(func(w http.ResponseWriter, _ *http.Request) bool {
				fmt.Fprintf(w, `{"sha": %q, "siblings": [`+entry+`]}`, h.commit, size, 0)
				return true
			})
			free := PullOptions{Free: func(string) (int64, error) { return math.MaxInt64, nil }}
			_, err := (Cache{Dir: t.TempDir()}).Pull(t.Context(), h.Hub(), h.spec(), free)
			if err == nil || !strings.Contains(err.Error(), "no usable hash or size") &&
				!strings.Contains(err.Error(), "cannot unmarshal number") {
				t.Errorf("a size of %s: %v", size, err)
			}
			if h.count("resolve") > 0 {
				t.Errorf("a size of %s: it was fetched", size)
			}
		}
	}
}
