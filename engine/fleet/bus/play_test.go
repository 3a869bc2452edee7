//go:build fleet

package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"homellm/engine/event"
	"homellm/engine/fleet"
)

// TestPlay has two boxes play six jobs.
func TestPlay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	slow := func(ctx context.Context, job fleet.Job, dir string, within func(time.Duration)) error {
		time.Sleep(300 * time.Millisecond)
		return write(ctx, job, dir, within)
	}
	r.join("attic", slow)
	r.join("cellar", slow)
	c, cells := r.coordinator()
	p := r.play(c, cells)
	if p.boxes["attic"] == 0 || p.boxes["cellar"] == 0 || len(p.attempts) > 0 {
		t.Errorf("played on %v, with %v", p.boxes, p.attempts)
	}
	runs, err := c.Conn.Runs(t.Context())
	if err != nil || len(runs) != 1 || runs[0].State != fleet.Played || runs[0].Settled != 6 {
		t.Errorf("runs %+v, %v", runs, err)
	}
	left, err := os.ReadDir(c.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestPlay_Killed has a box vanish in the middle of a job: another one plays it, which is noted.
func TestPlay_Killed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	playing := make(chan struct{}, 1)
	kill, _ := r.join("attic", func(ctx context.Context, _ fleet.Job, _ string, within func(time.Duration)) error {
		within(time.Minute)
		playing <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	c, cells := r.coordinator()
	go func() {
		<-playing
		kill()
		r.join("cellar", write)
	}()
	p := r.play(c, cells)
	if p.boxes["cellar"] != 6 || len(p.attempts) != 1 || !strings.Contains(p.attempts[0], "attempt 1 on box attic") {
		t.Errorf("played on %v, with %v", p.boxes, p.attempts)
	}
}

// TestPlay_Hung has a player give no sign of life within the time that it asked for: its box no longer answers for the
// job, gives it back, and another one plays it.
func TestPlay_Hung(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	playing, hung := make(chan struct{}, 1), make(chan error, 1)
	r.join("attic", func(ctx context.Context, _ fleet.Job, _ string, within func(time.Duration)) error {
		within(0)
		playing <- struct{}{}
		select {
		case <-ctx.Done():
			hung <- context.Cause(ctx)
		case <-time.After(time.Minute):
			hung <- errors.New("it may go on")
		}
		<-r.t.Context().Done() // the box is lost for other jobs
		return nil
	})
	c, cells := r.coordinator()
	go func() {
		<-playing
		r.join("cellar", write)
	}()
	p := r.play(c, cells)
	if err := <-hung; !errors.Is(err, errHung) {
		t.Errorf("the play ended with %v", err)
	}
	if p.boxes["cellar"] != 6 || len(p.attempts) != 1 {
		t.Errorf("played on %v, with %v", p.boxes, p.attempts)
	}
}

// TestPlay_Late has the result of a box come when another one has delivered the same job: it does not count.
func TestPlay_Late(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	conn := r.dial("worker")
	var first fleet.Job
	send := func(kind string, data string) error {
		m := nats.NewMsg(playSubject(fleet.Box{Key: "worker", Name: "late"}, first, "late"))
		m.Header.Set(kindHeader, kind)
		m.Data = []byte(data)
		_, err := conn.js.PublishMsg(t.Context(), m)
		return err
	}
	jobs := 0
	r.joinAs(conn, "attic", func(ctx context.Context, job fleet.Job, dir string, within func(time.Duration)) error {
		switch jobs++; jobs {
		case 1: // the other box begins it as well
			first = job
			if err := send(kindBegun, `{"box":{"name":"late"}}`); err != nil {
				t.Error(err)
			}
		case 2:
			for err := errNone; err != nil; { // until the result of the first is stored
				_, _, err = conn.read(ctx, stateStream, settledSubject(first.Run, first.ID))
			}
			if err := errors.Join(send(kindPart, "{}"), send(kindEnded, "{}")); err != nil {
				t.Error(err)
			}
		}
		return write(ctx, job, dir, within)
	})
	c, cells := r.coordinator()
	p := r.play(c, cells)
	if p.boxes["attic"] != 6 || len(p.attempts) != 1 || !strings.Contains(p.attempts[0], "its result did not come first") {
		t.Errorf("played on %v, with %v", p.boxes, p.attempts)
	}
}

// TestPlay_BrokerRestarts stops the broker in the middle of a run, and starts it again on its folder.
func TestPlay_BrokerRestarts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	once := sync.OnceFunc(func() {
		r.stop()
		r.serve()
	})
	r.join("attic", func(ctx context.Context, job fleet.Job, dir string, within func(time.Duration)) error {
		once()
		return write(ctx, job, dir, within)
	})
	c, cells := r.coordinator()
	if p := r.play(c, cells); p.boxes["attic"] < 6 {
		t.Errorf("played on %v", p.boxes)
	}
}

// TestPlay_BrokerAway has the broker be away when a run begins: the coordinator waits for it.
func TestPlay_BrokerAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.join("attic", write)
	c, cells := r.coordinator()
	r.stop()
	c.Say = func(format string, args ...any) {
		r.say(format, args...)
		if strings.HasPrefix(format, "waiting for the fleet") {
			r.serve()
			c.Say = r.say
		}
	}
	if p := r.play(c, cells); p.boxes["attic"] != 6 {
		t.Errorf("played on %v", p.boxes)
	}
}

// TestPlay_Resumed has a coordinator end in the middle of a run. Another one takes what was played meanwhile, at
// instants after those that the journal has by then.
func TestPlay_Resumed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, cells := r.coordinator()
	ctx, cancel := context.WithCancel(t.Context())
	r.join("attic", func(ctx context.Context, job fleet.Job, dir string, within func(time.Duration)) error {
		cancel() // the first job is taken: its coordinator ends
		return write(ctx, job, dir, within)
	})
	now := func() time.Duration { return time.Minute }
	if err := c.Play(ctx, cells, now, func(event.Event) {}); !errors.Is(err, context.Canceled) {
		t.Fatalf("the first coordinator ended with %v", err)
	}
	time.Sleep(2 * time.Second) // the box plays on
	again, cells := r.coordinator()
	p := &played{done: map[string]int{}, boxes: map[string]int{}}
	later := func() time.Duration { return time.Hour }
	if err := again.Play(t.Context(), cells, later, func(e event.Event) {
		if p.keep(e); e.At < time.Hour {
			t.Errorf("%T of %s is at %v, before the run was resumed", e.Body, e.Cell, e.At)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(p.done) != 6 || p.boxes["attic"] != 6 {
		t.Errorf("kept %v, played on %v", p.done, p.boxes)
	}
}

// TestScale has 50 boxes play 1,000 cells that take no time, and shows what the fleet adds to a cell.
func TestScale(t *testing.T) {
	r := newRig(t)
	const boxes, cells = 50, 1000
	for i := range boxes {
		r.join(fmt.Sprint("box", i), writeShort)
	}
	c, all := r.coordinatorOf(cells)
	var memory runtime.MemStats
	begun := time.Now()
	p := r.play(c, all)
	took := time.Since(begun)
	runtime.ReadMemStats(&memory)
	t.Logf("%d cells on %d boxes took %v: %v a cell; the process, with the broker and all boxes, has %d MiB from the system",
		cells, len(p.boxes), took.Round(time.Millisecond), (took / cells).Round(10*time.Microsecond), memory.Sys>>20)
	if len(p.boxes) < boxes/2 {
		t.Errorf("only %d of %d boxes played", len(p.boxes), boxes)
	}
}
