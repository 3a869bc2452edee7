package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"homellm/dsl/syntax"
	"homellm/engine"
	"homellm/engine/metrics"
)

// The exit codes. They are part of the interface: pull requests are gated on them. What a run ends with is decided in
// engine/metrics ([metrics.Run.Outcome]), that of a comparison in engine/compare; tell decides for errors.
const (
	exitPass         = metrics.ExitPass
	exitFail         = metrics.ExitFail
	exitUsage        = metrics.ExitUsage
	exitInvalid      = metrics.ExitInvalid
	exitInconclusive = metrics.ExitInconclusive
	exitEnvironment  = metrics.ExitEnvironment
	exitRequests     = metrics.ExitRequests
	exitBug          = metrics.ExitBug
	exitHangup       = metrics.ExitHangup
	exitInterrupted  = metrics.ExitInterrupt
	exitTerminated   = metrics.ExitTerminated
)

// exitCodes documents them for `homellm explain` and docs/cli.md.
var exitCodes = []struct {
	code int
	doc  string
}{
	{exitPass, "every gating assertion passed"},
	{exitFail, "an assertion or a gate failed"},
	{exitUsage, "the command line is wrong"},
	{exitInvalid, "a file is invalid, and nothing was sent; or an assertion can never hold on the server that was " +
		"found, and no prompt was sent"},
	{exitInconclusive, "no failure, but a gating assertion is undecided or nothing gating was evaluated"},
	{exitEnvironment, "the environment: a server did not start or is not reachable, a model is missing, every cell was " +
		"skipped, results cannot be written"},
	{exitRequests, "more requests failed than the error budget allows"},
	{exitBug, "a bug in homellm"},
	{exitHangup, "the terminal was closed (SIGHUP); results so far are kept"},
	{exitInterrupted, "interrupted by Ctrl-C; results so far are kept"},
	{exitTerminated, "terminated by SIGTERM; results so far are kept"},
}

func exitOfSignal(name string) int {
	switch name {
	case "SIGTERM":
		return exitTerminated
	case "SIGHUP":
		return exitHangup
	}
	return exitInterrupted
}

// failure is an error that knows its exit code and what to do next. A nil err means that
// everything worth saying has been said.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

func failf(code int, hint, format string, args ...any) error {
	return &failure{code: code, err: fmt.Errorf(format, args...), hint: hint}
}

// bug says that homellm crashed, in one line that helps to report it and without a stack, and returns the exit code.
func bug(p process, value any, stack []byte) int {
	fmt.Fprintf(p.stderr, "homellm: this is a bug in homellm: %v\n", value)
	if p.getenv("HOMELLM_DEBUG") != "" {
		fmt.Fprintf(p.stderr, "%s", stack)
	} else {
		p.say("hint: run it again with HOMELLM_DEBUG=1 and report what it prints")
	}
	return exitBug
}

// tell prints an error and decides the exit code.
func tell(p process, err error) int {
	if err == nil {
		return exitPass
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitPass // the reader of the output has seen enough, as head has
	}
	if bad, ok := errors.AsType[syntax.Diagnostics](err); ok {
		if werr := bad.WriteText(p.stderr); werr != nil {
			return exitEnvironment
		}
		return exitInvalid
	}
	if signal, ok := errors.AsType[engine.Interrupted](err); ok {
		p.say("%v", signal)
		return exitOfSignal(signal.Signal)
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{code: exitUsage, err: err, hint: usageHint(err)}
	}
	if f.err != nil {
		p.say("%v", f.err)
	}
	if f.hint != "" {
		p.say("hint: %s", f.hint)
	}
	return f.code
}

func usageHint(err error) string {
	if strings.Contains(err.Error(), "unknown command") {
		return ""
	}
	return "homellm COMMAND --help lists the flags"
}
