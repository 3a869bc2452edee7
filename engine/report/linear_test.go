//go:build unix

package report

import (
	"fmt"
	"io"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/processor"
)

// longRun is a run of one conversation with so many steps of one turn.
func longRun(steps int) *metrics.Run {
	conversation := event.Conversation{ID: "main"}
	for i := range steps {
		conversation.Steps = append(conversation.Steps, event.Step{ID: fmt.Sprint("s", i), Action: "ask", Turns: 1})
	}
	r := new(metrics.Run)
	add := func(b event.Body) { r.Add(event.Event{Cell: "c", Body: b}) }
	r.Add(event.Event{Body: event.RunStarted{Scenario: event.Scenario{
		Name: "long", Repeats: 1, Conversations: []event.Conversation{conversation}}}})
	add(event.CellPlanned{Turns: steps})
	add(event.CellStarted{})
	for i := range steps {
		at := time.Duration(i) * time.Second
		add(event.Request{Repeat: 1, Conversation: "main", Step: fmt.Sprint("s", i), Turn: 1, Action: "ask", Phase: "before",
			Exchange: event.Exchange{Due: at, Done: at + time.Millisecond, Text: "yes"}})
	}
	add(event.CellDone{})
	return r
}

// What a report costs grows with its turns, not with their square, it is written as it is made, and tells how far it
// is.
func TestFormats_AreLinear(t *testing.T) {
	const few, many = 400, 1600
	short, long := longRun(few), longRun(many)
	for _, f := range Formats {
		if f.Name != "json" && f.Name != "summary" && f.Name != "csv" {
			continue
		}
		costOf(t, f, short, Options{}) // indexes it
		told, total := 0, 0
		progress := Options{Progress: func(done, of int) { told, total = done, of }}
		a, _ := costOf(t, f, short, Options{})
		b, largest := costOf(t, f, long, progress)
		if most := time.Duration(3 * many / few); b > most*max(a, 5*time.Millisecond) {
			t.Errorf("%s: %d turns take %v and %d turns %v, want at most %d times as much", f.Name, few, a, many, b, most)
		}
		if most := 256 << 10; largest > most {
			t.Errorf("%s: %d bytes are written at once, want at most %d", f.Name, largest, most)
		}
		if told != total || total < many {
			t.Errorf("%s: progress ended with %d of %d", f.Name, told, total)
		}
	}
}

// costOf is the processor time that a report takes, and the most bytes that it writes at once.
func costOf(t *testing.T, f Format, r *metrics.Run, opt Options) (took time.Duration, largest int) {
	t.Helper()
	w := writerFunc(func(p []byte) (int, error) {
		largest = max(largest, len(p))
		return io.Discard.Write(p)
	})
	before, _ := processor.Time()
	if err := f.Write(w, r, opt); err != nil {
		t.Fatal(err)
	}
	after, _ := processor.Time()
	return after - before, largest
}
