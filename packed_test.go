package homellm_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"homellm/engine/packed"
)

var update = flag.Bool("update", false, "write packed/ anew from the files beside it")

// TestPacked: the program holds the schemas and the scenarios as they are.
func TestPacked(t *testing.T) {
	for folder, patterns := range map[string][]string{
		"schema": {"*.json"}, "scenarios": {"*.yaml", "documents/*", "questions/*"},
	} {
		to := filepath.Join(folder, "packed")
		var names []string
		for _, pattern := range patterns {
			found, err := fs.Glob(os.DirFS(folder), pattern)
			if err != nil || len(found) == 0 {
				t.Fatalf("%s: %d files, %v", pattern, len(found), err)
			}
			names = append(names, found...)
		}
		if *update {
			pack(t, folder, to, names)
		}
		have := packed.At(os.DirFS(to))
		for _, name := range names {
			want, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := have.ReadFile(name); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s of the program is not the file beside it: go test . -run Packed -update", filepath.Join(folder, name))
			}
		}
		err := fs.WalkDir(have, ".", func(name string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && !slices.Contains(names, name) {
				t.Errorf("the program has a file %s that is not there: go test . -run Packed -update", filepath.Join(folder, name))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// pack writes files of one folder, compressed, into another.
func pack(t *testing.T, from, to string, names []string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(to, name+".gz")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
