package hub

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cached is how many bytes of a file the page cache holds.
func cached(t *testing.T, path string) (n int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(data) }()
	there := make([]byte, (len(data)+os.Getpagesize()-1)/os.Getpagesize())
	if _, _, err := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)), uintptr(unsafe.Pointer(&there[0]))); err != 0 {
		t.Fatal(err)
	}
	for _, page := range there {
		n += int(page&1) * os.Getpagesize()
	}
	return n
}

// A model that is pulled leaves in the page cache what other programs have there.
func TestPullLeavesThePageCacheAlone(t *testing.T) {
	c := Cache{Dir: t.TempDir()}
	path := filepath.Join(c.Dir, "probe")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	probe, err := openDirect(path)
	if err == nil {
		page, release, e := pages(1, pageBytes)
		if e != nil {
			t.Fatal(e)
		}
		defer release()
		_, err = probe.WriteAt(page[0], 0)
		probe.Close()
	}
	if err != nil || cached(t, path) > 0 { // as on a tmpfs, which has nothing else
		t.Skipf("the file system of %s has no direct writes: %v", c.Dir, err)
	}
	h := newTestHub(t)
	p := mustPull(t, c, h, PullSpec{})
	if n := cached(t, filepath.Join(p.Dir, "model.safetensors")); n > len(h.files["model.safetensors"])/10 {
		t.Errorf("%d bytes of it are in the page cache", n)
	}
	checkFile(t, p, h, "model.safetensors")
}

// What direct writes refuse is written as ever.
func TestPullWithoutDirectWrites(t *testing.T) {
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	refuses, err := os.Open(os.DevNull) // only to be read
	if err != nil {
		t.Fatal(err)
	}
	defer refuses.Close()
	want := noise(1, 3*pageBytes+77)
	for name, direct := range map[string]*os.File{"none": nil, "one that refuses": refuses} {
		if err := (&transfer{out: out, direct: direct}).write(want, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(out.Name()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes are on disk, %v; want %d", name, len(got), err, len(want))
		}
		if err := out.Truncate(0); err != nil {
			t.Fatal(err)
		}
	}
}
