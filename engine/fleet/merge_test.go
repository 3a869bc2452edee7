package fleet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
)

// journalOf writes a journal and opens it.
func journalOf(t *testing.T, events ...event.Event) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := event.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		e.Seq = uint64(i + 1)
		if err := j.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func at(seconds int, cell string, body event.Body) event.Event {
	return event.Event{At: time.Duration(seconds) * time.Second, Cell: cell, Body: body}
}

func planned(n string) event.CellPlanned {
	return event.CellPlanned{Labels: []event.Label{{Name: "server", Value: "sim"}, {Name: "n", Value: n}}, Turns: 1}
}

func cellOf(id, n string) Cell {
	return Cell{ID: id, Labels: []dsl.Label{{Name: "server", Value: "sim"}, {Name: "n", Value: n}}}
}

var head = at(0, "", event.RunStarted{Version: event.Version, ID: "there", Homellm: "v2",
	Host: map[string]any{"cpu.name": "X"}})

// TestRead checks what the journal of a play becomes: cells under the ids of the run, later by when the box began, with
// what the box measured of itself in each of them, and with the ends of the cells behind all else.
func TestRead(t *testing.T) {
	sent := 3 * time.Second
	f := journalOf(t, head, at(1, "p", planned("1")), at(1, "q", planned("2")), at(1, "other", planned("3")),
		at(1, "", event.Facts{Source: "calibration", Values: map[string]float64{"client.ttft_bias_p50_ms": 0.1}}),
		at(2, "p", event.CellStarted{Attempt: 1, Server: event.Server{Profile: "sim"}}),
		at(4, "p", event.Request{Exchange: event.Exchange{Due: sent, Sent: &sent, Done: 4 * time.Second}}),
		at(5, "", event.Note{Code: "clock_jump", Text: "the clock jumped"}),
		at(6, "p", event.CellDone{}),
		at(6, "q", event.CellStarted{Attempt: 1}),
		at(7, "q", event.CellFailed{Err: "no answer"}),
		at(8, "", event.Verdict{Name: "over all", Scope: "overall"}),
		at(8, "", event.Note{Code: "indistinct", Text: "of the verdict"}),
		at(9, "", event.RunDone{}))
	p := Play{Job: Job{Cells: []Cell{cellOf("one", "1"), cellOf("two", "2")}}, Box: Box{Name: "cellar"}, Attempt: 3,
		After: time.Minute, Note: "attempt 2 on box attic does not count: its result did not come first"}
	res, err := p.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range res.Events {
		text := fmt.Sprintf("%v %s %T", e.At, e.Cell, e.Body)
		if b, ok := e.Body.(event.CellStarted); ok {
			text += fmt.Sprintf(" %d %s %s %v", b.Attempt, b.Box.Name, b.Box.Homellm, b.Box.Host["cpu.name"])
		}
		if b, ok := e.Body.(event.Request); ok {
			text += fmt.Sprintf(" %v %v %v", b.Due, *b.Sent, b.Done)
		}
		if b, ok := e.Body.(event.Note); ok {
			text += " " + b.Code
		}
		got = append(got, strings.ReplaceAll(text, "event.", ""))
	}
	want := `1m2s one CellStarted 3 cellar v2 X
1m2s one Note attempts
1m2s one Facts
1m4s one Request 1m3s 1m3s 1m4s
1m5s one Note clock_jump
1m6s two CellStarted 3 cellar v2 X
1m6s two Note attempts
1m6s two Facts
1m6s two Note clock_jump
1m6s one CellDone
1m7s two CellFailed`
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("events\n%s\nwant\n%s", got, want)
	}
}

// TestRead_Unfinished checks that a journal that ends early is no result, unless the play was aborted.
func TestRead_Unfinished(t *testing.T) {
	p := Play{Job: Job{Cells: []Cell{cellOf("one", "1"), cellOf("two", "2")}}}
	begun := []event.Event{head, at(1, "p", planned("1")), at(1, "q", planned("2")),
		at(2, "p", event.CellStarted{Attempt: 1}), at(3, "p", event.CellDone{})}
	if _, err := p.Read(journalOf(t, begun...)); !errors.Is(err, errUnfinished) {
		t.Errorf("a journal without the second cell: %v", err)
	}
	res, err := p.Read(journalOf(t, append(begun, at(4, "", event.RunDone{Aborted: "it said so"}))...))
	if err != nil || res.Aborted != "it said so" {
		t.Errorf("an aborted play: %q, %v", res.Aborted, err)
	}
	skipped := planned("2")
	skipped.Skip = "too small"
	res, err = p.Read(journalOf(t, head, at(1, "p", planned("1")), at(1, "q", skipped),
		at(2, "p", event.CellStarted{Attempt: 1}), at(3, "p", event.CellDone{})))
	if err != nil || len(res.Events) != 3 {
		t.Errorf("a play with a skipped cell: %v, %v", res.Events, err)
	}
	damaged := journalOf(t, begun...)
	if err := os.WriteFile(damaged.Name(), []byte("no journal\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(damaged); err == nil {
		t.Error("a damaged journal has a result")
	}
}
