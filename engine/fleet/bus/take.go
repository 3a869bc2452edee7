//go:build fleet

package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"homellm/engine/crash"
	"homellm/engine/fleet"
)

// The kinds of the messages of a play.
const (
	kindHeader = "Homellm-Kind"
	kindBegun  = "begun"
	kindPart   = "part" // of the journal
	kindLog    = "log"  // of a server
	kindEnded  = "ended"
)

// taken is a job that this box plays.
type taken struct {
	*Box
	msg     *nats.Msg
	job     fleet.Job
	dir     string // of the attempt; empty: it is still to be played
	subject string
	last    uint64 // number of the latest message of the play
	sent    int64  // bytes of the journal

	mu    sync.Mutex
	until time.Time // when the next sign of life is due
}

// Why a play ends early.
var (
	errHung = errors.New("it gave no sign of life within the time-out of its request")
	errOver = errors.New("the run is over")
)

// take plays a job, and answers for it.
func (w *Box) take(ctx context.Context, m *nats.Msg) {
	t := taken{Box: w, msg: m}
	if err := json.Unmarshal(m.Data, &t.job); err != nil || !Named(t.job.Run) || !Named(t.job.ID) {
		w.Say("a job cannot be read: %v", err)
		w.answer(m, "+TERM")
		return
	}
	if w.settled(ctx, t.job) {
		w.answer(m, "+ACK")
		return
	}
	w.claims(m)
	defer w.unclaims()
	w.setPlaying(ctx, t.job.Run)
	defer w.setPlaying(ctx, "")
	if t.dir = t.finished(); t.dir == "" {
		w.Say("playing %s of run %s", t.job.Name(), t.job.Run)
	} else {
		w.Say("sending again what was played of %s of run %s", t.job.Name(), t.job.Run)
	}
	switch err := t.playAndSend(ctx); {
	case err == nil, errors.Is(err, errOver):
		t.confirm(context.WithoutCancel(ctx))
	case ctx.Err() != nil:
		w.answer(m, "-NAK")
	default:
		w.Say("%s of run %s: %v", t.job.Name(), t.job.Run, err)
		w.answer(m, fmt.Sprintf(`-NAK {"delay": %d}`, time.Second))
	}
}

// settled says whether a job needs not to be played: its result is stored, or its run is over.
func (w *Box) settled(ctx context.Context, j fleet.Job) bool {
	_, _, err := w.Conn.read(ctx, stateStream, settledSubject(j.Run, j.ID))
	return err == nil || w.over(ctx, j.Run)
}

func (w *Box) setPlaying(ctx context.Context, run string) {
	w.mu.Lock()
	w.playing = run
	w.mu.Unlock()
	if err := w.describe(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errTaken) {
		w.Say("%v", err)
	}
}

// confirm takes the job out of its queue. If the broker cannot be reached, the job is offered again after a while.
func (t *taken) confirm(ctx context.Context) {
	for tries := 0; ; tries++ {
		asking, done := t.Conn.answer(ctx, 5*time.Second)
		_, err := t.Conn.nc.RequestWithContext(asking, t.msg.Reply, []byte("+ACK"))
		done()
		if err == nil {
			return
		}
		if tries > 1 || ctx.Err() != nil {
			t.Say("%s of run %s: the fleet did not confirm that it is played: %v", t.job.Name(), t.job.Run, err)
			return
		}
	}
}

// longestSending is how long a box tries to send what it played.
const longestSending = 24 * time.Hour

// finishedFile marks the folder of a job that was played to its end.
const finishedFile = "finished"

// playAndSend plays the job and sends its journal while it grows. A job that this box has played before, and whose
// result got lost on the way, is only sent again.
func (t *taken) playAndSend(ctx context.Context) error {
	attempt := random()
	t.subject = playSubject(t.About, t.job, attempt)
	before := t.dir != ""
	if !before {
		// Of its own: the process that played an earlier attempt may still be about to end.
		t.clear()
		t.dir = t.folderOf(attempt)
	}
	if err := t.publish(ctx, kindBegun, fleet.Begun{Box: t.About}); err != nil {
		return err
	}
	worker := ctx
	ctx, stop := context.WithCancelCause(ctx)
	t.within(time.Minute)
	var holding, following sync.WaitGroup
	ended := make(chan struct{})
	holding.Go(crash.Guarded(func() { t.hold(ctx, stop) }))
	defer holding.Wait()
	defer stop(nil)
	following.Go(crash.Guarded(func() { t.follow(ctx, ended) }))
	var err error
	if !before {
		err = t.play(ctx)
	}
	t.within(longestSending)
	close(ended)
	following.Wait()
	if early := context.Cause(ctx); early != nil {
		err = early
	}
	if errors.Is(err, errOver) {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestSending)
	if worker.Err() != nil { // it is said all the same, if that takes no time
		cancel()
		last, cancel = context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	}
	defer cancel()
	if t.job.Order.ServerLogs {
		if err := t.sendLogs(last); err != nil {
			t.Say("sending the logs of servers: %v", err)
		}
	}
	end := fleet.Ended{}
	if err != nil {
		end.Failed = err.Error()
	} else if err := t.send(last); err != nil {
		return err
	}
	return errors.Join(err, t.publish(last, kindEnded, end))
}

func (t *taken) play(ctx context.Context) error {
	if err := t.Conn.download(ctx, t.job.Order.Files, filepath.Join(t.dir, "files")); err != nil {
		return err
	}
	if err := t.Play(ctx, t.job, t.dir, t.within); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.dir, finishedFile), nil, 0o600)
}

// folderOf is the folder of an attempt.
func (t *taken) folderOf(attempt string) string {
	return filepath.Join(t.Dir, t.job.Run+"-"+t.job.ID+"-"+attempt)
}

// finished is the folder of an attempt that was played to its end here; empty: there is none.
func (t *taken) finished() string {
	found, _ := filepath.Glob(filepath.Join(t.folderOf("*"), finishedFile)) // the pattern is a good one
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[0])
}

// clear removes what earlier attempts left.
func (t *taken) clear() {
	found, _ := filepath.Glob(t.folderOf("*")) // the pattern is a good one
	for _, dir := range found {
		_ = os.RemoveAll(dir) // when the run is over, if not now
	}
}

// within notes a sign of life of the player.
func (t *taken) within(d time.Duration) {
	t.mu.Lock()
	t.until = time.Now().Add(d)
	t.mu.Unlock()
}

func (t *taken) alive() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.until)
}

// hold answers for the job as long as its player gives signs of life. It ends the play when it does not any more, or
// when the run is over.
func (t *taken) hold(ctx context.Context, stop context.CancelCauseFunc) {
	tick := time.NewTicker(fleet.Pulse)
	defer tick.Stop()
	for {
		t.answer(t.msg, "+WPI")
		t.holds()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch {
		case !t.alive():
			stop(errHung)
			return
		case t.over(ctx, t.job.Run):
			stop(errOver)
			return
		}
	}
}

// sendEvery is how often what is new in the journal is sent.
const sendEvery = time.Second

// follow sends the journal while it grows.
func (t *taken) follow(ctx context.Context, ended chan struct{}) {
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := t.send(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errOver) {
			t.Say("sending what was played: %v", err)
		}
	}
}

// Journal is the journal of a job that is played in a folder.
func Journal(dir string) string { return filepath.Join(dir, "results", "journal.jsonl") }

// send sends what is new in the journal.
func (t *taken) send(ctx context.Context) error {
	f, err := os.Open(Journal(t.dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(t.sent, io.SeekStart); err != nil {
		return err
	}
	data := make([]byte, part)
	for {
		n, err := io.ReadFull(f, data)
		if n > 0 {
			if err := t.publishData(ctx, kindPart, data[:n]); err != nil {
				return err
			}
			t.sent += int64(n)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sendLogs sends the ends of the logs that the play of a job left beside its journal, where known secrets are stars.
func (t *taken) sendLogs(ctx context.Context) error {
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(Journal(t.dir)), "server-*.log")) // the pattern is a good one
	slices.Sort(found)
	for _, path := range found[max(0, len(found)-mostLogs):] {
		l, err := endOfLog(path)
		if err == nil {
			err = t.publish(ctx, kindLog, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *taken) publish(ctx context.Context, kind string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.publishData(ctx, kind, data)
}

// publishData sends a message of the play, after the one before it. It is sent again until it is stored: as it names
// the message before it, it is never stored twice.
func (t *taken) publishData(ctx context.Context, kind string, data []byte) error {
	for tries := 0; ; tries++ {
		m := nats.NewMsg(t.subject)
		m.Data = data
		m.Header.Set(kindHeader, kind)
		sending, cancel := t.Conn.answer(ctx, 10*time.Second)
		ack, err := t.Conn.js.PublishMsg(sending, m, jetstream.WithExpectLastSequencePerSubject(t.last))
		cancel()
		if err == nil {
			t.last = ack.Sequence
			return nil
		}
		if last, wrong := wrongLast(err); wrong && tries > 0 && last > t.last {
			t.last = last // only this box writes here: the message was stored, and the confirmation got lost
			return nil
		} else if wrong && last == 0 {
			return errOver // what was sent of the play is removed
		} else if wrong {
			return fmt.Errorf("the fleet has another end of this play: %w", err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-t.Conn.closed:
			return err
		case <-time.After(time.Second):
		}
	}
}
