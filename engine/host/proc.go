package host

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"homellm/engine/crash"
)

// Spec is one server process to be started.
type Spec struct {
	Name     string   // in messages and in the record
	Argv     []string // never a shell line
	Env      []string // KEY=VALUE, added to the environment of this process
	Dir      string   // working directory; empty: this process's
	Log      string   // file that takes standard output and standard error; required
	Kept     string   // where that file goes later, which errors name; empty: it stays
	Address  string   // host:port where it will listen; empty: not checked
	StateDir string   // folder of the record of the process; empty: no record
	Shared   bool     // others may use it as long as it runs, which the record says

	// Ready is called until it returns nil. Its error says what is still missing; one that wraps ErrHopeless ends the
	// wait. Nil: the process is ready as soon as it runs.
	Ready    func(ctx context.Context) error
	Timeout  time.Duration // for Ready; 0: ten minutes
	Interval time.Duration // between two calls of Ready; 0: a quarter of a second

	// Waiting, if set, is called from time to time with the duration of the start and the process's last output.
	Waiting func(elapsed time.Duration, line string)

	Signal string        // stop signal: SIGTERM (default), SIGINT, SIGQUIT or SIGHUP
	Grace  time.Duration // between the signal and SIGKILL; 0: ten seconds
}

// ErrHopeless is wrapped by an error of [Spec.Ready] if waiting longer cannot help.
var ErrHopeless = errors.New("it will not become ready")

// marker is the environment variable that identifies a process and all its descendants, even those that left its
// process group.
const marker = "HOMELLM_SUPERVISED"

// Proc is a process that was started. Its methods may be called from several goroutines.
type Proc struct {
	spec    Spec
	token   string // value of marker
	cmd     *exec.Cmd
	started time.Time
	exited  chan struct{}
	record  string // path of its record, empty if none

	mu       sync.Mutex
	unseen   bool
	wasReady bool
	stopping bool
	ended    time.Duration
	stop     sync.Once
	stopErr  error
}

// Start starts a process in its own process group and returns when it is ready. No error leaves a process behind. An
// early exit is an [*ExitError] with the end of the log and its diagnosis, a used port a [*PortError], a missing
// command a [*commandError], and a start that takes too long a [*NotReadyError].
func Start(ctx context.Context, spec Spec) (*Proc, error) {
	if len(spec.Argv) == 0 {
		return nil, fmt.Errorf("starting %s: there is no command", spec.Name)
	}
	if spec.Timeout <= 0 {
		spec.Timeout = 10 * time.Minute
	}
	if spec.Interval <= 0 {
		spec.Interval = 250 * time.Millisecond
	}
	if spec.Grace <= 0 {
		spec.Grace = 10 * time.Second
	}
	if _, err := signalNamed(spec.Signal); err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	if spec.Address != "" {
		if err := checkPort(ctx, spec.Address); err != nil {
			return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
		}
	}
	if err := checkRecords(spec.StateDir, spec.Address); err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	p := &Proc{spec: spec, token: rand.Text(), exited: make(chan struct{})}
	if err := p.launch(ctx); err != nil {
		return nil, err
	}
	if err := p.await(ctx); err != nil {
		// The caller's context may be the reason, so the stop does not depend on it.
		if stopErr := p.Stop(); stopErr != nil {
			return nil, errors.Join(err, stopErr)
		}
		return nil, err
	}
	p.mu.Lock()
	p.wasReady = true
	p.mu.Unlock()
	return p, nil
}

// launch starts the process and records it.
func (p *Proc) launch(ctx context.Context) error {
	spec := p.spec
	path, err := exec.LookPath(spec.Argv[0])
	if err != nil {
		return &commandError{Name: spec.Name, Command: spec.Argv[0], err: err}
	}
	log, err := createLog(spec.Log)
	if err != nil {
		return fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	defer log.Close() // the process has its own handle
	// It intentionally outlives the context: Stop ends it, with the configured signal.
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), path, spec.Argv[1:]...)
	p.cmd.Args[0] = spec.Argv[0]
	p.cmd.Dir = spec.Dir
	p.cmd.Env = append(append(p.cmd.Environ(), spec.Env...), marker+"="+p.token)
	// A file and not a pipe: the log outlives this process, and a descendant that keeps the handle open cannot block
	// Wait.
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := ownGroup(p.cmd); err != nil {
		return fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	// The record is written first: if homellm is killed in between, the next run still finds the process.
	if err := p.writeRecord(); err != nil {
		return fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		p.removeRecord()
		return &commandError{Name: spec.Name, Command: spec.Argv[0], err: err}
	}
	crash.Go(func() {
		// The state after Wait tells everything its error does.
		_ = p.cmd.Wait()
		p.mu.Lock()
		p.ended = time.Since(p.started)
		p.mu.Unlock()
		close(p.exited)
	})
	if err := p.writeRecord(); err != nil {
		return errors.Join(fmt.Errorf("starting %s: %w", spec.Name, err), p.Stop())
	}
	return nil
}

// createLog opens the file for a process's output, readable by its owner alone, because servers print their
// environment and prompts.
func createLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() { // it may be an older one
		err = f.Chmod(0o600)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// await waits until the process is ready, ends, takes too long, or the context ends.
func (p *Proc) await(ctx context.Context) error {
	if p.spec.Ready == nil {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, p.spec.Timeout)
	defer cancel()
	// The end of the process cancels a check in progress.
	crash.Go(func() {
		select {
		case <-p.exited:
			cancel()
		case <-asking.Done():
		}
	})
	ticker := time.NewTicker(p.spec.Interval)
	defer ticker.Stop()
	last := errors.New("it was not asked yet")
	for {
		err := p.spec.Ready(asking)
		select {
		case <-p.exited:
			// If another process answered instead, the check failed: this process is the one that counts.
			return p.Err()
		default:
		}
		if answered := err == nil || errors.Is(err, ErrHopeless); answered {
			if foreign := p.checkOwner(ctx); foreign != nil || err == nil {
				return foreign
			}
		}
		if asking.Err() == nil || !errors.Is(err, asking.Err()) {
			last = err
		}
		if errors.Is(err, ErrHopeless) {
			return p.notReady(last)
		}
		if p.spec.Waiting != nil {
			p.spec.Waiting(time.Since(p.started), p.lastLine())
		}
		select {
		case <-p.exited:
			return p.Err()
		case <-ctx.Done():
			return fmt.Errorf("starting %s: %w", p.spec.Name, context.Cause(ctx))
		case <-asking.Done():
			return p.lateEnd(ctx, last)
		case <-ticker.C:
		}
	}
}

// lateEnd says why the wait for the process ended.
func (p *Proc) lateEnd(ctx context.Context, last error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("starting %s: %w", p.spec.Name, context.Cause(ctx))
	}
	select {
	case <-p.exited:
		return p.Err()
	default:
	}
	return p.notReady(last)
}

// notReady describes a start that did not complete.
func (p *Proc) notReady(last error) error {
	log := p.readLog()
	found, _ := diagnose(log)
	return &NotReadyError{
		Name:      p.spec.Name,
		After:     time.Since(p.started),
		Last:      last,
		Tail:      tail(log, tailLines),
		Log:       cmp.Or(p.spec.Kept, p.spec.Log),
		Diagnosis: found,
	}
}

// PID is the process id, which is its process group's id as well.
func (p *Proc) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended, for whatever reason.
func (p *Proc) Exited() <-chan struct{} { return p.exited }

// Err says how the process ended: nil while it runs and after Stop or another homellm ended it, otherwise an
// [*ExitError]; also after exit code 0, because a server ends only when it is stopped.
func (p *Proc) Err() error {
	select {
	case <-p.exited:
	default:
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping || p.stoppedByOther() {
		return nil
	}
	log := p.readLog()
	found, _ := diagnose(log)
	return &ExitError{
		Name: p.spec.Name, Code: p.cmd.ProcessState.ExitCode(), Signal: endedBy(p.cmd.ProcessState),
		After: p.ended, WasReady: p.wasReady, Tail: tail(log, tailLines), Log: cmp.Or(p.spec.Kept, p.spec.Log),
		Diagnosis: found,
	}
}

// vanishLimit limits the wait for processes to vanish after SIGKILL: one inside a driver call vanishes only when that
// returns.
const vanishLimit = 5 * time.Second

// Stop ends the process and all its descendants: it sends the signal to the group, waits for the grace period, then
// sends SIGKILL to the group and to those that left it. It returns when none is left, or with the ids of the
// remaining ones. Later calls return the same.
func (p *Proc) Stop() error {
	p.stop.Do(func() {
		p.mu.Lock()
		select {
		case <-p.exited: // it ended by itself; its descendants may not have
		default:
			p.stopping = true
		}
		p.mu.Unlock()
		sig, err := signalNamed(p.spec.Signal)
		if err == nil {
			err = endFamily(family{group: p.PID(), token: p.token}, sig, p.spec.Grace)
		}
		if err != nil {
			p.stopErr = fmt.Errorf("stopping %s: %w", p.spec.Name, err)
			return
		}
		<-p.exited // none is left, so only the zombie has to be reaped
		p.removeRecord()
	})
	return p.stopErr
}

// family is a process and its descendants.
type family struct {
	group int    // process group; 0 if its leader has ended and another process may have its id
	token string // of the marker; empty: not marked
}

// endFamily signals a family, waits for its end, and kills the rest.
func endFamily(f family, sig os.Signal, grace time.Duration) error {
	alive := f.members()
	if len(alive) == 0 {
		return nil
	}
	if err := f.signal(sig, alive); err != nil {
		return err
	}
	if f.gone(grace) {
		return nil
	}
	if err := f.kill(f.members()); err != nil {
		return err
	}
	if f.gone(vanishLimit) {
		return nil
	}
	return fmt.Errorf("these processes are still there %v after SIGKILL: %v", vanishLimit, f.members())
}

// gone waits until nothing is left of the family.
func (f family) gone(limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if len(f.members()) == 0 {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(wait)
	}
}

// PIDs lists the process and its living descendants.
func (p *Proc) PIDs() []int {
	return family{group: p.PID(), token: p.token}.members()
}
