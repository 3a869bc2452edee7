//go:build fleet && unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"homellm/engine/filelock"
)

// through starts a box that reaches the broker by a relay. It is started again whenever it ends.
func (r fleetRig) through(network *relay, name string) *kept {
	return r.keep(name, never, func() []string {
		return []string{"fleet", "join", "nats://" + network.address, "--key", "store/worker.key", "--name", name}
	})
}

// inTurn waits until a box is in the middle of a job.
func (r fleetRig) inTurn(box string) {
	r.t.Helper()
	r.until("a job is being played on "+box, func() bool {
		found, err := filepath.Glob(filepath.Join(r.dir, "cache/homellm/fleet", box, "*/results/journal.jsonl"))
		for _, path := range found {
			if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), `"kind":"request"`) &&
				!strings.Contains(string(data), `"kind":"run_done"`) {
				return true
			}
		}
		return err != nil
	})
}

// TestFleet_RestartedWorker kills a worker in a turn. When it is started again, it takes its job back: the fleet would
// offer it again only after the lease, and to any box.
func TestFleet_RestartedWorker(t *testing.T) {
	t.Parallel()
	r := newFleetRig(t)
	here := r.undisturbed(4)
	worker := r.keep("attic", never, func() []string { return r.joining("attic") })
	r.boxes(1)
	run := r.apply(r.address)
	r.inTurn("attic")
	worker.kill()
	if again := r.same(here, run); again == 0 {
		t.Error("no attempt is noted")
	}
	if worker.says("the worker before this one was killed while it played") != 1 ||
		worker.says("waiting whether it still is") != 0 {
		t.Error("it did not take its job back at once")
	}
}

// TestFleet_OnePlayer has the process that played a job before still be there: the next job waits for its end, as both
// would share the accelerator.
func TestFleet_OnePlayer(t *testing.T) {
	t.Parallel()
	r := newFleetRig(t)
	here := r.undisturbed(4)
	r.write("cache/homellm/fleet/attic/player", "1")
	player, err := os.Open(filepath.Join(r.dir, "cache/homellm/fleet/attic/player"))
	if err != nil {
		t.Fatal(err)
	}
	defer player.Close()
	if err := filelock.Lock(player); err != nil {
		t.Fatal(err)
	}
	worker := r.keep("attic", never, func() []string { return r.joining("attic") })
	r.boxes(1)
	run := r.apply(r.address)
	r.until("a job is taken", func() bool { return worker.says("playing ") > 0 })
	time.Sleep(3 * time.Second)
	found, err := filepath.Glob(filepath.Join(r.dir, "cache/homellm/fleet/attic/*/results"))
	if err != nil || len(found) > 0 {
		t.Errorf("%v is played already: %v", found, err)
	}
	_ = player.Close() // it was only locked
	r.same(here, run)
}

// TestFleet_KilledAroundAck kills a worker at the three instants between the end of a job and its next: nothing is lost
// and nothing is played twice.
func TestFleet_KilledAroundAck(t *testing.T) {
	ended := func(up bool, f *frame) bool { return up && f.says("Homellm-Kind: ended") }
	ack := func(up bool, f *frame) bool { return up && f.says("+ACK") }
	for _, tt := range []struct {
		name   string
		at     func(up bool, f *frame) bool
		passed bool // what it says at this instant arrives
		again  int  // cells that have two attempts
		resent int  // jobs that were played to their end and are sent again
	}{
		{"before the result is sent", ended, false, 1, 1},
		{"between result and acknowledgement", ended, true, 0, 0},
		{"in the acknowledgement", ack, false, 0, 0},
		{"after the acknowledgement", ack, true, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newFleetRig(t)
			here := r.undisturbed(4)
			var worker *kept
			var once sync.Once
			ready := make(chan struct{})
			network := relayTo(t, r.address, func(up bool, f *frame) bool {
				pass := true
				if tt.at(up, f) {
					once.Do(func() {
						<-ready
						worker.kill()
						pass = tt.passed
					})
				}
				return pass
			})
			worker = r.through(network, "attic")
			close(ready)
			r.boxes(1)
			run := r.apply(r.address)
			if again := r.same(here, run); again < tt.again || tt.again == 0 && again > 0 {
				t.Errorf("%d cells were begun more than once", again)
			}
			if n := worker.says("it ended at"); n != 1 {
				t.Errorf("the worker ended %d times", n)
			}
			if n, resent := worker.says("playing "), worker.says("sending again"); n != 3 || resent != tt.resent {
				t.Errorf("%d jobs were played and %d sent again; there are 3, %d to be sent again", n, resent, tt.resent)
			}
		})
	}
}

// TestFleet_Cut cuts a worker or the coordinator off from the broker for longer than both sides need to notice: the
// worker delivers what it plays afterwards, or another plays it, and the coordinator goes on. With HOMELLM_KILLS the
// network is away for two minutes, so that the lease of the job ends as well.
func TestFleet_Cut(t *testing.T) {
	long(t)
	away := 35 * time.Second // a side that hears nothing notices after 30
	if killsOf(t, 0) > 0 {
		away = 2 * time.Minute
	}
	for _, side := range []string{"worker", "coordinator"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			r := newFleetRig(t)
			here := r.undisturbed(12)
			network := relayTo(t, r.address, nil)
			var run, attic *kept
			if side == "worker" {
				attic = r.through(network, "attic")
				r.boxes(1)
				run = r.apply(r.address)
				r.inTurn("attic")
			} else {
				attic = r.keep("attic", never, func() []string { return r.joining("attic") })
				r.boxes(1)
				run = r.apply(network.address)
				r.until("a cell is done", func() bool { return r.cellsDone() > 0 })
			}
			network.cut()
			r.keep("cellar", never, func() []string { return r.joining("cellar") })
			time.Sleep(away)
			network.restore()
			r.same(here, run)
			noticed := attic
			if side == "coordinator" {
				noticed = run
			}
			r.until("the "+side+" is connected again", func() bool {
				return noticed.says("the connection to the fleet is back") > 0
			})
		})
	}
}

// TestFleet_FullDisk fills the disk of the broker in the middle of a run. The broker says so, nothing is lost, and the
// run goes on when there is room again.
func TestFleet_FullDisk(t *testing.T) {
	long(t)
	t.Parallel()
	r := newFleetRigOn(t, func(store string) {
		if err := os.Mkdir(store, 0o700); err != nil {
			t.Fatal(err)
		}
		mount := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", store)
		if err := mount.Run(); err != nil {
			t.Skip("no tmpfs can be mounted here:", err)
		}
		t.Cleanup(func() {
			if err := exec.Command("umount", store).Run(); err != nil {
				t.Error(err)
			}
		})
	})
	here := r.undisturbed(12)
	r.keep("attic", never, func() []string { return r.joining("attic") })
	r.boxes(1)
	run := r.apply(r.address)
	r.until("a cell is done", func() bool { return r.cellsDone() > 0 })
	filler := filepath.Join(r.dir, "store", "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 1<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	r.until("the broker says so", func() bool { return r.broker.says("is full") > 0 })
	if err := errors.Join(f.Close(), os.Remove(filler)); err != nil {
		t.Fatal(err)
	}
	r.same(here, run)
	if r.broker.says("there is room again") == 0 || r.broker.says("it ended at") > 0 {
		t.Error("the broker does not say that it goes on, or it ended")
	}
}
