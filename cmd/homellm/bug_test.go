package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"homellm/engine/crash"
	"homellm/engine/exit"
)

// crashing is a program that crashes as its argument says, with the ends of homellm's main.
func crashing() {
	endOnCrash(system(), os.Exit)
	switch os.Args[1] {
	case "goroutine":
		crash.Go(func() { panic("planted \x1b[31m") })
	case "group":
		var g sync.WaitGroup
		g.Go(crash.Guarded(func() { panic(errors.New("planted \x1b[31m")) }))
		g.Wait()
	case "handler":
		h := crash.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("planted \x1b[31m") }))
		hs := httptest.NewServer(h)
		_, _ = http.Get(hs.URL)
	}
	select {}
}

// A crash of any goroutine is exit code 70 and one line, with the stack only where it was asked for.
func TestCrash_IsExitCode70(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"goroutine", "group", "handler"} {
		for _, debug := range []string{"", "1"} {
			c := exec.CommandContext(t.Context(), "crashing", kind)
			c.Env = append(os.Environ(), "HOMELLM_DEBUG="+debug)
			out, _ := c.CombinedOutput()
			if code := c.ProcessState.ExitCode(); code != exit.Bug {
				t.Errorf("%s: exit code %d\n%s", kind, code, out)
			}
			first, rest, _ := strings.Cut(string(out), "\n")
			if want := `homellm: this is a bug in homellm: planted \x1b[31m`; first != want {
				t.Errorf("%s: says %q, want %q", kind, first, want)
			}
			if stack := strings.Contains(rest, "goroutine "); stack != (debug != "") {
				t.Errorf("%s: with HOMELLM_DEBUG=%q, a stack: %v\n%s", kind, debug, stack, out)
			}
		}
	}
}
