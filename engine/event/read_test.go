package event

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

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
