// Package exit holds the exit codes, which are part of the interface (pull requests are gated on them), and errors
// with exit codes.
//
// engine/metrics decides the outcome of a run, engine/compare that of a comparison. The package imports no other
// package of homellm, so that every package can use it.
package exit

import (
	"fmt"
	"slices"
)

// The exit codes of the program.
const (
	Pass         = 0
	Fail         = 1
	Usage        = 2
	Invalid      = 3
	Inconclusive = 4
	Environment  = 5
	Requests     = 6
	Bug          = 70
	Hangup       = 129
	Interrupted  = 130
	Terminated   = 143
)

// Codes documents them for `homellm explain` and docs/cli.md.
var Codes = []struct {
	Code int
	Doc  string
}{
	{Pass, "every gating assertion passed"},
	{Fail, "an assertion or a gate failed"},
	{Usage, "the command line is wrong"},
	{Invalid, "a file is invalid, and nothing was sent; or an assertion can never hold on the server that was " +
		"found, and no prompt was sent"},
	{Inconclusive, "no failure, but a gating assertion is undecided or nothing gating was evaluated"},
	{Environment, "the environment: a server did not start or is not reachable, a model is missing, every cell was " +
		"skipped, results cannot be written"},
	{Requests, "more requests failed than the error budget allows"},
	{Bug, "a bug in homellm"},
	{Hangup, "the terminal was closed (SIGHUP); results so far are kept"},
	{Interrupted, "interrupted by Ctrl-C; results so far are kept"},
	{Terminated, "terminated by SIGTERM; results so far are kept"},
}

// precedence orders the exit codes from the one that takes precedence over all others to the one that takes none.
var precedence = []int{
	Bug, Interrupted, Terminated, Hangup, Invalid, Usage, Environment, Requests, Fail, Inconclusive, Pass,
}

// Worst returns the exit code with the highest precedence. An unknown code counts as a bug; no code at all is a pass.
func Worst(codes ...int) int {
	worst := Pass
	for _, c := range codes {
		if Compare(c, worst) < 0 {
			worst = c
		}
	}
	return precedence[rank(worst)]
}

// Compare orders exit codes by precedence, the highest first.
func Compare(a, b int) int { return rank(a) - rank(b) }

func rank(code int) int { return max(slices.Index(precedence, code), 0) }

// OfSignal is the exit code of a program that a signal ends.
func OfSignal(name string) int {
	switch name {
	case "SIGTERM":
		return Terminated
	case "SIGHUP":
		return Hangup
	}
	return Interrupted
}

// Failure is an error with an exit code and a hint. A nil Err means that everything has been printed.
type Failure struct {
	Code int
	Err  error
	Hint string
}

func (f *Failure) Error() string {
	if f.Err == nil {
		return ""
	}
	return f.Err.Error()
}

func (f *Failure) Unwrap() error { return f.Err }

// With is a failure without a message: only its code is left to report.
func With(code int) error { return &Failure{Code: code} }

// Errorf makes a failure. An empty hint is none.
func Errorf(code int, hint, format string, args ...any) error {
	return &Failure{Code: code, Err: fmt.Errorf(format, args...), Hint: hint}
}
