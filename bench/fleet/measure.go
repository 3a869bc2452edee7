//go:build fleet

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/crash"
	"homellm/engine/event"
	"homellm/engine/files"
	"homellm/engine/fleet"
	"homellm/engine/fleet/bus"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/processor"
)

// The bounds.
const (
	mostPerCell   = 20 * time.Millisecond // processor time of the coordinator
	mostMemory    = 200 << 20
	fewestPerTime = 20_000 // events in a second of the coordinator's processor time
)

// used is what a process has used.
type used struct {
	Processor time.Duration   `json:"processor_ns"`
	Memory    int64           `json:"memory_bytes"` // the most at a time
	Waited    []time.Duration `json:"waited_ns,omitempty"`
}

func usedNow() used {
	var u used
	u.Processor, _ = processor.Time() // zero where the system does not tell
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			u.Memory = kib << 10
		}
	}
	return u
}

// played is what a run has cost the coordinator.
type played struct {
	processor, wall time.Duration
	memory          int64 // the most at a time, since the process began
	events          int
}

// measure plays the runs and writes the table.
func measure(ctx context.Context, out io.Writer, s size) error {
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	address, err := free(ctx)
	if err != nil {
		return err
	}
	server, err := begin(ctx, "-part=broker", "-dir="+dir, "-address="+address)
	if err != nil {
		return err
	}
	conn, err := dial(ctx, dir, bus.Operator)
	if err != nil {
		return err
	}
	var workers *part
	joined := make(chan error, 1)
	join := sync.OnceFunc(func() { // when the run waits for boxes
		crash.Go(func() {
			var err error
			workers, err = begin(ctx, "-part=boxes", "-dir="+dir, fmt.Sprint("-boxes=", s.boxes),
				fmt.Sprint("-cells=", s.cells), fmt.Sprint("-events=", s.events))
			joined <- err
		})
	})
	cells, err := play(ctx, conn, filepath.Join(dir, "cells"), "cells.yaml", s.cells, join)
	if err != nil {
		return err
	}
	if err := <-joined; err != nil {
		return err
	}
	events, err := play(ctx, conn, filepath.Join(dir, "events"), many, s.cells/10, func() {})
	if err != nil {
		return err
	}
	boxes, err := workers.end()
	if err != nil {
		return err
	}
	conn.Close()
	broker, err := server.end()
	if err != nil {
		return err
	}
	return table(out, s, cells, events, map[string]used{"broker": broker, "boxes": boxes})
}

func table(out io.Writer, s size, cells, events played, others map[string]used) error {
	perCell := (cells.processor / time.Duration(s.cells)).Round(10 * time.Microsecond)
	rate := int(float64(events.events) / events.processor.Seconds())
	mib := func(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }
	waited := others["boxes"].Waited
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	row := func(what, figure, bound string) { fmt.Fprintf(w, "| %s\t| %s\t| %s\t|\n", what, figure, bound) }
	fmt.Fprintf(out, "%d cells on %d boxes, on a machine with %d processors of %s:\n\n", s.cells, s.boxes,
		runtime.NumCPU(), runtime.GOARCH)
	row("what", "measured", "at most")
	row("---", "---:", "---:")
	row("processor time a cell at the coordinator", perCell.String(), mostPerCell.String())
	row("the same at the broker", (others["broker"].Processor / time.Duration(s.cells+s.cells/10)).Round(10*
		time.Microsecond).String(), "")
	row("the same at all boxes together", (others["boxes"].Processor / time.Duration(s.cells+s.cells/10)).Round(10*
		time.Microsecond).String(), "")
	row("time a cell, broker and boxes on the same machine", (cells.wall / time.Duration(s.cells)).Round(10*
		time.Microsecond).String(), "")
	row("memory of the coordinator", mib(cells.memory), mib(mostMemory))
	row("memory of the broker, after both runs", mib(others["broker"].Memory), "")
	if n := len(waited); n > 0 {
		row("from joining to the first job, median and last box", fmt.Sprint(waited[n/2].Round(time.Millisecond), ", ",
			waited[n-1].Round(time.Millisecond)), "")
	}
	row("events in a second of the coordinator's processor time", fmt.Sprint(rate), fmt.Sprint("at least ", fewestPerTime))
	row("events in a second, all on the same machine", fmt.Sprint(int(float64(events.events)/events.wall.Seconds())), "")
	err := w.Flush()
	if perCell > mostPerCell {
		err = errors.Join(err, fmt.Errorf("a cell takes %v of the coordinator, more than %v", perCell, mostPerCell))
	}
	if cells.memory > mostMemory {
		err = errors.Join(err, fmt.Errorf("the coordinator has %s, more than %s", mib(cells.memory), mib(mostMemory)))
	}
	if rate < fewestPerTime {
		err = errors.Join(err, fmt.Errorf("%d events in a second, fewer than %d", rate, fewestPerTime))
	}
	return err
}

// play plays a run as apply does, with its journal and its fold. Waiting is called when it waits for boxes.
func play(ctx context.Context, conn *bus.Conn, dir, file string, cells int, waiting func()) (p played, err error) {
	var numbers []string
	for i := range cells {
		numbers = append(numbers, strconv.Itoa(i))
	}
	data := []byte(`schema: homellm.scenario/v1
name: numbers
run: {repeats: 1, warmup: 0}
matrix: {server: [sim], n: [` + strings.Join(numbers, ", ") + `]}
conversations:
  - {id: main, steps: [{id: hello, ask: "Hello, number ${matrix.n}?"}]}
assert: [run.requests_failed == 0]
`)
	plan, ds := dsl.Load(dsl.File{Name: file, Data: data}, files.ShippedLibrary(), judge.Vocabulary(), dsl.Options{})
	if ds.Errors() {
		return p, fmt.Errorf("planning %s: %w", file, ds)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return p, err
	}
	journal, err := event.Create(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		return p, err
	}
	fold := &metrics.Run{}
	done := 0
	o := engine.Options{
		Progress: func(engine.Progress) {},
		Journal: engine.Journal{Fold: fold, Keep: func(e event.Event) error {
			p.events++
			if _, ok := e.Body.(event.CellDone); ok {
				done++
			}
			return journal.Append(e)
		}},
		Elsewhere: func(ctx context.Context, cells []*dsl.Cell, to engine.Record) error {
			c := bus.Coordinator{Conn: conn, Run: strings.TrimSuffix(file, ".yaml"), Plan: plan,
				Files: []bus.File{{Name: file, Data: data}}, Order: fleet.Order{File: file}, Dir: dir, Lease: bus.Lease, Say: say,
				Progress: func(bus.Progress) { waiting() }}
			return c.Play(ctx, cells, to.Elapsed, to.Keep)
		},
	}
	begun, before := time.Now(), usedNow()
	if err := engine.Run(ctx, plan, o); err != nil {
		return p, err
	}
	after := usedNow()
	p.wall, p.processor, p.memory = time.Since(begun), after.Processor-before.Processor, after.Memory
	if err := journal.Close(); err != nil {
		return p, err
	}
	if done != cells {
		return p, fmt.Errorf("%d of %d cells are done", done, cells)
	}
	return p, nil
}
