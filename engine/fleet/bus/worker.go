//go:build fleet

package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"homellm/engine/crash"
	"homellm/engine/exit"
	"homellm/engine/fleet"
)

// Player plays a job whose files are in a folder, and stores the run there below results. It calls within before
// whatever may take its time, with the longest time until the next call.
type Player func(ctx context.Context, job fleet.Job, dir string, within func(time.Duration)) error

// Box is a worker that takes jobs, one at a time.
type Box struct {
	Conn  *Conn
	About fleet.Box
	Dir   string // for the files and journals of jobs; no other worker has it
	Play  Player
	Offer func(context.Context) []string // the profiles that it can play on now
	Say   func(format string, args ...any)

	folder  string // how the instances begin that had the folder
	restart bool   // the latest one that the fleet knows had it
	mu      sync.Mutex
	playing string // the run; empty: it plays none
	seq     uint64 // of its latest description
}

// Join takes jobs until the context is cancelled or the key is revoked.
func (w *Box) Join(ctx context.Context) error {
	w.About.Key, w.About.Protocol = w.Conn.key.Name, fleet.Protocol
	err := os.MkdirAll(w.Dir, 0o700)
	if err == nil {
		err = w.name()
	}
	if err != nil {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	w.offer(ctx)
	news, err := w.Conn.nc.SubscribeSync(setSubject(w.About.ID()))
	if err != nil {
		return err
	}
	defer func() { _ = news.Unsubscribe() }() // the connection ends too
	if err := w.register(ctx); err != nil {
		return err
	}
	beating, stop := context.WithCancelCause(ctx)
	var heart sync.WaitGroup
	heart.Go(crash.Guarded(func() { w.beat(beating, stop) }))
	if w.restart {
		w.resume(beating)
	} else {
		w.unclaims() // of another fleet
	}
	err = w.work(beating, news)
	stop(nil)
	heart.Wait()
	w.leave()
	return err
}

// errTaken says that another worker uses the name of the box.
var errTaken = errors.New("another worker uses the name of this box")

// register makes the box known. The name must not be that of a box that is there.
func (w *Box) register(ctx context.Context) error {
	if err := w.describe(ctx); !errors.Is(err, errTaken) {
		return err
	}
	before, err := w.described(ctx)
	if err != nil {
		return err
	}
	w.restart = w.ours(before.Instance)
	if !before.Left && !w.restart { // it may have been killed: then it does not describe itself again
		w.Say("a box named %q was there before: waiting whether it still is", w.About.Name)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(fleet.Pulse + 2*time.Second):
		}
	}
	err = w.describe(ctx)
	if errors.Is(err, errTaken) {
		return exit.Errorf(exit.Usage, "give this one another with --name", "a box named %q is in the fleet", w.About.Name)
	}
	return err
}

// described is the latest description of the box, whoever wrote it.
func (w *Box) described(ctx context.Context) (b fleet.Box, err error) {
	data, _, err := w.Conn.read(ctx, boxesStream, boxSubject(w.About))
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	return b, err
}

// describe says what the box is. It fails with errTaken if another worker has described a box of this name since.
func (w *Box) describe(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	about := w.About
	about.Playing = w.playing
	data, err := json.Marshal(about)
	if err != nil {
		return err
	}
	ack, err := w.Conn.publish(ctx, boxSubject(about), data, jetstream.WithExpectLastSequencePerSubject(w.seq))
	if last, wrong := wrongLast(err); wrong {
		w.seq = last
		return errTaken
	}
	if err != nil {
		return fmt.Errorf("making the box known: %w", err)
	}
	w.seq = ack.Sequence
	return nil
}

// beat describes the box again and again. It ends the worker when another one took its name.
func (w *Box) beat(ctx context.Context, stop context.CancelCauseFunc) {
	t := time.NewTicker(fleet.Pulse)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.Conn.closed:
			stop(exit.Errorf(exit.Environment, "homellm fleet key list on the broker's machine",
				"the fleet closed the connection: the key was revoked"))
			return
		case <-t.C:
		}
		w.offer(ctx)
		if err := w.describe(ctx); !errors.Is(err, errTaken) {
			continue // without a connection the next one will do
		}
		if latest, err := w.described(ctx); err == nil && latest.Instance != w.About.Instance {
			stop(exit.Errorf(exit.Usage, "give one of them another with --name", "another worker is named %q",
				w.About.Name))
			return
		}
	}
}

// offer finds out on which profiles the box can play now. While it plays, nothing else happens on it.
func (w *Box) offer(ctx context.Context) {
	w.mu.Lock()
	playing := w.playing != ""
	w.mu.Unlock()
	if playing {
		return
	}
	now := w.Offer(ctx)
	w.mu.Lock()
	w.About.Profiles = now
	w.mu.Unlock()
}

// leave says that the box is gone, if it can be said at once.
func (w *Box) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	w.About.Left = true
	err := w.describe(ctx)
	if errors.Is(err, errTaken) { // or the fleet has a description whose confirmation did not come
		if latest, unread := w.described(ctx); unread == nil && latest.Instance == w.About.Instance {
			err = w.describe(ctx)
		}
	}
	if err != nil {
		w.Say("the fleet was not told that this box leaves: %v", err)
	}
}

// assignment is what the broker keeps for the box.
func (w *Box) assignment(ctx context.Context) (a fleet.Assignment, err error) {
	data, _, err := w.Conn.read(ctx, stateStream, setSubject(w.About.ID()))
	if errors.Is(err, errNone) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	return a, err
}

// asking is how long a question for jobs stays open.
const asking = 20 * time.Second

// work takes one job after another.
func (w *Box) work(ctx context.Context, news *nats.Subscription) error {
	var a fleet.Assignment
	var read time.Time
	drained, soon := false, 0
	for ctx.Err() == nil {
		// between one short job and the next nothing more is asked, unless there is news
		if n, _, err := news.Pending(); n > 0 || err != nil || time.Since(read) >= fleet.Pulse {
			read = time.Now()
			w.tidy(ctx)
			var err error
			if a, err = w.assignment(ctx); err != nil {
				w.Say("asking for jobs: %v", err)
			}
			if now := a.Drained == w.About.Instance; now != drained {
				drained = now
				w.Say("this box is drained: it takes no more jobs until it joins again")
			}
			if drained || err != nil {
				a.Queues, read = nil, time.Time{}
			}
		}
		wait := asking
		if soon > 0 {
			soon--
			wait = time.Second
		}
		job, told, err := w.ask(ctx, a.Queues, news, wait)
		if err != nil {
			return err
		}
		if told { // it may not be stored yet, or not by the broker that answers
			soon = 3
		}
		if job == nil {
			read = time.Time{}
			continue
		}
		w.take(ctx, job)
	}
	return context.Cause(ctx)
}

// ask waits for a job from any of the queues, until it is told news about those or the question got lost with the
// connection. No job is no error.
func (w *Box) ask(ctx context.Context, queues []string, news *nats.Subscription,
	wait time.Duration) (job *nats.Msg, told bool, err error) {
	replies := w.Conn.nc.NewInbox()
	jobs := make(chan *nats.Msg, 64)
	sub, err := w.Conn.nc.ChanSubscribe(replies, jobs)
	if err != nil {
		return nil, false, err
	}
	defer func() {
		_ = sub.Drain() // what the broker sent until now arrives, and is given back
		_ = w.Conn.nc.FlushTimeout(2 * time.Second)
		w.refuse(jobs)
	}()
	question, err := json.Marshal(map[string]any{"batch": 1, "expires": wait})
	if err != nil {
		return nil, false, err
	}
	broke := w.Conn.broke()
	for _, queue := range queues {
		if err := w.Conn.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+jobsStream+"."+queue, replies, question); err != nil {
			return nil, false, err
		}
	}
	changed := make(chan struct{}, 1)
	waiting, stop := context.WithTimeout(ctx, wait)
	defer stop()
	crash.Go(func() {
		if _, err := news.NextMsgWithContext(waiting); err == nil {
			changed <- struct{}{}
		}
	})
	for {
		select {
		case <-waiting.Done():
			return nil, false, nil
		case <-changed:
			return nil, true, nil
		case <-broke:
			return nil, false, nil
		case m := <-jobs:
			if m.Header.Get("Status") == "" {
				return m, false, nil
			}
		}
	}
}

// refuse gives back the jobs that came from other queues at the same time.
func (w *Box) refuse(jobs chan *nats.Msg) {
	for {
		select {
		case m := <-jobs:
			if m.Header.Get("Status") == "" {
				w.answer(m, "-NAK")
			}
		default:
			return
		}
	}
}

func (w *Box) answer(m *nats.Msg, what string) {
	if err := w.Conn.nc.Publish(m.Reply, []byte(what)); err != nil {
		w.Say("answering for a job: %v", err)
	}
}

// tidy removes the folders of jobs whose run is over: until then the journal here is the record.
func (w *Box) tidy(ctx context.Context) {
	entries, err := os.ReadDir(w.Dir)
	if err != nil {
		return
	}
	var over []string
	for _, e := range entries {
		run, _, ok := strings.Cut(e.Name(), "-")
		if !ok {
			continue
		}
		if slices.Contains(over, run) || w.over(ctx, run) {
			over = append(over, run)
			_ = os.RemoveAll(filepath.Join(w.Dir, e.Name())) // the next time, if not now
		}
	}
}

// over says whether nothing of a run has to be played any more.
func (w *Box) over(ctx context.Context, run string) bool {
	_, _, err := w.Conn.read(ctx, stateStream, overSubject(run))
	return err == nil
}
