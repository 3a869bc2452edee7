package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"homellm"
	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/prompt"
	"homellm/engine/server"
	"homellm/engine/target"
)

// turnsPerRepeat is how many turns the scenario has.
const turnsPerRepeat = 10

// scenario is a conversation that grows, in the harbour of which the simulator makes trouble.
const scenario = `schema: homellm.scenario/v1
name: soak
defaults:
  history: recorded
  request: {temperature: 0, seed: 1, max_tokens: 16, ignore_eos: true}
run: {warmup: 0, repeats: %d, cooldown: %s, error_budget: 20%%, isolation: {cache: salt, scope: repeat}}
conversations:
  - id: main
    system: You know the harbour and answer in one sentence.
    steps:
      - {id: hello, ask: Which ships are here today?, reply: Two ships are here today.}
%s
assert: [run.error_rate < 0.2]
`

// sample is what the run costs at one moment.
type sample struct {
	at         time.Duration
	turns      int
	goroutines int
	files      int    // open file descriptors; -1: not known here
	heap       uint64 // bytes that a collection leaves
}

// soaked is what was seen.
type soaked struct {
	samples  []sample
	left     sample // after everything was closed and the fold let go
	start    sample // before anything was opened
	took     time.Duration
	turns    int
	failed   int
	journal  int64 // bytes
	planned  time.Duration
	finished time.Time
}

func soak(ctx context.Context, turns int, duration time.Duration) (*soaked, error) {
	address, stop, err := startSimulator(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	dir, err := os.MkdirTemp("", "homellm-soak-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	repeats := (turns + turnsPerRepeat - 1) / turnsPerRepeat
	plan, err := load(ctx, address, repeats, duration/time.Duration(repeats))
	if err != nil {
		return nil, err
	}
	out := &soaked{planned: duration, start: look(0, 0)}
	begun := time.Now()
	err = play(ctx, plan, filepath.Join(dir, "journal.jsonl"), out)
	out.took, out.finished = time.Since(begun), time.Now()
	time.Sleep(time.Second) // for what closes by itself
	out.left = look(out.took, out.turns)
	return out, err
}

// play plays the plan and takes a sample every fiftieth of it.
func play(ctx context.Context, plan *dsl.Plan, path string, out *soaked) error {
	journal, err := event.Create(path)
	if err != nil {
		return fmt.Errorf("creating the journal: %w", err)
	}
	defer journal.Close()
	cell := plan.Cells[0]
	every := max(cell.Scenario.Run.Repeats*turnsPerRepeat/50, 1)
	begun := time.Now()
	// every cell attaches: it starts nothing
	opener := target.Opener{Key: func(dsl.Secret) (string, error) { return "", nil }}
	fold := &metrics.Run{}
	err = engine.Run(ctx, plan, engine.Options{
		Header: event.RunStarted{ID: "0123456789abcdef", Started: begun.UTC()},
		Open:   opener.Open,
		Journal: engine.Journal{Fold: fold, Keep: func(e event.Event) error {
			if r, ok := e.Body.(event.Request); ok {
				if r.Err != nil {
					out.failed++
				}
				if out.turns++; out.turns%every == 0 {
					out.samples = append(out.samples, look(time.Since(begun), out.turns))
				}
			}
			return journal.Append(e)
		}},
	})
	if info, statErr := os.Stat(path); statErr == nil {
		out.journal = info.Size()
	}
	if want := cell.Scenario.Run.Repeats * turnsPerRepeat; err == nil && out.turns < want {
		_, _, why := fold.Outcome()
		err = fmt.Errorf("only %d of %d turns were played: %s %v", out.turns, want, why, fold.Cells[0].Done)
	}
	return errors.Join(err, opener.Close())
}

// look counts what is open now. A collection first, so that the heap is what is held.
func look(at time.Duration, turns int) sample {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := sample{at: at, turns: turns, goroutines: runtime.NumGoroutine(), files: -1, heap: m.HeapAlloc}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.files = len(open) - 1 // the folder itself
	}
	return s
}

// load plans the scenario for the simulator at address. Each repeat is to take so long, nearly
// all of which is its cooldown.
func load(ctx context.Context, address string, repeats int, each time.Duration) (*dsl.Plan, error) {
	found, err := server.Probe(ctx, address, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the simulator what it is: %w", err)
	}
	lib, ds := dsl.LoadLibrary(dsl.File{Name: "models.yaml", Data: homellm.Models},
		dsl.File{Name: "servers.yaml", Data: homellm.Servers})
	if ds.Errors() {
		return nil, ds
	}
	opt := prompt.PlanOptions(lib)
	opt.Servers = []string{lib.Attach(found.Engine, found.Engine, address)}
	var steps strings.Builder
	for i := range turnsPerRepeat - 1 {
		fmt.Fprintf(&steps, "      - {id: more_%d, continue: And what of ship number %d?, reply: It lies at quay %d.}\n", i,
			i, i)
	}
	text := fmt.Sprintf(scenario, repeats, max(each-playing, time.Millisecond).Round(time.Millisecond), steps.String())
	plan, ds := dsl.Load(dsl.File{Name: "soak.yaml", Data: []byte(text)}, lib, judge.Vocabulary(), opt)
	if ds.Errors() {
		return nil, ds
	}
	return plan, nil
}

// playing is about how long the turns of one repeat take.
const playing = 400 * time.Millisecond

// startSimulator starts this program once more, as the simulator.
func startSimulator(ctx context.Context) (address string, stop func(), err error) {
	fail := func(err error) (string, func(), error) {
		return "", nil, fmt.Errorf("starting the simulator: %w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return fail(err)
	}
	child := exec.CommandContext(ctx, exe, "-serve")
	in, err := child.StdinPipe()
	if err != nil {
		return fail(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := child.Start(); err != nil {
		return fail(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		in.Close()
		return fail(errors.Join(err, child.Wait()))
	}
	return "http://" + strings.TrimSpace(line), func() {
		in.Close()
		_ = child.Wait() // it ends with its standard input
	}, nil
}
