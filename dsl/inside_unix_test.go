//go:build unix

package dsl

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDocumentFilesStayInside tries the ways out of a scenario's folder.
func TestDocumentFilesStayInside(t *testing.T) {
	folder := t.TempDir()
	inside := filepath.Join(folder, "inside")
	for name, data := range map[string]string{"secret.txt": "secret", "inside/fine.txt": "fine",
		"inside/large.txt": strings.Repeat("x", maxDocumentBytes+1)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"out.txt": "../secret.txt",
		"absolute.txt": filepath.Join(folder, "secret.txt"), "up": "..", "in.txt": "fine.txt"} {
		if err := os.Symlink(target, filepath.Join(inside, name)); err != nil {
			t.Skip(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(inside, "pipe"), 0o644); err != nil {
		t.Skip(err)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]string{
		"fine.txt": "", "in.txt": "", "out.txt": "cannot be read", "absolute.txt": "cannot be read",
		"up/secret.txt": "cannot be read",
		"../secret.txt": "is not a path inside", "/etc/hosts": "is not a path inside", "./fine.txt": "is not a path inside",
		`..\secret.txt`: "is not a path inside",
		"pipe":          "is not a regular file", ".": "is not a regular file", "large.txt": "is larger than 4 MiB",
		"none.txt": "does not exist",
	} {
		text, err := readDocumentFile(ownFolder{root}, name)
		switch {
		case want == "" && (err != nil || text != "fine"):
			t.Errorf("%s: %q, %v", name, text, err)
		case want != "" && (err == nil || !strings.Contains(fileProblem(err), want) || text != ""):
			t.Errorf("%s: %q, %v; want %s", name, text, err, want)
		}
	}
}
