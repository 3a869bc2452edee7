package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report"
	"homellm/engine/server"
	"homellm/engine/sim"
	"homellm/engine/target"
)

// smallPlan has two cells, warm-ups, two conversations and an assertion at every level, in an
// order in which no cell ends before the other has begun.
const smallPlan = `schema: homellm.scenario/v1
name: small
defaults:
  request: {temperature: 0, seed: 1, max_tokens: 4}
run: {warmup: 1, repeats: 2, order: interleaved, isolation: {cache: salt, scope: repeat}}
matrix: {place: [turn, system]}
documents:
  - id: manual
    text: The pump stands in the cellar of the old mill. Its flange bolts are tightened to a torque of 41 Nm,
      crosswise and in three passes.
conversations:
  - id: main
    system: You answer in one sentence from the documents that you are given, and in no other way.
    steps:
      - {id: hello, ask: Which things can you help me with today?, assert: [turn.ok]}
      - {id: load, inject: {docs: [manual], into: "${matrix.place}"}}
      - {id: torque, query: How tight are the bolts of the pump in the cellar?}
    assert: [conv.requests_failed == 0]
  - id: other
    system: You answer in one sentence from the documents that you are given, and in no other way.
    steps:
      - {id: again, ask: Which things can you help me with today?}
assert:
  - steps.torque.ttft_ms.max > 0
overall:
  - 'cell({place: "system"}).steps.torque.ttft_ms.max >= 0.1 * cell({}).steps.torque.ttft_ms.max'
`

// attempt is one process that plays a plan into a journal.
type attempt struct {
	plan    *dsl.Plan
	journal string
	server  http.Handler // nil: a fresh simulator
	keep    func(event.Event) error
	changed bool
	wall    func() time.Time
	reset   func(context.Context) error
	side    bool            // its counters are read
	ctx     context.Context // one call's
}

const started = "2026-11-23T12:00:00Z"

// play opens or creates the journal and plays what is missing. It runs in its own bubble
// unless a server is given, which then brings the bubble.
func (a attempt) play(t *testing.T) *metrics.Run {
	t.Helper()
	if a.server != nil {
		return a.inBubble(t)
	}
	var fold *metrics.Run
	synctest.Test(t, func(t *testing.T) {
		a.server = simulator(t, sim.Config{})
		fold = a.inBubble(t)
	})
	return fold
}

func (a attempt) inBubble(t *testing.T) *metrics.Run {
	t.Helper()
	dial, shut := sim.Pipe(a.server)
	defer shut()
	hc := &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}}
	defer hc.CloseIdleConnections()
	fold := &metrics.Run{}
	journal, events, err := event.Open(a.journal)
	if errors.Is(err, os.ErrNotExist) {
		journal, err = event.Create(a.journal)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	at, err := time.Parse(time.RFC3339, started)
	if err != nil {
		t.Fatal(err)
	}
	opt := engine.Options{
		Header:  event.RunStarted{ID: "0011223344556677", Started: at, Homellm: "test"},
		Journal: engine.Journal{Keep: journal.Append, Fold: fold, Seq: journal.Seq(), Changed: a.changed},
		Machine: engine.Machine{Wall: a.wall},
		Open: func(_ context.Context, c *dsl.Cell) (*target.Target, error) {
			var side *server.Side
			if a.side {
				var err error
				if side, err = server.NewSide(server.Config{
					BaseURL: "http://sim", Engine: "sim", Model: "qwen2.5-3b", Client: hc,
				}); err != nil {
					return nil, err
				}
			}
			return &target.Target{
				Side: side,
				Facts: event.Server{Profile: c.Server.Name, Engine: "sim", URL: "http://sim", Model: "qwen2.5-3b",
					Simulated: true},
				Client: client.Config{BaseURL: "http://sim/v1", Model: "qwen2.5-3b", Stream: true, Dial: dial,
					Idle: 20 * time.Second, FirstToken: 20 * time.Second},
				Block:    16,
				Tokenize: tokenizer(hc, nil),
				Reset:    a.reset,
			}, nil
		},
	}
	for _, e := range events {
		fold.Add(e)
		opt.Journal.Elapsed = e.At
	}
	if a.keep != nil {
		opt.Journal.Keep = func(e event.Event) error {
			if err := a.keep(e); err != nil {
				return err
			}
			return journal.Append(e)
		}
	}
	ctx := a.ctx
	if ctx == nil {
		ctx = t.Context()
	}
	if err := engine.Run(ctx, a.plan, opt); err != nil && a.keep == nil {
		t.Fatal(err)
	}
	return fold
}

// result is result.json without what a resumed run cannot share with an uninterrupted one: the
// instants at which its turns were due and done. Durations, tokens, cache hits, texts, verdicts
// and the exit code all stay.
func result(t *testing.T, fold *metrics.Run) any {
	t.Helper()
	var out any
	if err := json.Unmarshal(render(t, fold, "json"), &out); err != nil {
		t.Fatal(err)
	}
	forget(out, "due_ms", "done_ms")
	return out
}

func forget(v any, keys ...string) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range keys {
			delete(v, k)
		}
		for _, w := range v {
			forget(w, keys...)
		}
	case []any:
		for _, w := range v {
			forget(w, keys...)
		}
	}
}

func render(t *testing.T, fold *metrics.Run, format string) []byte {
	t.Helper()
	i := slices.IndexFunc(report.Formats, func(f report.Format) bool { return f.Name == format })
	var b bytes.Buffer
	if err := report.Formats[i].Write(&b, fold, report.Options{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func replay(t *testing.T, journal string) *metrics.Run {
	t.Helper()
	f, err := os.Open(journal)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fold := &metrics.Run{}
	for e, err := range event.Read(f) {
		if err != nil {
			t.Fatal(err)
		}
		fold.Add(e)
	}
	return fold
}

// A journal that is cut anywhere and resumed gives the result of an uninterrupted run, and
// every report of the live run equals that of its replayed journal.
func TestResume_CutAnywhere(t *testing.T) {
	// One cell after the other: how long a run takes (run.duration_s) includes the passes of other cells between its own.
	small := strings.NewReplacer("interleaved", "sequential", "warmup: 1", "warmup: 0", "repeats: 2", "repeats: 1",
		"max_tokens: 4", "max_tokens: 2").Replace(smallPlan)
	plan := load(t, "small.yaml", []byte(small), library(t))
	dir := inMemory(t)
	whole := filepath.Join(dir, "whole.jsonl")
	live := attempt{plan: plan, journal: whole}.play(t)
	want := result(t, live)
	if verdict, _, why := live.Outcome(); verdict != event.Pass {
		t.Fatalf("the uninterrupted run: %s, %s", verdict, why)
	}
	for _, f := range report.Formats {
		if !bytes.Equal(render(t, live, f.Name), render(t, replay(t, whole), f.Name)) {
			t.Errorf("format %s of the replayed journal differs from the live one", f.Name)
		}
	}
	raw, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}

	// What a resumed run does depends only on the complete lines, which engine/event finds wherever a journal is cut. So
	// each number of lines is played once, cut after a line or within the next one.
	path := filepath.Join(dir, "cut.jsonl")
	lines, cut := 0, 0
	for line := range bytes.Lines(raw) {
		at := cut
		if lines%2 == 1 {
			at += len(line) / 2
		}
		lines, cut = lines+1, cut+len(line)
		if raced && lines%4 != 0 {
			continue
		}
		if err := os.WriteFile(path, raw[:at], 0o644); err != nil {
			t.Fatal(err)
		}
		resumed := attempt{plan: plan, journal: path}.play(t)
		if d := cmp.Diff(want, result(t, resumed)); d != "" {
			t.Fatalf("cut at byte %d, in line %d (-uninterrupted +resumed):\n%s", at, lines, d)
		}
		if d := cmp.Diff(result(t, resumed), result(t, replay(t, path))); d != "" {
			t.Fatalf("cut at byte %d: the replayed journal differs (-live +replayed):\n%s", at, d)
		}
	}
	if lines < 14 {
		t.Errorf("only %d lines: the plan is too small to show anything", lines)
	}
}

// inMemory returns a folder whose files are not written to a disk, if the system has one. Otherwise every event of
// every resumed run waits for the disk.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "homellm-") //nolint:usetesting // t.TempDir may be on a disk
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

// The server remembers what an aborted attempt sent. The next one must not find it.
func TestResume_FindsNothingOfTheAbortedAttempt(t *testing.T) {
	plan := load(t, "small.yaml", []byte(smallPlan), library(t))
	synctest.Test(t, func(t *testing.T) {
		server, other := simulator(t, sim.Config{}), simulator(t, sim.Config{})
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		want := result(t, attempt{plan: plan, journal: filepath.Join(t.TempDir(), "whole.jsonl"), server: other}.play(t))
		full := errors.New("killed")
		attempt{plan: plan, journal: path, server: server, keep: func(e event.Event) error {
			if v, ok := e.Body.(event.Request); ok && v.Repeat == 2 && v.Step == "torque" {
				return full
			}
			return nil
		}}.play(t)
		if raw, err := os.ReadFile(path); err != nil || !bytes.Contains(raw, []byte(`"repeat":2`)) {
			t.Fatalf("the aborted attempt did not come far enough: %v", err)
		}
		got := result(t, attempt{plan: plan, journal: path, server: server}.play(t))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("resumed on the server that saw the aborted attempt (-uninterrupted +resumed):\n%s", d)
		}
	})
}

// The notes of the preflight are shown for a resumed cell as for any other.
func TestResume_KeepsNotesOfThePreflight(t *testing.T) {
	data := strings.Replace(smallPlan, "cache: salt", "cache: reset", 1)
	plan := load(t, "small.yaml", []byte(data), library(t))
	for _, c := range plan.Cells {
		c.Server.Capabilities.CacheReport.Source = "none" // nothing proves the isolation
	}
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	n := 0
	reset := func(context.Context) error { return nil }
	attempt{plan: plan, journal: path, reset: reset, keep: func(event.Event) error {
		if n++; n > 10 {
			return errors.New("killed")
		}
		return nil
	}}.play(t)
	for _, c := range (attempt{plan: plan, journal: path, reset: reset}).play(t).Cells {
		if c.Started.Attempt != 2 || !slices.ContainsFunc(c.Notes,
			func(n event.Note) bool { return n.Code == "isolation_unproven" }) {
			t.Errorf("attempt %d of %s has the notes %v, want isolation_unproven among them", c.Started.Attempt, c.ID, c.Notes)
		}
	}
}

// A finished cell is not played again, and a half-done attempt leaves nothing in the numbers.
func TestResume_KeepsFinishedCellsAndReplacesAttempts(t *testing.T) {
	lib := library(t)
	small := strings.Replace(smallPlan, "interleaved", "sequential", 1)
	plan := load(t, "small.yaml", []byte(small), lib)
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	n := 0
	attempt{plan: plan, journal: path, keep: func(event.Event) error {
		if n++; n > 22 {
			return errors.New("no space left")
		}
		return nil
	}}.play(t)
	before := replay(t, path)
	if !before.Cells[0].Finished() || before.Cells[1].Finished() || len(before.Cells[1].Requests) == 0 {
		t.Fatalf("the interrupted run is not between two cells: %d events", n)
	}
	var again []string
	after := attempt{plan: plan, journal: path, keep: func(e event.Event) error {
		if s, ok := e.Body.(event.CellStarted); ok {
			again = append(again, fmt.Sprintf("%s attempt %d", e.Cell, s.Attempt))
		}
		return nil
	}}.play(t)
	if want := []string{plan.Cells[1].ID + " attempt 2"}; !slices.Equal(again, want) {
		t.Errorf("played %v, want %v", again, want)
	}
	for _, c := range after.Cells {
		if len(c.Requests) != 9 {
			t.Errorf("cell %s has %d requests, want 3 passes of 3", c.ID, len(c.Requests))
		}
	}

	// Another value of the axis: the unchanged cell stays, the cell that is gone leaves the report.
	edited := load(t, "small.yaml", []byte(strings.Replace(small, "[turn, system]", "[message, system]", 1)), lib)
	fold := attempt{plan: edited, journal: path, changed: true}.play(t)
	if len(fold.Cells) != 2 || fold.Cells[0].ID != edited.Cells[0].ID || fold.Cells[1].ID != plan.Cells[1].ID {
		t.Fatalf("cells %s and %s after the change, planned %s and %s", fold.Cells[0].ID, fold.Cells[1].ID,
			edited.Cells[0].ID, edited.Cells[1].ID)
	}
	if fold.Cells[1].Started.Attempt != 2 || fold.Started.Digest != edited.Digest {
		t.Errorf("the unchanged cell is of attempt %d, want 2; digest %s, want %s", fold.Cells[1].Started.Attempt,
			fold.Started.Digest, edited.Digest)
	}
	if d := cmp.Diff(result(t, fold), result(t, replay(t, path))); d != "" {
		t.Errorf("the replayed journal differs (-live +replayed):\n%s", d)
	}
}

// An event that cannot be kept stops the run at once: nothing is sent whose outcome would be lost.
func TestRun_StopsWhenItCannotKeep(t *testing.T) {
	plan := load(t, "small.yaml", []byte(smallPlan), library(t))
	synctest.Test(t, func(t *testing.T) {
		server := simulator(t, sim.Config{})
		kept := 0
		attempt{plan: plan, server: server, journal: filepath.Join(t.TempDir(), "journal.jsonl"),
			keep: func(e event.Event) error {
				if _, ok := e.Body.(event.Request); ok {
					if kept++; kept > 2 {
						return errors.New("no space left on device")
					}
				}
				return nil
			}}.play(t)
		// Two preflights (one of each cell at most), two kept and the one that could not be.
		if n := len(server.Ledger()); n > 2*2+3 {
			t.Errorf("%d requests were sent, 2 kept", n)
		}
	})
}

// A signal leaves a journal that says so, and no verdict of what was not finished.
func TestRun_InterruptedIsPartial(t *testing.T) {
	plan := load(t, "small.yaml", []byte(smallPlan), library(t))
	for signal, code := range map[string]int{"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129} {
		ctx, stop := context.WithCancelCause(t.Context())
		n := 0
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		fold := attempt{plan: plan, journal: path, ctx: ctx, keep: func(event.Event) error {
			if n++; n == 8 {
				stop(engine.Interrupted{Signal: signal})
			}
			return nil
		}}.play(t)
		if _, got, _ := fold.Outcome(); got != code {
			t.Errorf("%s: exit code %d, want %d", signal, got, code)
		}
		if replay(t, path).Done == nil {
			t.Errorf("%s: the journal has no end", signal)
		}
		for _, f := range []string{"table", "markdown"} {
			if !bytes.Contains(bytes.ToLower(render(t, fold, f)), []byte("interrupted")) {
				t.Errorf("%s: the %s does not say that it is partial", signal, f)
			}
		}
	}
}
