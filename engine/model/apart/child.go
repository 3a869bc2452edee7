package apart

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync/atomic"
	"time"

	"homellm/engine/crash"
	"homellm/engine/model"
)

// question asks the child to parse a template, or to render a conversation with it. The texts of the messages follow.
type question struct {
	ID       int             `json:"id"` // id of the template, because names are not unique
	Template string          `json:"template"`
	Spec     *model.Spec     `json:"spec"`  // nil: the child has it
	Heads    []model.Message `json:"heads"` // the messages without their texts; none: parse only
	Options  model.Options   `json:"options"`
	Limit    time.Duration   `json:"limit"`
}

// answer is the child's answer. If no field is set, the two parts of a prompt follow.
type answer struct {
	Syntax  *model.SyntaxError `json:"syntax,omitempty"`
	Refusal *string            `json:"refusal,omitempty"` // the template's own words
	Error   string             `json:"error,omitempty"`
}

func (a answer) prompt(name string, texts []string) (model.Prompt, error) {
	switch {
	case a.Refusal != nil:
		return model.Prompt{}, &model.Refusal{Template: name, Message: -1, Why: *a.Refusal}
	case a.Syntax != nil:
		return model.Prompt{}, a.Syntax
	case a.Error != "":
		return model.Prompt{}, &model.SyntaxError{Template: name, Message: a.Error, Bound: true}
	case len(texts) != 2:
		return model.Prompt{}, fmt.Errorf("template %s: the process that renders it sent %d texts", name, len(texts))
	}
	return model.Prompt{BOS: texts[0], Text: texts[1]}, nil
}

// The exit codes by which a child says why it ended. The runtime exits with 2 for errors that no program can catch.
const (
	exitRuntime = 2
	exitMemory  = 3
	exitTime    = 4
)

// grace is the time after a limit at which the child ends itself; usually the parent has ended it by then.
const grace = time.Second

// child is the process.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func start(exe string, args []string) (*child, error) {
	c := &child{command: exec.Command(exe, args...)} //nolint:noctx // it lives as long as this process, which ends it
	// The child gets no environment, because that holds keys, and its crash output is not shown.
	c.command.Env = []string{"GOTRACEBACK=none", "GOMAXPROCS=2"}
	in, err := c.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	c.in, c.out = in, bufio.NewReader(out)
	return c, nil
}

func (c *child) kill() {
	_ = c.command.Process.Kill() // it may have ended
	_ = c.command.Wait()         // the exit code matters only if the child ended itself
}

// ask sends one question. After an error the child cannot be used again.
func (c *child) ask(q question, texts []string) (answer, []string, error) {
	frame, err := frameOf(q, texts...)
	if err != nil {
		return answer{}, nil, err
	}
	var late atomic.Bool
	timer := time.AfterFunc(q.Limit, crash.Guarded(func() {
		late.Store(true)
		_ = c.command.Process.Kill() // it may just have ended
	}))
	var a answer
	var replied []string
	if _, err = c.in.Write(frame); err == nil {
		replied, err = read(c.out, &a)
	}
	if timer.Stop() && err == nil {
		return a, replied, nil
	}
	_ = c.command.Process.Kill()
	_ = c.command.Wait() // the code says why
	code := c.command.ProcessState.ExitCode()
	switch {
	case late.Load() || code == exitTime:
		return answer{}, nil, tooLong
	case code == exitMemory:
		return answer{}, nil, tooBig
	case code == exitRuntime:
		return answer{}, nil, endedSelf
	}
	return answer{}, nil, exceeded(fmt.Sprintf("the process that renders it ended: %v", c.command.ProcessState))
}
