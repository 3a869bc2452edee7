//go:build !unix

package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// errNoGroups says why no server can be started here.
var errNoGroups = errors.New(
	"homellm cannot start servers on this operating system: start the server yourself and name it with --url",
)

func ownGroup(*exec.Cmd) error { return errNoGroups }

func signalNamed(name string) (os.Signal, error) {
	switch name {
	case "", "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP":
		return os.Kill, nil
	}
	return nil, fmt.Errorf("unknown stop signal %q", name)
}

func (f family) signal(os.Signal, []int) error { return errNoGroups }

func (f family) kill([]int) error { return errNoGroups }

// members is empty: no process was started.
func (f family) members() []int { return nil }

func birth(int) (string, bool) { return "", false }

func endedBy(*os.ProcessState) string { return "" }
