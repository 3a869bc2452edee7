// Command homellm plays declarative scenarios against LLM servers, measures them and judges the
// assertions. See docs/ for the language, the metrics and the exit codes.
package main

import (
	"cmp"
	"context"
	"io"
	"log" //nolint:depguard // the one line that silences it needs no log/slog, which is 0.1 MB of the program
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"homellm/engine"
	"homellm/engine/crash"
	"homellm/engine/exit"
	"homellm/engine/model/apart"
	"homellm/engine/secret"
)

// renderTemplates is the only argument of the process that renders the templates of models files: see package apart.
// It is not a command for users.
const renderTemplates = "render-templates-apart"

func main() {
	if len(os.Args) == 2 && os.Args[1] == renderTemplates {
		apart.Serve(os.Stdin, os.Stdout, os.Exit)
		return
	}
	pace(os.Getenv, gcReading, memoryReading)
	log.SetOutput(io.Discard) // net/http logs what servers send, keys included
	secret.AddEnvironment(os.Environ())
	p := system()
	endOnCrash(p, os.Exit)
	ctx, stop := interruptible(context.Background(), os.Exit)
	defer stop()
	os.Exit(run(ctx, p, os.Args[1:]))
}

// endOnCrash ends the process where a goroutine other than the main one panics.
func endOnCrash(p process, end func(int)) {
	crash.Handle(func(value any, stack []byte) {
		masked := secret.NewWriter(plain{p.stderr})
		p.stderr = masked
		code := bug(p, value, stack)
		_ = masked.Close() // the process ends, even if its terminal does not take the rest
		end(code)
	})
}

func system() process {
	p := process{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	p.exe, _ = os.Executable() // without it, whatever starts it fails with an error
	p.renderer = apart.New(p.exe, renderTemplates)
	if dir, err := os.UserConfigDir(); err == nil {
		p.configDir = filepath.Join(dir, "homellm")
	}
	if dir, err := os.UserCacheDir(); err == nil {
		p.stateDir = filepath.Join(dir, "homellm")
	}
	if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && os.Getenv("TERM") != "dumb" {
		p.columns = cmp.Or(w, 80) // some terminals do not know
	}
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		p.width = w
	}
	return p
}

// interruptible cancels the context at the first signal, with the signal as its cause, and ends the process at the
// second.
func interruptible(parent context.Context, end func(int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup means it
		signal.Notify(signals, syscall.SIGHUP)
	}
	// Writing to a closed pipe must be an error of that write, not the end of the process. Ignoring the signal would
	// have the same effect, but the servers it starts would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	crash.Go(func() {
		first, ok := <-signals
		if !ok {
			return
		}
		cancel(engine.Interrupted{Signal: signalName(first)})
		if second, ok := <-signals; ok {
			end(exit.OfSignal(signalName(second)))
		}
	})
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

func signalName(s os.Signal) string {
	switch s {
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGHUP:
		return "SIGHUP"
	}
	return "SIGINT"
}
