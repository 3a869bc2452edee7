package report

import (
	"encoding/csv"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// crowds is a run of cells with 1, 2, 4, 8 and 16 users, each played for ten seconds on a server with room for four.
func crowds() *metrics.Run {
	r := &metrics.Run{}
	add := func(cell string, b event.Body) { r.Add(event.Event{Cell: cell, Body: b}) }
	add("", event.RunStarted{Version: event.Version, ID: "r", Scenario: event.Scenario{Name: "crowds", Repeats: 10,
		Isolation: "salt", Scope: "user", Duration: 10 * time.Second,
		Conversations: []event.Conversation{{ID: "talk", Steps: []event.Step{{ID: "q", Action: "ask", Turns: 1}}}}}})
	from := time.Duration(0)
	for _, n := range []int{1, 2, 4, 8, 16} {
		id := strconv.Itoa(n)
		add(id, event.CellPlanned{Users: n, Together: n > 1, Turns: n, Labels: append(labels2("sim", "m"),
			event.Label{Name: "users", Value: id}), SLO: []event.Objective{{Name: "quick", That: "turn.ttft_ms < 300"}}})
		add(id, event.CellStarted{Attempt: 1})
		add(id, event.Windows{From: from, Each: time.Second})
		took := max(900*time.Millisecond, time.Duration(n)*225*time.Millisecond)
		for window := 1; window <= 10; window++ {
			for user := 1; user <= n; user++ {
				due := from + time.Duration(window-1)*time.Second
				q := event.Request{Repeat: window, Play: 1, User: user, Conversation: "talk", Step: "q", Turn: 1, Action: "ask",
					Phase: "before"}
				q.Due, q.Sent, q.Done, q.Finished, q.Status = due, new(due), due+took, new(due+took), 200
				q.Wire.Framing = "sse"
				for i := range 10 {
					q.Chunks = append(q.Chunks, event.Chunk{At: due + took*time.Duration(i+1)/10, Channel: event.Answer, Bytes: 1})
				}
				q.Usage.Completion = new(10)
				add(id, q)
			}
			add(id, event.Attained{Objective: "quick", Repeat: window})
		}
		add(id, event.CellDone{})
		from += 20 * time.Second
	}
	add("", event.RunDone{})
	return r
}

// Every format shows what users get over their number, the knee, the objectives and how long the cells were played.
func TestLoads(t *testing.T) {
	r := crowds()
	for name, want := range map[string][]string{
		"table":    {"10s in 10 windows", "4 knee", "Knee at 4 users", "SLO quick (turn.ttft_ms < 300): share of turns 1.00"},
		"markdown": {"10s in 10 windows", "4 knee", "Knee at 4 users", "SLO quick"},
		"html": {"TTFT over users", "tok/s of all users over users", ">knee</text>", "SLO quick",
			"change from the first window"},
		"json": {`"duration_s": 10`, `"knee_users": 4`, `"play": 1`, `"run.drift.ttft_ms"`, `"run.slo.quick"`},
	} {
		said := render(t, format(t, name), r, Options{})
		for _, part := range want {
			if !strings.Contains(said, part) {
				t.Errorf("%s lacks %q", name, part)
			}
		}
	}
	schema, err := jsonschema.Compile(filepath.Join("..", "..", "schema", "result.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal([]byte(render(t, format(t, "json"), r, Options{})), &doc); err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%#v", err)
	}
}

// turns.csv says of which play of its conversation a turn is, where a window may have several: with the window and the
// user that names it. Warm-ups are in no window.
func TestTurnsCSV_Plays(t *testing.T) {
	r := crowds()
	again := *r.Cells[1].Requests[1]
	again.Play = 2
	warm := again
	warm.Play, warm.Warmup = 0, true
	r.Add(event.Event{Cell: r.Cells[1].ID, Body: again})
	r.Add(event.Event{Cell: r.Cells[1].ID, Body: warm})
	rows, err := csv.NewReader(strings.NewReader(render(t, format(t, "csv"), r, Options{}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	head := rows[0]
	if got := strings.Join(head[len(head)-2:], " "); got != "user play" {
		t.Fatalf("the last columns are %s", got)
	}
	plays := map[string]int{} // "2": the second
	for _, row := range rows[1:] {
		plays[row[len(row)-1]]++
	}
	if len(rows)-1 != 10*(1+2+4+8+16)+2 || plays["1"] != len(rows)-3 || plays["2"] != 1 || plays[""] != 1 {
		t.Errorf("%d rows, plays %v", len(rows)-1, plays)
	}
	r.Started.Scenario.Duration = 0
	if head, _, _ := strings.Cut(render(t, format(t, "csv"), r, Options{}), "\n"); strings.Contains(head, "play") {
		t.Error("a run with repeats has plays")
	}
}
