package packed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"
)

func zip(t *testing.T, text string) *fstest.MapFile {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: b.Bytes()}
}

// Files are read under their own names, with their own sizes, and what is not there or is damaged is an error.
func TestFolder(t *testing.T) {
	damaged := zip(t, "a long text that is cut")
	damaged.Data = damaged.Data[:len(damaged.Data)-9]
	f := At(fstest.MapFS{"a.txt.gz": zip(t, "one"), "b/c.txt.gz": zip(t, "three"), "no.txt.gz": {Data: []byte("text")},
		"cut.txt.gz": damaged})
	for name, want := range map[string]string{"a.txt": "one", "b/c.txt": "three"} {
		got, err := fs.ReadFile(f, name)
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		open, err := f.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := open.Stat(); err != nil || info.Size() != int64(len(want)) || !info.Mode().IsRegular() {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
	for _, name := range []string{"a", "a.txt.gz", "../a.txt", "b"} {
		if _, err := f.ReadFile(name); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"no.txt", "cut.txt"} {
		if _, err := f.Open(name); err == nil {
			t.Errorf("%s is damaged and was read", name)
		}
	}
	entries, err := fs.ReadDir(f, "b")
	if err != nil || len(entries) != 1 || entries[0].Name() != "c.txt" {
		t.Fatalf("%v, %v", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || info.Size() != 5 {
		t.Errorf("%+v, %v", info, err)
	}
	if found, err := fs.Glob(f, "*.txt"); err != nil || len(found) != 3 {
		t.Errorf("%v, %v", found, err)
	}
	if info, err := fs.Stat(f, "b"); err != nil || !info.IsDir() {
		t.Errorf("%+v, %v", info, err)
	}
}
