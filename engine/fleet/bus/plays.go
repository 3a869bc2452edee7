//go:build fleet

package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"homellm/engine/exit"
	"homellm/engine/fleet"
)

// hearPlay takes in a message of a play, which was stored at a time of the broker's clock.
func (c *Coordinator) hearPlay(m jetstream.Msg, at time.Time) error {
	key, rest := from(m.Subject())
	if len(rest) != 4 || !Named(rest[3]) {
		return nil
	}
	job, attempt := c.board.Job(rest[2]), rest[3]
	if job == nil {
		return nil // of cells that are finished in the journal
	}
	p := play{Coordinator: c, job: job, attempt: job.Attempt(attempt)}
	p.path = filepath.Join(c.Dir, "play-"+job.ID+"-"+attempt+".jsonl")
	kind := m.Headers().Get(kindHeader)
	if kind == kindBegun && p.attempt == nil {
		var b fleet.Begun
		if json.Unmarshal(m.Data(), &b) == nil { // else the attempt never gets a result
			b.Box.Key, b.Box.Name = key, rest[0]
			begun := job.Begin(attempt, b.Box, at)
			if job.Box != "" && job.Box != b.Box.Name {
				begun.Over = "it is for box " + job.Box
			}
			return os.WriteFile(p.path, nil, 0o600)
		}
		return nil
	}
	if p.attempt == nil || p.attempt.Over != "" || job.Settled {
		return nil
	}
	switch kind {
	case kindPart:
		return p.add(m.Data())
	case kindLog:
		var l fleet.ServerLog
		if json.Unmarshal(m.Data(), &l) == nil { // else there is none
			return p.keepLog(l)
		}
	case kindEnded:
		var e fleet.Ended
		if json.Unmarshal(m.Data(), &e) == nil {
			return p.end(e)
		}
	}
	return nil
}

// play is one attempt at a job, as it arrives.
type play struct {
	*Coordinator
	job     *fleet.Posted
	attempt *fleet.Attempt
	path    string
}

func (p play) add(data []byte) error {
	f, err := os.OpenFile(p.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return exit.Errorf(exit.Environment, "", "collecting what box %s plays: %w", p.attempt.Box.Name, err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return exit.Errorf(exit.Environment, "", "collecting what box %s plays: %w", p.attempt.Box.Name, err)
	}
	return nil
}

// keepLog stores the log of a server of a box beside the journal of the run.
func (p play) keepLog(l fleet.ServerLog) error {
	if p.ServerLog == nil {
		return nil
	}
	name := fmt.Sprintf("server-%s-%s-%s.log", inFile(l.Name), p.attempt.Box.Name, p.job.ID)
	if l.Cut > 0 {
		l.Data = fmt.Appendf(nil, "(box %s left out the first %d bytes of this log)\n%s", p.attempt.Box.Name, l.Cut, l.Data)
	}
	if err := p.ServerLog(name, l.Data); err != nil {
		return exit.Errorf(exit.Environment, "", "keeping the log of a server of box %s: %w", p.attempt.Box.Name, err)
	}
	return nil
}

// end takes the result of an attempt into the run, unless it has none.
func (p play) end(e fleet.Ended) error {
	p.attempt.Over = e.Failed
	if e.Failed != "" {
		p.Say("%s was not played to its end on box %s: %s", p.job.Name(), p.attempt.Box.Name, e.Failed)
		return nil
	}
	f, err := os.Open(p.path)
	if err != nil {
		return exit.Errorf(exit.Environment, "", "reading what box %s played: %w", p.attempt.Box.Name, err)
	}
	res, err := fleet.Play{Job: p.job.Job, Box: p.attempt.Box, Attempt: p.attempt.Number,
		After: p.after(), Note: p.job.Tell(p.attempt)}.Read(f)
	_ = f.Close() // it was only read
	if err != nil {
		p.attempt.Over = err.Error()
		p.Say("%s: the result of box %s does not count: %v", p.job.Name(), p.attempt.Box.Name, err)
		return nil
	}
	for _, e := range res.Events {
		p.keep(e)
	}
	p.settle()
	if res.Aborted != "" {
		return Aborted{Why: res.Aborted}
	}
	return nil
}

// after is how long the run had lasted when the attempt began. What began under an earlier coordinator comes after what
// the journal has by now of the same cells.
func (p play) after() time.Duration { return max(p.start, p.attempt.Began.Sub(p.zero)) }

// settle says that nobody has to play the job any more.
func (p play) settle() {
	p.board.Settle(p.job)
	p.record.Settled = p.board.Settled()
	told, err := p.Conn.js.PublishAsync(settledSubject(p.Run, p.job.ID), nil)
	if err == nil {
		p.pending = append(p.pending, told)
	} else {
		p.Say("the fleet was not told that %s is played: %v", p.job.Name(), err) // then it may be played once more
	}
	for _, a := range p.job.Attempts {
		_ = os.Remove(filepath.Join(p.Dir, "play-"+p.job.ID+"-"+a.ID+".jsonl")) // it may be gone
	}
}
