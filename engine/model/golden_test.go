package model

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write goldens.gz from the files of goldens/")

// TestGoldens_ArePacked: the program holds the files of goldens/ as they are.
func TestGoldens_ArePacked(t *testing.T) {
	names, err := filepath.Glob("goldens/*.json")
	if err != nil || len(names) < 15 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	files := map[string]json.RawMessage{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var short bytes.Buffer
		if err := json.Compact(&short, data); err != nil {
			t.Fatal(name, err)
		}
		files[strings.TrimSuffix(filepath.Base(name), ".json")] = short.Bytes()
	}
	if *update {
		pack(t, files)
		return
	}
	packed, err := goldenFiles()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if !bytes.Equal(packed[name], want) {
			t.Errorf("%s is not as in goldens.gz: go test ./engine/model -run Packed -update", name)
		}
	}
	if len(packed) != len(files) {
		t.Errorf("%d files are packed, and there are %d", len(packed), len(files))
	}
}

func pack(t *testing.T, files map[string]json.RawMessage) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	e := json.NewEncoder(z)
	e.SetEscapeHTML(false)
	if err := e.Encode(files); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("goldens.gz", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
