package host

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"homellm/engine/engines"
)

// commandError says that a command could not be run.
type commandError struct {
	Name    string
	Command string
	err     error
}

// Error implements error.
func (e *commandError) Error() string {
	if errors.Is(e.err, exec.ErrNotFound) {
		return fmt.Sprintf("starting %s: the command %s is not installed, or not in PATH", e.Name, e.Command)
	}
	return fmt.Sprintf("starting %s: running %s: %v", e.Name, e.Command, e.err)
}

// Unwrap returns the reason.
func (e *commandError) Unwrap() error { return e.err }

// Hint says how to install the command, if homellm knows it.
func (e *commandError) Hint() string {
	name := strings.TrimSuffix(filepath.Base(e.Command), ".exe")
	if p, ok := engines.ProgramOf(name); ok && p.Install != "" {
		return p.Install
	}
	return "install " + name + ", or write its full path in the profile's command"
}
