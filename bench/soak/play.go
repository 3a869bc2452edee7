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

// turnsPerRepeat is how many turns the scenario has, and passes how often one run plays it, by all users together.
const (
	turnsPerRepeat = 10
	passes         = 200
)

// load is who plays.
type load struct {
	users int // who play at the same time; 0: one, who does not think
}

func (l load) repeats() int { return max(1, passes/max(1, l.users)) }

// turns is how many turns a run has.
func (l load) turns() int { return l.repeats() * max(1, l.users) * turnsPerRepeat }

// settings are those of the scenario's run.
func (l load) settings() string {
	out := fmt.Sprintf("warmup: 0, repeats: %d, error_budget: 20%%", l.repeats())
	if l.users == 0 {
		return out + ", isolation: {cache: salt, scope: repeat}"
	}
	return out + fmt.Sprintf(", play: together, users: %d, isolation: {cache: salt, scope: user}, "+
		"think_time: {mean: 100ms, distribution: exponential, seed: 1}", l.users)
}

// scenario is a conversation that grows, in the harbour of which the simulator makes trouble.
const scenario = `schema: homellm.scenario/v1
name: soak
defaults:
  history: recorded
  request: {temperature: 0, seed: 1, max_tokens: 16, ignore_eos: true}
run: {%s}
conversations:
  - id: main
    system: You know the harbour and answer in one sentence.
    steps:
      - {id: hello, ask: Which ships are here today?, reply: Two ships are here today.}
%s
assert: [run.error_rate < 0.2]
`

// sample is the resources in use at one moment.
type sample struct {
	at         time.Duration
	turns      int
	goroutines int
	files      int    // open file descriptors; -1: unknown on this system
	heap       uint64 // bytes after a garbage collection
}

// soaked is the observations of the whole test.
type soaked struct {
	load     load
	samples  []sample // after each run, when it is closed and its fold released
	start    sample   // before anything was opened
	took     time.Duration
	turns    int
	failed   int
	peak     uint64        // bytes of heap at the end of a run, its fold included; the most of all runs
	pause    time.Duration // the longest time in which no reply ended
	journals int64         // bytes
	planned  time.Duration
	finished time.Time
}

func soak(ctx context.Context, by load, duration time.Duration) (*soaked, error) {
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
	plan, err := by.plan(ctx, address)
	if err != nil {
		return nil, err
	}
	out := &soaked{load: by, planned: duration, start: look(0, 0)}
	begun := time.Now()
	last := begun
	for time.Since(begun) < duration {
		path := filepath.Join(dir, "journal.jsonl")
		if err := play(ctx, plan, path, out, &last); err != nil {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("making room for the next journal: %w", err)
		}
		out.samples = append(out.samples, look(time.Since(begun), out.turns))
	}
	out.took, out.finished = time.Since(begun), time.Now()
	return out, nil
}

// play plays the plan once. Last is the end of the last reply before it.
func play(ctx context.Context, plan *dsl.Plan, path string, out *soaked, last *time.Time) error {
	journal, err := event.Create(path)
	if err != nil {
		return fmt.Errorf("creating the journal: %w", err)
	}
	defer journal.Close()
	// every cell attaches: it starts nothing
	opener := target.Opener{Key: func(dsl.Secret) (string, error) { return "", nil }}
	fold := &metrics.Run{}
	turns := 0
	err = engine.Run(ctx, plan, engine.Options{
		Header: event.RunStarted{ID: fmt.Sprintf("%016x", out.turns), Started: time.Now().UTC()}, // salts differ by it
		Open:   opener.Open,
		Journal: engine.Journal{Fold: fold, Keep: func(e event.Event) error {
			if r, ok := e.Body.(event.Request); ok {
				turns++
				if r.Err != nil {
					out.failed++
				}
				out.pause = max(out.pause, time.Since(*last))
				*last = time.Now()
			}
			return journal.Append(e)
		}},
	})
	if info, statErr := os.Stat(path); statErr == nil {
		out.journals += info.Size()
	}
	if all := out.load.turns(); err == nil && turns != all {
		_, _, why := fold.Outcome()
		err = fmt.Errorf("%d of %d turns were played: %s %v", turns, all, why, fold.Cells[0].Done)
	}
	out.turns += turns
	out.peak = max(out.peak, look(0, 0).heap)
	runtime.KeepAlive(fold)
	return errors.Join(err, opener.Close())
}

// look counts the resources in use, after a garbage collection, so that the heap is what is still referenced.
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

// plan plans the scenario for the simulator at address.
func (l load) plan(ctx context.Context, address string) (*dsl.Plan, error) {
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
	text := fmt.Sprintf(scenario, l.settings(), steps.String())
	plan, ds := dsl.Load(dsl.File{Name: "soak.yaml", Data: []byte(text)}, lib, judge.Vocabulary(), opt)
	if ds.Errors() {
		return nil, ds
	}
	return plan, nil
}

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
