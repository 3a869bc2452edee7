package host

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// CommandError says that a command could not be run.
type CommandError struct {
	Name    string
	Command string
	err     error
}

// Error implements error.
func (e *CommandError) Error() string {
	if errors.Is(e.err, exec.ErrNotFound) {
		return fmt.Sprintf("starting %s: the command %s is not installed, or not in PATH", e.Name, e.Command)
	}
	return fmt.Sprintf("starting %s: running %s: %v", e.Name, e.Command, e.err)
}

// Unwrap returns the reason.
func (e *CommandError) Unwrap() error { return e.err }

// Hint says how the command is installed, where it is one that homellm knows.
func (e *CommandError) Hint() string {
	name := strings.TrimSuffix(filepath.Base(e.Command), ".exe")
	if how, ok := installs[name]; ok {
		return how
	}
	return "install " + name + ", or write its full path in the profile's command"
}

// installs says how the commands of the shipped profiles are installed.
var installs = map[string]string{
	"vllm":         "install it in a virtual environment: pip install vllm; then activate that environment",
	"llama-server": "install llama.cpp (brew install llama.cpp, or a release from its GitHub page), or write the full path in the profile's command",
	"ollama":       "install it from ollama.com/download",
	"python":       "activate the virtual environment in which SGLang is installed: pip install sglang",
	"koboldcpp":    "download it from KoboldCpp's GitHub page and write the full path in the profile's command",
	"lms":          "install LM Studio and run: lms bootstrap",
}
