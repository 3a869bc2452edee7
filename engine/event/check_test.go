package event

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRead_FindsEveryFlippedBit(t *testing.T) {
	_, raw := write(t, story())
	for i := range raw {
		bit := i % 8
		damaged := bytes.Clone(raw)
		damaged[i] ^= 1 << bit
		if _, err := readAll(damaged); err == nil || errors.Is(err, ErrTorn) {
			t.Fatalf("bit %d of byte %d (%q) was flipped: got %v", bit, i, raw[i], err)
		}
	}
}

// A line that is whole in itself does not make a journal whole.
func TestRead_FindsLinesThatWereChanged(t *testing.T) {
	story := story()
	_, raw := write(t, story)
	other := append([]Event{}, story...)
	other[3].Body = Note{Code: "calm", Text: "nothing happened"}
	_, otherRaw := write(t, other)
	lines, foreign := bytes.SplitAfter(raw, []byte("\n")), bytes.SplitAfter(otherRaw, []byte("\n"))
	taken := append(append(append([][]byte{}, lines[:3]...), foreign[3]), lines[4:]...)
	unsealed := append([][]byte{}, lines...)
	unsealed[4] = append(bytes.Clone(lines[4][:len(lines[4])-sealBytes-1]), "}\n"...)
	for name, in := range map[string][][]byte{"a line of another journal": taken, "a line without its check": unsealed} {
		if _, err := readAll(bytes.Join(in, nil)); !errors.Is(err, errDamaged) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A journal of version 1 is read without checks, and goes on without them.
func TestOpen_GoesOnInTheVersionOfTheHead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	head := `{"seq":1,"at_ns":0,"kind":"run_started","body":{"version":1,"homellm":"1.2.3"}}` + "\n"
	if err := os.WriteFile(path, []byte(head), 0o600); err != nil {
		t.Fatal(err)
	}
	j, events, err := Open(path)
	if err != nil || len(events) != 1 || events[0].Body.(RunStarted).Checked() {
		t.Fatalf("%v, %v", events, err)
	}
	if err := errors.Join(j.Append(Event{Seq: 2, Body: RunDone{}}), j.Close()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(raw), "crc32c") {
		t.Errorf("%s, %v", raw, err)
	}
	if got, err := readAll(raw); err != nil || len(got) != 2 {
		t.Errorf("%d events, %v", len(got), err)
	}
}

func TestRead_RefusesWhatNoRunCanHave(t *testing.T) {
	request := func(change func(*Request)) Request {
		r := story()[4].Body.(Request)
		change(&r)
		return r
	}
	tests := []struct {
		name, want string
		at         time.Duration
		body       Body
	}{
		{"negative instant", "its instant -1 ns is out of range", -1, Note{}},
		{"far instant", "is out of range", math.MaxInt64, Note{}},
		{"instant of before", "lies before that of the event before it", time.Second, Note{}},
		{"sent long ago", "sent_ns: -9223372036854775808 ns is out of range", time.Hour,
			request(func(r *Request) { r.Sent = new(time.Duration(math.MinInt64)) })},
		{"sent before it was due", "sent_ns: 7ns lies before 1h0m0s", time.Hour,
			request(func(r *Request) { r.Due = time.Hour })},
		{"chunk before it was due", "chunks: number 2", time.Hour,
			request(func(r *Request) { r.Chunks[1].At = -time.Minute })},
		{"chunk without end", "chunks: number 1", time.Hour, request(func(r *Request) { r.Chunks[0].At = time.Hour })},
		{"chunk after itself", "chunks: number 1", time.Hour,
			request(func(r *Request) { r.Chunks[0].After = new(time.Minute) })},
		{"chunk after what was not due", "chunks: number 1", time.Hour,
			request(func(r *Request) { r.Chunks[0].After = new(time.Duration(-1)) })},
		{"cold prompt of no tokens", "prompts: number 1", time.Hour, ColdPrompts{Prompts: []ColdPrompt{{0, time.Second}}}},
		{"cold prompt before it was sent", "prompts: number 2", time.Hour,
			ColdPrompts{Prompts: []ColdPrompt{{9, time.Second}, {9, -time.Second}}}},
		{"long connection", "connect_ns", time.Hour, request(func(r *Request) { r.Connect = new(time.Duration(-5)) })},
		{"negative count", "prompt_tokens: -1 is out of range", time.Hour,
			request(func(r *Request) { r.Usage.Prompt = new(-1) })},
		{"large count", "cached_tokens: 4611686018427387904 is out of range", time.Hour,
			request(func(r *Request) { r.Cached = new(1 << 62) })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, raw := write(t, []Event{story()[0], {Seq: 2, At: time.Minute, Body: Note{}}, {Seq: 3, At: tt.at, Body: tt.body}})
			got, err := readAll(raw)
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(got) != 2 {
				t.Errorf("%d events, error %v, want %q", len(got), err, tt.want)
			}
		})
	}
}

// The instants of one cell do not depend on those of another: the cells of a fleet are played at the same time, and
// stored one after another.
func TestInstants_OfCells(t *testing.T) {
	_, raw := write(t, []Event{story()[0], {Seq: 2, At: time.Hour, Cell: "a", Body: Note{}},
		{Seq: 3, At: time.Minute, Cell: "b", Body: Note{}}, {Seq: 4, At: time.Second, Cell: "b", Body: Note{}}})
	got, err := readAll(raw)
	if err == nil || !strings.Contains(err.Error(), "lies before that of the event before it, 1m0s") || len(got) != 3 {
		t.Errorf("%d events, error %v", len(got), err)
	}
}

// What is written can be read: an event that is longer than a reader takes is refused when it is written.
func TestLongestLineIsThatOfReading(t *testing.T) {
	was := longestLine
	longestLine = 1 << 10
	defer func() { longestLine = was }()
	for _, n := range []int{800, 900, 950, 970, 980, 990, 1000, 1010, 1100} {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		j, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		wrote := j.Append(Event{Seq: 1, Body: RunStarted{Version: Version, Homellm: strings.Repeat("x", n)}})
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j, events, err := Open(path)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if (wrote == nil) != (len(events) == 1) {
			t.Errorf("%d bytes: written %v, %d events read", n, wrote, len(events))
		}
		if n == 1100 && wrote == nil {
			t.Error("a line that no reader takes was written")
		}
		j.Close()
	}
}

// A journal does not get rid of its checks by saying that it is from before there were any.
func TestRead_ChecksOfAnOlderVersion(t *testing.T) {
	_, raw := write(t, story())
	older := bytes.Replace(raw, []byte(`"version":2`), []byte(`"version":1`), 1)
	if bytes.Equal(raw, older) {
		t.Fatal("the head does not say its version as expected")
	}
	if _, err := readAll(older); !errors.Is(err, errDamaged) {
		t.Errorf("read with %v", err)
	}
}
