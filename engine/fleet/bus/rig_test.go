//go:build fleet

package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/files"
	"homellm/engine/fleet"
	"homellm/engine/judge"
)

// rig is a broker with workers whose player writes journals without playing.
type rig struct {
	t     *testing.T
	store Store
	addr  string
	stop  func() // stops the broker
	mu    sync.Mutex
	said  []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: Store{Dir: t.TempDir()}, addr: l.Addr().String()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r.serve()
	return r
}

// serve starts the broker.
func (r *rig) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- Broker{Listen: r.addr, Store: r.store, Warn: r.say}.Serve(ctx, func(address string) { ready <- address })
	}()
	select {
	case <-ready:
	case err := <-ended:
		r.t.Error(err)
	}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(r.stop)
}

func (r *rig) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *rig) key(name string) Key {
	r.t.Helper()
	k, err := ReadKey(r.store.path(name + ".key"))
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

func (r *rig) dial(key string) *Conn {
	r.t.Helper()
	c, err := Dial(r.t.Context(), "", r.key(key), r.say)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.nc.Close)
	return c
}

// join starts a worker. Kill ends it without a word, as the end of its process would.
func (r *rig) join(name string, play Player) (kill func(), ended chan error) {
	r.t.Helper()
	return r.joinAs(r.dial("worker"), name, play)
}

func (r *rig) joinAs(c *Conn, name string, play Player) (kill func(), ended chan error) {
	r.t.Helper()
	w := &Box{Conn: c, About: fleet.Box{Name: name, Homellm: "test"}, Dir: r.t.TempDir(), Play: play, Say: r.say,
		Offer: func(context.Context) []string { return []string{"sim"} }}
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	go func() { ended <- w.Join(ctx) }()
	r.t.Cleanup(cancel)
	return func() {
		c.nc.Close()
		cancel()
	}, ended
}

// write writes the journal of a job that was played, with a reply that is sent in several parts.
func write(_ context.Context, job fleet.Job, dir string, within func(time.Duration)) error {
	within(time.Minute)
	return writeReply(job, dir, strings.Repeat("many words ", 100_000))
}

// writeShort writes a short one.
func writeShort(_ context.Context, job fleet.Job, dir string, within func(time.Duration)) error {
	within(time.Minute)
	return writeReply(job, dir, "few words")
}

func writeReply(job fleet.Job, dir, text string) error {
	if err := os.MkdirAll(filepath.Dir(Journal(dir)), 0o700); err != nil {
		return err
	}
	j, err := event.Create(Journal(dir))
	if err != nil {
		return err
	}
	seq := uint64(0)
	add := func(cell string, body event.Body) {
		seq++
		err = errors.Join(err, j.Append(event.Event{Seq: seq, At: time.Duration(seq), Cell: cell, Body: body}))
	}
	add("", event.RunStarted{Version: event.Version, Homellm: "test"})
	for i, c := range job.Cells {
		var labels []event.Label
		for _, l := range c.Labels {
			labels = append(labels, event.Label(l))
		}
		id := fmt.Sprint("there", i)
		add(id, event.CellPlanned{Labels: labels})
		add(id, event.CellStarted{Attempt: 1})
		add(id, event.Request{Exchange: event.Exchange{Text: text}})
		add(id, event.CellDone{})
	}
	add("", event.RunDone{})
	return errors.Join(err, j.Close())
}

// coordinator is that of a run of six cells.
func (r *rig) coordinator() (*Coordinator, []*dsl.Cell) {
	r.t.Helper()
	return r.coordinatorOf(6)
}

// coordinatorOf is that of a run of so many cells.
func (r *rig) coordinatorOf(n int) (*Coordinator, []*dsl.Cell) {
	r.t.Helper()
	return r.coordinatorOn(r.dial("operator"), n)
}

func (r *rig) coordinatorOn(conn *Conn, n int) (*Coordinator, []*dsl.Cell) {
	r.t.Helper()
	var numbers []string
	for i := range n {
		numbers = append(numbers, fmt.Sprint(i))
	}
	data := []byte(`schema: homellm.scenario/v1
name: numbers
run: {repeats: 1, warmup: 0}
matrix: {server: [sim], n: [` + strings.Join(numbers, ", ") + `]}
conversations:
  - {id: main, steps: [{id: hello, ask: "Hello, number ${matrix.n}?"}]}
assert: [run.requests_failed == 0]
`)
	file := dsl.File{Name: "numbers.yaml", Data: data}
	plan, ds := dsl.Load(file, files.ShippedLibrary(), judge.Vocabulary(), dsl.Options{})
	if ds.Errors() {
		r.t.Fatal(ds)
	}
	return &Coordinator{Conn: conn, Run: "abcd", Plan: plan, Order: fleet.Order{File: "numbers.yaml"},
		Files: []File{{"documents/scenario", data}}, Dir: r.t.TempDir(), Lease: 3 * time.Second, Say: r.say,
		Progress: func(Progress) {}}, plan.Cells
}

// played is what a run kept.
type played struct {
	done     map[string]int
	boxes    map[string]int
	attempts []string
}

func (p *played) keep(e event.Event) {
	if b, ok := e.Body.(event.CellStarted); ok {
		p.boxes[b.Box.Name]++
	}
	if _, ok := e.Body.(event.CellDone); ok {
		p.done[e.Cell]++
	}
	if b, ok := e.Body.(event.Note); ok {
		p.attempts = append(p.attempts, b.Text)
	}
}

// play plays the six cells, and checks that each is kept once.
func (r *rig) play(c *Coordinator, cells []*dsl.Cell) *played {
	r.t.Helper()
	p := &played{done: map[string]int{}, boxes: map[string]int{}}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	if err := c.Play(ctx, cells, func() time.Duration { return time.Since(begun) }, p.keep); err != nil {
		r.t.Fatal(err)
	}
	for _, cell := range cells {
		if p.done[cell.ID] != 1 {
			r.t.Errorf("%v was kept %d times", cell, p.done[cell.ID])
		}
	}
	for stream, subject := range map[string]string{jobsStream: "fleet.job.>", playsStream: "fleet.from.*.play.>"} {
		s, err := c.Conn.js.Stream(ctx, stream)
		if err != nil {
			r.t.Fatal(err)
		}
		if n := s.CachedInfo().State.Msgs; n > 0 {
			r.t.Errorf("%d messages of %s are left in %s", n, subject, stream)
		}
	}
	return p
}
