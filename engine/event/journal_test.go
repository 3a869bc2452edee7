package event

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// story has at least one event of every kind.
func story() []Event {
	bodies := []Body{
		RunStarted{Version: Version, ID: "8f2c", Started: time.Date(2026, 11, 23, 12, 1, 12, 0, time.UTC), Homellm: "1.0.0",
			Scenario: Scenario{Name: "rag", Conversations: []Conversation{{ID: "main",
				Steps: []Step{{ID: "q", Action: "query", Turns: 1}}}}}},
		CellPlanned{Labels: []Label{{"server", "sim"}}, Turns: 1},
		CellStarted{Attempt: 1, Server: Server{Profile: "sim", Engine: "sim", ContextTokens: new(8192), Simulated: true}},
		Note{Code: "throttled", Text: "line one\nline two \x1b[31m"},
		Request{Repeat: 1, Conversation: "main", Step: "q", Turn: 1, Action: "query", Phase: "with_rag",
			Exchange: Exchange{Due: 5, Sent: new(time.Duration(7)), Done: 90, Status: 200, Text: "Grüße, \u2028 world",
				Chunks: []Chunk{{At: 40, Channel: Answer, Bytes: 7, Tokens: new(2)}, {At: 50, Channel: Answer, Bytes: 11}},
				Usage:  Usage{Prompt: new(100), Completion: new(0)}, Timings: map[string]float64{"server.queue_ms": 0.25}},
			Cached: new(0), CacheSource: "usage"},
		Request{Repeat: 1, Warmup: true, Exchange: Exchange{Err: &Error{Class: "connect", Message: "refused",
			RetryAfter: time.Second}}},
		Sample{Values: map[string]float64{"gpu.power_w": 212.5}},
		ColdPrompts{Prompts: []ColdPrompt{{Tokens: 64, TTFT: 20}, {Tokens: 900, TTFT: 70}}},
		Facts{Values: map[string]float64{"load_ms": 1200}, Source: "client"},
		Verdict{Name: "hit", That: "a > 1", Verdict: "unknown", Operands: []Operand{{Path: "a", Why: "not reported"},
			{Path: "b", Value: 1.5, Unit: "ms"}}},
		CellDone{},
		CellFailed{Err: "did not start", Hint: "start it"},
		RunDone{Interrupted: "SIGINT"},
	}
	var out []Event
	for i, b := range bodies {
		e := Event{Seq: uint64(i + 1), At: time.Duration(i) * time.Millisecond, Body: b}
		if i > 0 && i < len(bodies)-1 {
			e.Cell = "c1"
		}
		out = append(out, e)
	}
	return out
}

func write(t *testing.T, events []Event) (path string, raw []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := j.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, raw
}

func readAll(raw []byte) (events []Event, err error) {
	for e, err := range Read(bytes.NewReader(raw)) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func TestJournal_ReturnsWhatWasWritten(t *testing.T) {
	want := story()
	_, raw := write(t, want)
	got, err := readAll(raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("read back (-want +got):\n%s", d)
	}
	if n := bytes.Count(raw, []byte("\n")); n != len(want) {
		t.Errorf("%d lines for %d events", n, len(want))
	}
}

// A journal from before prefills were marked has them in inject steps.
func TestDecodeRequest_MarksPrefills(t *testing.T) {
	for raw, want := range map[string]bool{
		`{"action":"inject"}`: true, `{"action":"send","prefill":true}`: true, `{"action":"query"}`: false,
	} {
		b, err := kinds[Request{}.kind()]([]byte(raw))
		if err != nil || b.(Request).Prefill != want {
			t.Errorf("%s: %+v, %v", raw, b, err)
		}
	}
}

func TestJournal_LineFormat(t *testing.T) {
	e := Event{Seq: 3, At: 1500, Cell: "c1", Body: Note{Code: "a", Text: "b"}}
	raw, _, err := encode(e, position{seq: 2, version: 2, sum: 7})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"seq":3,"at_ns":1500,"cell":"c1","kind":"note","body":{"code":"a","text":"b"},"crc32c":"9a7887b7"}` + "\n"
	if string(raw) != want {
		t.Errorf("got  %swant %s", raw, want)
	}
}

// Every kind of the story must be in the table, and the table must hold nothing else: a body
// that is written and cannot be read again would lose a run.
func TestKinds_CoverEveryBody(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range story() {
		seen[e.Body.kind()] = true
		got, err := kinds[e.Body.kind()]([]byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if reflect.TypeOf(got) != reflect.TypeOf(e.Body) {
			t.Errorf("kind %s decodes to %T, not %T", e.Body.kind(), got, e.Body)
		}
	}
	if len(seen) != len(kinds) {
		t.Errorf("the story has %d kinds, the table %d", len(seen), len(kinds))
	}
}

func TestRead_CutAtEveryByte(t *testing.T) {
	events := story()
	_, raw := write(t, events)
	for cut := 0; cut <= len(raw); cut++ {
		whole := bytes.Count(raw[:cut], []byte("\n"))
		got, err := readAll(raw[:cut])
		if len(got) != whole {
			t.Fatalf("cut at %d: %d events, want %d", cut, len(got), whole)
		}
		clean := cut == 0 || raw[cut-1] == '\n'
		if clean && err != nil {
			t.Fatalf("cut at %d, behind a line: %v", cut, err)
		}
		if !clean && !errors.Is(err, ErrTorn) {
			t.Fatalf("cut at %d, within a line: %v, want ErrTorn", cut, err)
		}
	}
}

// What goes on behind a torn line may be shorter than that line was: nothing of it is left.
func TestOpen_CutsALongTornLine(t *testing.T) {
	events := story()
	_, raw := write(t, events[:1])
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	torn := []byte(`{"seq":2,"at_ns":5,"kind":"request","body":{"text":"` + strings.Repeat("long ", 2000))
	if err := os.WriteFile(path, append(raw, torn...), 0o666); err != nil {
		t.Fatal(err)
	}
	j, have, err := Open(path)
	if err != nil || len(have) != 1 {
		t.Fatalf("%d events, %v", len(have), err)
	}
	if err := j.Append(Event{Seq: 2, Body: RunDone{}}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(again); err != nil || len(got) != 2 || bytes.Contains(again, []byte("long")) {
		t.Errorf("%d events and %d bytes, %v", len(got), len(again), err)
	}
}

func TestOpen_CutAtEveryByteThenContinues(t *testing.T) {
	events := story()
	_, raw := write(t, events)
	path := filepath.Join(inMemory(t), "journal.jsonl")
	for cut := 0; cut <= len(raw); cut++ {
		if err := os.WriteFile(path, raw[:cut], 0o666); err != nil {
			t.Fatal(err)
		}
		j, have, err := Open(path)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		for _, e := range events[len(have):] {
			if err := j.Append(e); err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
		}
		if j.Seq() != uint64(len(events)) {
			t.Fatalf("cut at %d: seq %d", cut, j.Seq())
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, raw) {
			t.Fatalf("cut at %d: the continued journal differs from the whole one", cut)
		}
	}
}

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

func TestRead_Refusals(t *testing.T) {
	head := `{"seq":1,"at_ns":0,"kind":"run_started","body":{"version":1,"homellm":"1.2.3"}}` + "\n"
	tests := []struct {
		name, in, want string
		events         int
	}{
		{"later version", `{"seq":1,"kind":"run_started","body":{"version":3,"homellm":"9.0","id":{"now":"an object"}}}` +
			"\n",
			"line 1: the journal is of version 3, written by homellm 9.0; this homellm reads up to version 2", 0},
		{"no version", `{"seq":1,"kind":"run_started","body":{}}` + "\n", "line 1: the journal says that it is of version 0",
			0},
		{"unknown kind", head + `{"seq":2,"kind":"moon_phase","body":{}}` + "\n",
			`line 2: unknown kind of event "moon_phase" in a journal of version 1, written by homellm 1.2.3`, 1},
		{"gap", head + `{"seq":3,"kind":"note","body":{}}` + "\n", "line 2: event 3 follows event 1: the journal has a gap",
			1},
		{"repeated", head + head, "line 2: event 1 follows event 1: the journal has a gap", 1},
		{"no head", `{"seq":1,"kind":"note","body":{}}` + "\n", `line 1: a journal begins with run_started, not with "note"`,
			0},
		{"garbage", head + "hello\n", "line 2: not an event: ", 1},
		{"wrong seq", `{"seq":"1"}` + "\n", "line 1: not an event: ", 0},
		{"binary", "\x7fELF\x02\x01\x01\x00", "line 1: not an event: this is not a journal", 0},
		{"another file without a line end", "PRIVATE KEY", "line 1: not an event: this is not a journal", 0},
		{"another file of JSON", `{"key": "PRIVATE"}`, "line 1: not an event: this is not a journal", 0},
		{"foreign end", head + "PRIVATE KEY", "line 2: not an event: this is not a journal, or it is damaged", 1},
		{"zeros", strings.Repeat("\x00", 1<<16), "line 1: not an event: this is not a journal", 0},
		{"deep", head + `{"seq":2,"kind":"note","body":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}\n",
			"line 2: not an event: ", 1},
		{"wrong type", head + `{"seq":2,"kind":"note","body":{"code":7}}` + "\n", "line 2: event 2 (note): ", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAll([]byte(tt.in))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
			if errors.Is(err, ErrTorn) {
				t.Error("a journal that cannot be trusted is reported as torn")
			}
			if len(got) != tt.events {
				t.Errorf("got %d events, want %d", len(got), tt.events)
			}
		})
	}
}

func TestRead_Empty(t *testing.T) {
	if got, err := readAll(nil); err != nil || len(got) != 0 {
		t.Errorf("%d events, %v", len(got), err)
	}
}

// A power cut can leave zeros in the place of the last blocks.
func TestRead_ZerosAtTheEndAreATornEvent(t *testing.T) {
	_, raw := write(t, story()[:3])
	got, err := readAll(append(raw, make([]byte, 9000)...))
	if len(got) != 3 || !errors.Is(err, ErrTorn) {
		t.Errorf("%d events, %v", len(got), err)
	}
}

// endless is a journal whose second line does not end: no more of it is read than shows that.
type endless struct{ head, fill string }

func (e *endless) Read(p []byte) (int, error) {
	if e.head != "" {
		n := copy(p, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	for i := range p {
		p[i] = e.fill[0]
	}
	return len(p), nil
}

func TestRead_EndlessLine(t *testing.T) {
	was := longestLine
	longestLine = 1 << 20
	defer func() { longestLine = was }()
	head := `{"seq":1,"at_ns":0,"kind":"run_started","body":{"version":1}}` + "\n"
	for name, in := range map[string]*endless{
		"the event has more than 1 MiB": {head + `{"seq":2,"kind":"`, "x"},
		"not an event":                  {head, "x"},
		ErrTorn.Error():                 {head, "\x00"},
	} {
		n := 0
		var last error
		for _, err := range Read(in) {
			n++
			last = err
		}
		if n != 2 || last == nil || !strings.Contains(last.Error(), name) {
			t.Errorf("%d, %v; want %q", n, last, name)
		}
	}
}

// The folder of a run may be a stranger's: going on with it changes no file that only looks like a
// journal from afar, and none outside of the folder.
func TestOpen_ChangesNoOtherFile(t *testing.T) {
	dir := t.TempDir()
	journal := filepath.Join(dir, "journal.jsonl")
	victim := filepath.Join(dir, "victim")
	for _, content := range []string{"PRIVATE KEY", `{"seq":1,"at_ns`, ""} {
		for name, lay := range map[string]func(old, link string) error{"link": os.Symlink, "hard link": os.Link} {
			if err := errors.Join(os.RemoveAll(journal), os.WriteFile(victim, []byte(content), 0o600),
				lay(victim, journal)); err != nil {
				t.Fatal(err)
			}
			if name == "hard link" && content != "PRIVATE KEY" {
				continue // it is a journal, whatever other name it has
			}
			if j, _, err := Open(journal); err == nil {
				t.Errorf("a %s to %q was opened", name, content)
				_ = j.Close()
			}
			if got, err := os.ReadFile(victim); err != nil || string(got) != content {
				t.Errorf("%s: %q became %q (%v)", name, content, got, err)
			}
		}
	}
}

func TestRead_ToleratesUnknownFields(t *testing.T) {
	in := `{"seq":1,"at_ns":0,"zone":"x","kind":"run_started","body":{"version":1,"id":"a","mood":{"good":true}}}` + "\n"
	got, err := readAll([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if id := got[0].Body.(RunStarted).ID; id != "a" {
		t.Errorf("id %q", id)
	}
}

func TestRead_StopsWhenAsked(t *testing.T) {
	_, raw := write(t, story())
	n := 0
	for _, err := range Read(bytes.NewReader(raw)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestOpen_RefusesADamagedMiddleAndKeepsIt(t *testing.T) {
	path, raw := write(t, story())
	raw[bytes.IndexByte(raw, '\n')+3] = '#'
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(path); err == nil {
		t.Error("a damaged journal was opened")
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, raw) {
		t.Error("a refused journal was changed")
	}
}

// FuzzRead checks that whatever is read can be written and read again, and that a reader never
// yields anything after an error.
func FuzzRead(f *testing.F) {
	var raw, line []byte
	var at position
	for _, e := range story() {
		var err error
		if line, at, err = encode(e, at); err != nil {
			f.Fatal(err)
		}
		raw = append(raw, line...)
		f.Add(raw)
	}
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"seq":1,"kind":"run_started","body":null}` + "\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out []byte
		var events []Event
		var at position
		failed := false
		for e, err := range Read(bytes.NewReader(in)) {
			if failed {
				t.Fatal("something was yielded after an error")
			}
			if err != nil {
				failed = true
				continue
			}
			var line []byte
			if line, at, err = encode(e, at); err != nil {
				t.Fatalf("an event that was read cannot be written: %v", err)
			}
			events = append(events, e)
			out = append(out, line...)
		}
		again, err := readAll(out)
		if err != nil {
			t.Fatalf("an event that was written cannot be read: %v", err)
		}
		if len(again) != len(events) {
			t.Fatalf("%d events became %d", len(events), len(again))
		}
	})
}
