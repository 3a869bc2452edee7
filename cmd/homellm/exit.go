package main

import (
	"errors"
	"fmt"
	"syscall"

	"homellm/dsl/syntax"
	"homellm/engine"
	"homellm/engine/exit"
)

// bug reports a crash of homellm in one line without a stack, and returns the exit code.
func bug(p process, value any, stack []byte) int {
	fmt.Fprintf(p.stderr, "homellm: this is a bug in homellm: %v\n", value)
	if p.getenv("HOMELLM_DEBUG") != "" {
		fmt.Fprintf(p.stderr, "%s", stack)
	} else {
		p.say("hint: run it again with HOMELLM_DEBUG=1 and report what it prints")
	}
	return exit.Bug
}

// unread forgives that the reader has closed its input, as head does: what was found does not depend on who reads it.
func unread(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// tell prints an error and decides the exit code.
func tell(p process, err error) int {
	if unread(err) == nil {
		return exit.Pass
	}
	if bad, ok := errors.AsType[syntax.Diagnostics](err); ok {
		if werr := bad.WriteText(p.stderr); werr != nil {
			return exit.Environment
		}
		return exit.Invalid
	}
	if signal, ok := errors.AsType[engine.Interrupted](err); ok {
		p.say("%v", signal)
		return exit.OfSignal(signal.Signal)
	}
	var f *exit.Failure
	if !errors.As(err, &f) {
		message, hint := plainUsage(err)
		f = &exit.Failure{Code: exit.Usage, Err: errors.New(message), Hint: hint}
	}
	if f.Err != nil {
		p.say("%v", f.Err)
	}
	if f.Hint != "" {
		p.say("hint: %s", f.Hint)
	}
	return f.Code
}
