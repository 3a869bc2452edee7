package target

import (
	"context"
	"errors"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/server"
)

// Running is a server that homellm started.
type Running struct {
	Command Command
	Profile *dsl.Server
	Load    time.Duration // from the start of the process to its first token
	First   time.Duration // duration of the first request; 0: the profile asks for none
	Log     string

	proc   *host.Proc
	memory float64 // MiB in use before the start
	known  bool
	wait   *host.Telemetry
}

// Died says how the server ended by itself; nil while it runs. It waits a moment, because a process may outlive its
// sockets.
func (r *Running) Died(patience time.Duration) error {
	select {
	case <-r.proc.Exited():
	case <-time.After(patience): // select chooses at random if both are ready
	}
	err := r.proc.Err()
	if err == nil {
		return nil
	}
	out := r.Profile.LaunchErrorf("%w", err)
	if exited, ok := errors.AsType[*host.ExitError](err); ok {
		return server.WithHint(withLog(out, exited.Tail), exited.Hint())
	}
	return out
}

// Exited is closed when the server has ended, for whatever reason.
func (r *Running) Exited() <-chan struct{} { return r.proc.Exited() }

// Unseen reports whether the process that answers is invisible, as in a container.
func (r *Running) Unseen() bool { return r.proc != nil && r.proc.Unseen() }

// PIDs lists the server's processes.
func (r *Running) PIDs() []int { return r.proc.PIDs() }

// memoryPatience is how long a stopped server may take to free its GPU memory.
const memoryPatience = 30 * time.Second

// Stop ends the server with all its processes, and waits until its GPU memory is free.
func (r *Running) Stop() error {
	if err := r.proc.Stop(); err != nil {
		return err
	}
	if r.wait != nil && r.known {
		return r.wait.AwaitMemory(context.Background(), r.memory, memoryPatience)
	}
	return nil
}

// Facts are the costs of starting the server.
func (r *Running) Facts() event.Facts {
	values := map[string]float64{"load_ms": event.Milliseconds(r.Load)}
	if r.First > 0 {
		values["first_request_ms"] = event.Milliseconds(r.First)
	}
	return event.Facts{Source: "client", Values: values}
}
