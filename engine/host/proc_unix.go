//go:build unix

package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// ownGroup makes the command the leader of its own process group, so that a signal reaches all of it and a Ctrl-C in
// the terminal does not.
func ownGroup(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return nil
}

// signals are the stop signals of profiles.
var signals = map[string]syscall.Signal{
	"": syscall.SIGTERM, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "HUP": syscall.SIGHUP,
}

func signalNamed(name string) (os.Signal, error) {
	sig, ok := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]
	if !ok {
		return nil, fmt.Errorf("unknown stop signal %q: it is one of SIGTERM, SIGINT, SIGQUIT, SIGHUP", name)
	}
	return sig, nil
}

// signal signals the family's group, or each of its processes if it has no group. Processes that have ended are not
// an error.
func (f family) signal(sig os.Signal, pids []int) error {
	targets := pids
	if f.group > 1 { // 0 and 1 would mean this process's own group and every process there is
		targets = []int{-f.group}
	}
	for _, target := range targets {
		if err := syscall.Kill(target, sig.(syscall.Signal)); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("sending %v to %d: %w", sig, target, err)
		}
	}
	return nil
}

// kill kills the family's group and the processes that left it.
func (f family) kill(pids []int) error {
	if err := f.signal(syscall.SIGKILL, nil); err != nil {
		return err
	}
	f.group = 0
	return f.signal(syscall.SIGKILL, pids)
}

// endedBy is the name of the signal that ended a process, empty if it exited.
func endedBy(state *os.ProcessState) string {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal().String()
	}
	return ""
}
