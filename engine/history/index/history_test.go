package index

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/history"
	"homellm/engine/results"
)

// day is when the i-th run of a history began.
func day(i int) time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, i) }

// write writes the journal of a run of three repeats: its times to the first token are about first.
func write(t testing.TB, dir string, i int, driver string, first time.Duration) {
	t.Helper()
	folder := filepath.Join(dir, fmt.Sprintf("run-%03d", i))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	j, err := event.Create(filepath.Join(folder, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	at, seq := time.Duration(0), uint64(0)
	add := func(cell string, b event.Body) {
		at, seq = at+time.Second, seq+1
		if err := j.Append(event.Event{Seq: seq, At: at, Cell: cell, Body: b}); err != nil {
			t.Fatal(err)
		}
	}
	add("", event.RunStarted{
		Version: event.Version, ID: fmt.Sprintf("id%03d", i), Started: day(i),
		Host: map[string]any{"cpu": "Ryzen", "gpus": []any{map[string]any{"name": "RTX 3090", "driver": driver}}},
		Scenario: event.Scenario{Name: "s", ErrorBudget: 1,
			Conversations: []event.Conversation{{ID: "c", Steps: []event.Step{{ID: "q", Turns: 1}}}}},
	})
	add("x", event.CellPlanned{Labels: []event.Label{{Name: "server", Value: "v"}}, Turns: 1, Does: "d0"})
	add("x", event.CellStarted{Attempt: 1, Server: event.Server{Engine: "vllm", Version: "1", Model: "m"}})
	for n := range 3 {
		q := event.Request{Repeat: n + 1, Conversation: "c", Step: "q", Turn: 1, Phase: "before"}
		q.Due, q.Sent, q.Done = at, new(at), at+time.Second
		q.Chunks = []event.Chunk{{At: at + first + time.Duration(n-1)*100*time.Microsecond, Channel: event.Answer, Bytes: 1}}
		q.Text = "x"
		add("x", q)
	}
	add("x", event.CellDone{})
	add("", event.RunDone{})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, dir string) []history.History {
	t.Helper()
	x, err := Open(t.Context(), results.Runs{Dir: dir, Skipped: func(err error) { t.Log(err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	all, err := x.Of(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const path = "phases.before.ttft_ms"

// TestChanges finds a driver that made the first token slower, with the driver, on the machine where it was changed.
func TestChanges(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 40 {
		driver, first := "550", 100.0
		if i >= 25 {
			driver, first = "560", 112
		}
		write(t, dir, i, driver, time.Duration((first+r.NormFloat64())*float64(time.Millisecond)))
	}
	all := opened(t, dir)
	if len(all) != 1 || len(all[0].Runs) != 40 || all[0].Box != "RTX 3090" {
		t.Fatalf("%d histories: %+v", len(all), all)
	}
	h := all[0]
	changes := h.Changes(path)
	if len(changes) != 1 || changes[0].At != 25 || changes[0].To != 0 {
		t.Fatalf("changes: %+v", changes)
	}
	if c := changes[0]; c.After-c.Before < 10 || len(c.With) != 1 || c.With[0].Key != "driver.version" {
		t.Errorf("the change is %+v", c)
	}
	if d := h.Differences(); len(d) != 1 || len(d[25]) != 1 {
		t.Errorf("differences: %v", d)
	}
	v := h.Runs[3].Value(path)
	if n, ok := v.Number(); !ok || v.N != 3 || v.Low >= n || n >= v.High || v.Unit != "ms" {
		t.Errorf("a run measured %+v", v)
	}
	if v := h.Runs[3].Value("run.cache.hit_rate"); v.Known() {
		t.Errorf("a hit rate that was not reported is %+v", v)
	}
}

// TestOpen_FollowsTheJournals: the index holds what the folder holds, whatever happened to either.
func TestOpen_FollowsTheJournals(t *testing.T) {
	dir := t.TempDir()
	count := func() int {
		all := opened(t, dir)
		if len(all) == 0 {
			return 0
		}
		return len(all[0].Runs)
	}
	for i := range 3 {
		write(t, dir, i, "550", 100*time.Millisecond)
	}
	if n := count(); n != 3 {
		t.Fatalf("%d runs", n)
	}
	if err := os.RemoveAll(filepath.Join(dir, "run-001")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, 3, "550", 100*time.Millisecond)
	write(t, dir, 4, "550", 100*time.Millisecond)
	if n := count(); n != 4 {
		t.Errorf("%d runs after one went and two came", n)
	}
	index := filepath.Join(dir, Name)
	if info, err := os.Stat(index); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the index: %v, %v", info, err)
	}
	for name, content := range map[string]string{"damaged": strings.Repeat("no database", 1000), "empty": ""} {
		if err := os.WriteFile(index, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != 4 {
			t.Errorf("%s: %d runs", name, n)
		}
	}
	// a run that goes on, or was cut off, is no run yet
	text, err := os.ReadFile(filepath.Join(dir, "run-003", "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSpace(string(text)), "\n")
	cut := strings.Join(lines[:len(lines)-1], "")
	if err := os.WriteFile(filepath.Join(dir, "run-003", "journal.jsonl"), []byte(cut), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 3 {
		t.Errorf("%d runs with one that has not ended", n)
	}
}

// TestOpen_WithoutAFile reads a folder that takes no file.
func TestOpen_WithoutAFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 0, "550", 100*time.Millisecond)
	if err := os.Mkdir(filepath.Join(dir, Name), 0o700); err != nil { // so that no file can have this name
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, Name, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if all := opened(t, dir); len(all) != 1 || len(all[0].Runs) != 1 {
		t.Errorf("%+v", all)
	}
	if _, err := os.Stat(filepath.Join(dir, Name, "mine")); err != nil {
		t.Errorf("what was in the way is gone: %v", err)
	}
	_, err := Open(t.Context(), results.Runs{Dir: filepath.Join(dir, "none")})
	if err == nil || !strings.Contains(err.Error(), "no results") {
		t.Errorf("a folder that is none: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("looking made a folder: %v", fs.ErrExist)
	}
}

// TestSinceLast says how far a run is from the one before, and judges it once five runs have told what is usual.
func TestSinceLast(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 0, "550", 100*time.Millisecond)
	if _, ok := opened(t, dir)[0].SinceLast(); ok {
		t.Error("a first run has one before it")
	}
	for i, first := range []time.Duration{101, 99, 100, 102} {
		write(t, dir, i+1, "550", first*time.Millisecond)
	}
	of := func() (history.Since, history.Move) {
		s, ok := opened(t, dir)[0].SinceLast()
		if !ok {
			t.Fatal("no run before")
		}
		for _, m := range s.Moves {
			if m.Path == path {
				return s, m
			}
		}
		t.Fatalf("nothing of %s in %+v", path, s.Moves)
		return s, history.Move{}
	}
	if s, m := of(); s.Earlier != 4 || m.Verdict != event.Unknown || m.Usual != 0 || m.Old != 100 || m.New != 102 {
		t.Errorf("with four earlier runs: %d, %+v", s.Earlier, m)
	}
	// Changes so far: 1, 1.98, 1.01, 2 %: the quartiles are 1 and 1.98.
	write(t, dir, 5, "560", 106*time.Millisecond)
	if s, m := of(); s.Earlier != 5 || m.Verdict != compare.Same || m.Usual < 0.049 || m.Usual > 0.0495 ||
		len(s.With) != 1 {
		t.Errorf("a change of 3.9 %%: %+v", m)
	}
	write(t, dir, 6, "560", 120*time.Millisecond)
	if _, m := of(); m.Verdict != compare.Worse {
		t.Errorf("a change of 13 %%: %+v", m)
	}
	write(t, dir, 7, "560", 60*time.Millisecond)
	if _, m := of(); m.Verdict != compare.Better {
		t.Errorf("half the time: %+v", m)
	}
}

// BenchmarkOpen opens a history of 200 runs whose journals have been read before.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for i := range 200 {
		write(b, dir, i, "550", 100*time.Millisecond)
	}
	for b.Loop() {
		x, err := Open(b.Context(), results.Runs{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if all, err := x.Of(b.Context(), "s"); err != nil || len(all[0].Runs) != 200 {
			b.Fatal(err, len(all))
		}
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
