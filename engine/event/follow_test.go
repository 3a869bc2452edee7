package event

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestFollower_ReadsWhatIsAdded: each call of More returns what was completed since the last one, an incomplete line
// waits, and the writer keeps its lock.
func TestFollower_ReadsWhatIsAdded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Follow(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []Event
	more := func() int {
		t.Helper()
		events, err := f.More()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, events...)
		return len(events)
	}
	if n := more(); n != 0 {
		t.Errorf("%d events of an empty journal", n)
	}
	want := story()
	for i, e := range want {
		if err := j.Append(e); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			more()
		}
	}
	more()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("followed %d events, written were %d", len(got), len(want))
	}
	if !f.Written() {
		t.Error("the journal that is being written counts as abandoned")
	}
	if err := j.Append(Event{Seq: j.Seq() + 1, At: want[len(want)-1].At, Body: Note{}}); err != nil {
		t.Errorf("the writer lost its journal: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if f.Written() {
		t.Error("somebody writes a journal that was closed")
	}
	want = append(want, Event{})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(t.TempDir(), "torn.jsonl")
	if err := os.WriteFile(torn, text[:len(text)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	half, err := Follow(torn)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if events, err := half.More(); err != nil || len(events) != len(want)-1 {
		t.Errorf("%d events, %v", len(events), err)
	}
	if err := os.WriteFile(torn, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if events, err := half.More(); err != nil || len(events) != 1 {
		t.Errorf("completed: %d events, %v", len(events), err)
	}
	if err := os.Truncate(torn, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := half.More(); !errors.Is(err, ErrOther) {
		t.Errorf("cut off: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.More(); !errors.Is(err, ErrOther) {
		t.Errorf("removed: %v", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.More(); !errors.Is(err, ErrOther) {
		t.Errorf("replaced: %v", err)
	}
}

// TestFollow_Rejects files that are not our journals.
func TestFollow_Rejects(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"text": "hello\n",
		"gap": `{"seq":2,"at_ns":0,"kind":"note","body":{}}` + "\n"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Follow(path)
		if err != nil {
			t.Fatal(err)
		}
		if events, err := f.More(); err == nil {
			t.Errorf("%s: %d events", name, len(events))
		}
		f.Close()
	}
	if err := os.Symlink(filepath.Join(dir, "text"), filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	if _, err := Follow(filepath.Join(dir, "link")); err == nil {
		t.Error("a link is followed")
	}
}
