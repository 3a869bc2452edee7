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
		RoundDone{N: 1, Cells: []string{"b", "a"}, Conditions: map[string]string{"a": "met"}},
		SinceLast{Run: "a", Started: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), Earlier: 1,
			Changed: []Changed{{Key: "driver.version", Old: "550", New: "560"}},
			Moves:   []Move{{Path: "run.output_tps", Unit: "tokens/s", Old: 98, New: 97, Verdict: Unknown}}},
		Facts{Values: map[string]float64{"load_ms": 1200}, Source: "client"},
		Windows{From: 5, Each: 60},
		Verdict{Name: "hit", That: "a > 1", Verdict: "unknown", Operands: []Operand{{Path: "a", Why: "not reported"},
			{Path: "b", Value: 1.5, Unit: "ms"}}},
		Attained{Objective: "snappy", Repeat: 1, Missed: []int{1}, Unknown: []Undecided{{[]int{2}, "not reported", true}}},
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
