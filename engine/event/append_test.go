package event

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inMemory is a folder whose files are never written to a disk, where the system has one: what is done
// for each byte of a journal waits for the disk otherwise.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "homellm-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestJournal_RefusesASecondWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("opening a journal that is being written: %v, want ErrLocked", err)
	}
	if _, err := Create(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating it again: %v, want ErrExist", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	k, _, err := Open(path)
	if err != nil {
		t.Fatalf("opening it after it was closed: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAppend_RefusesAGap(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }() // nothing was written
	if err := j.Append(Event{Seq: 2, Body: Note{}}); err == nil {
		t.Error("event 2 was taken as the first one")
	}
}

func TestAppend_WriteErrorSurfacesAndLasts(t *testing.T) {
	path, _ := write(t, story()[:1])
	f, err := os.Open(path) // read only: every write fails
	if err != nil {
		t.Fatal(err)
	}
	j := &Journal{file: f, end: position{seq: 1, version: Version}}
	first := j.Append(story()[1])
	if first == nil || !strings.Contains(first.Error(), "writing event 2") {
		t.Fatalf("got %v", first)
	}
	if again := j.Append(story()[1]); !errors.Is(again, first) {
		t.Errorf("a second append after a failed one: %v, want the first error", again)
	}
	if j.Seq() != 1 {
		t.Errorf("seq %d after a failed write", j.Seq())
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// A full disk is what /dev/full simulates; systems without it have the test above.
func TestAppend_FullDisk(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	j := &Journal{file: f}
	if err := j.Append(story()[0]); err == nil {
		t.Error("a full disk went unnoticed")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
