//go:build fleet

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"homellm/engine/crash"
	"homellm/engine/event"
	"homellm/engine/fleet"
	"homellm/engine/fleet/bus"
)

// boxes is the process of the boxes.
func boxes(ctx context.Context, s size, dir string) error {
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	w := writer{events: s.events / max(1, s.cells/10), waited: map[string]time.Duration{}}
	for i := range s.boxes {
		conn, err := dial(ctx, dir, bus.Worker)
		if err != nil {
			return err
		}
		name := "box" + strconv.Itoa(i)
		var once sync.Once
		box := bus.Box{Conn: conn, About: fleet.Box{Name: name, Homellm: "bench"}, Dir: filepath.Join(dir, name),
			Say: complain, Offer: func(context.Context) []string { return []string{"sim"} }}
		all.Go(crash.Guarded(func() {
			joined := time.Now()
			box.Play = func(_ context.Context, job fleet.Job, dir string, within func(time.Duration)) error {
				once.Do(func() { w.first(name, time.Since(joined)) })
				within(time.Minute)
				return w.write(job, dir)
			}
			if err := box.Join(ctx); err != nil && ctx.Err() == nil {
				say("%s: %v", name, err)
			}
			conn.Close()
		}))
	}
	return tell(used{}, func() used {
		u := usedNow()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, d := range w.waited {
			u.Waited = append(u.Waited, d)
		}
		slices.Sort(u.Waited)
		return u
	})
}

// complain tells what goes wrong on a box, and not which of a thousand jobs it plays.
func complain(format string, args ...any) {
	if !strings.HasPrefix(format, "playing ") {
		say(format, args...)
	}
}

// writer writes journals of jobs that are not played.
type writer struct {
	events int // of each cell of a run of many events

	mu     sync.Mutex
	waited map[string]time.Duration // for the first job, by the names of the boxes
}

func (w *writer) first(box string, after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waited[box] = after
}

// many names the scenario whose cells have many events.
const many = "many.yaml"

func (w *writer) write(job fleet.Job, dir string) error {
	if err := os.MkdirAll(filepath.Dir(bus.Journal(dir)), 0o700); err != nil {
		return err
	}
	j, err := event.Create(bus.Journal(dir))
	if err != nil {
		return err
	}
	seq := uint64(0)
	add := func(cell string, body event.Body) {
		seq++
		err = errors.Join(err, j.Append(event.Event{Seq: seq, At: time.Duration(seq), Cell: cell, Body: body}))
	}
	n := 1
	if job.Order.File == many {
		n = w.events
	}
	add("", event.RunStarted{Version: event.Version, Homellm: "bench"})
	for i, c := range job.Cells {
		var labels []event.Label
		for _, l := range c.Labels {
			labels = append(labels, event.Label(l))
		}
		id := fmt.Sprint("there", i)
		add(id, event.CellPlanned{Labels: labels})
		add(id, event.CellStarted{Attempt: 1})
		for turn := range n {
			if turn%3 == 0 {
				add(id, turned(turn))
			} else {
				add(id, event.Verdict{Name: "quick", That: "turn.ttft < 2s", Scope: "main/hello", Verdict: "pass"})
			}
		}
		add(id, event.CellDone{})
	}
	add("", event.RunDone{})
	return errors.Join(err, j.Close())
}

// turned is a turn with a reply of 16 pieces. Two verdicts come with it.
func turned(turn int) event.Request {
	at := time.Duration(turn) * time.Second
	var q event.Request
	q.Conversation, q.Step, q.Turn, q.Text = "main", "hello", turn, strings.Repeat("a few ", 16)
	q.Sent, q.Done, q.Status = &at, at+900*time.Millisecond, 200
	for i := range 16 {
		q.Chunks = append(q.Chunks, event.Chunk{At: at + time.Duration(100+50*i)*time.Millisecond, Channel: event.Answer,
			Bytes: 6})
	}
	return q
}
