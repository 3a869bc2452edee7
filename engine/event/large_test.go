package event

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"homellm/engine/large/largetest"
	"homellm/engine/secret"
	"homellm/engine/wire"
)

const largeSize = 1 << 20

// largeRequests returns requests with a large reply of each kind.
func largeRequests() map[string]Request {
	text := strings.Repeat("one \"word\" after another,\nand <more> of them: größer 🙂 ", largeSize/56)
	chunks := make([]Chunk, 20_000)
	for i := range chunks {
		chunks[i] = Chunk{At: time.Duration(i), Channel: Answer, Bytes: 1}
	}
	one := []Chunk{{At: 1, Channel: Answer, Bytes: len(text)}}
	return map[string]Request{
		"answer":    {Exchange: Exchange{Done: time.Second, Chunks: one, Text: text}},
		"reasoning": {Exchange: Exchange{Done: time.Second, Chunks: one, Reasoning: text, Text: "so"}},
		"call": {Exchange: Exchange{Done: time.Second, Chunks: one, Tools: "look" + text,
			Calls: []wire.ToolCall{wire.Call("1", "look", text), wire.Call("2", "see", "{}")}}},
		"chunks":    {Exchange: Exchange{Done: time.Second, Chunks: chunks, Text: text[:20_000]}},
		"no chunks": {Exchange: Exchange{Done: time.Second, Text: text}},
	}
}

// A journal keeps a large reply like any other, with little memory for writing and about twice its size for reading.
func TestJournal_WritesLargeRepliesInPieces(t *testing.T) {
	for name, q := range largeRequests() {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		j, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		events := []Event{{Seq: 1, Body: RunStarted{Version: Version}}, {Seq: 2, At: 5, Cell: "c", Body: q},
			{Seq: 3, At: 6, Cell: "c", Body: q}, {Seq: 4, At: 7, Body: Note{Code: "x"}}}
		size := len(q.Text) + len(q.Reasoning) + len(q.Tools)
		wrote := allocated(func() {
			for _, e := range events {
				if err := j.Append(e); err != nil {
					t.Fatal(err)
				}
			}
		})
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		largetest.AtMost(t, "writing "+name+" twice", wrote, uint64(max(size, largeSize)))
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []Event
		read := allocated(func() {
			for e, err := range Read(bytes.NewReader(raw)) {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got = append(got, e)
			}
		})
		if size > largeSize/2 && read > uint64(5*len(raw)/2) {
			t.Errorf("%s: reading %d bytes allocates %d", name, len(raw), read)
		}
		if !reflect.DeepEqual(got, events) {
			t.Errorf("%s: what is read is not what was written", name)
		}
		for i, line := range bytes.Split(bytes.TrimSpace(raw), []byte("\n")) {
			if !json.Valid(line) || i == 1 && !bytes.HasPrefix(line, []byte(`{"seq":2,"at_ns":5,"cell":"c","kind":"request",`)) {
				t.Errorf("%s: line %d is %.80s", name, i+1, line)
			}
		}
		damaged := bytes.Replace(raw, []byte("another"), []byte("anotheR"), 1)
		for _, err := range Read(bytes.NewReader(damaged)) {
			if err != nil && name != "chunks" {
				damaged = nil
			}
		}
		if damaged != nil && name != "chunks" {
			t.Errorf("%s: damage in the text is not told", name)
		}
	}
}

// A large reply that does not fit into a line is rejected before anything is written.
func TestJournal_RejectsALineThatIsTooLong(t *testing.T) {
	defer func(was int) { longestLine = was }(longestLine)
	longestLine = largeSize
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	q := Request{Exchange: Exchange{Text: strings.Repeat("\x01", largeSize/5)}}
	err = j.Append(Event{Seq: 1, Body: q})
	if info, statErr := os.Stat(path); err == nil || statErr != nil || info.Size() != 0 {
		t.Errorf("%v, %v", err, info)
	}
	if err := j.Append(Event{Seq: 1, Body: RunStarted{Version: Version}}); err != nil {
		t.Errorf("the next event: %v", err)
	}
}

// A secret in a large text is masked, and texts without secrets are not copied.
func TestMasked_LargeTexts(t *testing.T) {
	if err := secret.Add("sk-large-secret-41"); err != nil {
		t.Fatal(err)
	}
	for name, q := range largeRequests() {
		var got Event
		cost := allocated(func() {
			var err error
			if got, err = (Event{Seq: 1, Body: q}).Masked(); err != nil {
				t.Fatal(err)
			}
		})
		if !reflect.DeepEqual(got.Body, Body(q)) {
			t.Errorf("%s: masking changed it", name)
		}
		largetest.AtMost(t, "masking "+name, cost, largeSize/4)
	}
	q := largeRequests()["call"]
	q.Text = "sk-large-secret-41 in the rest"
	q.Calls[0].Function.Arguments += " sk-large-secret-41"
	q.Chunks[0].Bytes = 5
	got, err := Event{Seq: 1, Body: q}.Masked()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	masked, ok := got.Body.(Request)
	if bytes.Contains(raw, []byte("secret-41")) || !ok || len(masked.Chunks) != 1 || masked.Tools != q.Tools ||
		!strings.HasSuffix(q.Calls[0].Function.Arguments, "secret-41") {
		t.Error("the secret is kept, or something else is lost")
	}
}

func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
