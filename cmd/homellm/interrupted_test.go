//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	signals "os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"homellm/engine/exit"
	"homellm/engine/sim"
)

// halted prepares apply on a server that stops in the middle of the plan, however fast or slow the
// machine is, and continues on request.
func halted(t *testing.T) (p program, url string, goOn func(), c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	open := make(chan struct{})
	goOn = sync.OnceFunc(func() { close(open) })
	t.Cleanup(goOn)
	var turns atomic.Int64
	url = startSimulatorBehind(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // the client is gone
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			if bytes.Contains(body, []byte("Which things")) && turns.Add(1) > requestsOfCrashPlan/2 { // not of a preflight
				select {
				case <-open:
				case <-r.Context().Done():
				}
			}
			next.ServeHTTP(w, r)
		})
	})
	p = newProgram(t, map[string]string{"crash.yaml": crashPlan})
	c, stdout, stderr = p.command("apply", "crash.yaml", "--url", url, "--out", "run")
	return p, url, goOn, c, stdout, stderr
}

func waitForRequests(t *testing.T, dir string, want int) {
	t.Helper()
	until(t, fmt.Sprintf("%d requests", want), func() bool {
		n, _ := keptRequests(t, filepath.Join(dir, "run", "journal.jsonl"))
		return n >= want
	})
}

// One signal ends a run in order: the journal has its end, the reports say that they are partial, and the command that
// resumes is printed and works.
func TestSignals_EndInOrderAndResume(t *testing.T) {
	t.Parallel()
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			if signals.Ignored(signal) {
				t.Skipf("%v is ignored here, as under nohup, and so it is by homellm", signal)
			}
			p, _, goOn, c, stdout, stderr := halted(t)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			waitForRequests(t, p.dir, 2)
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait() // its code is looked at
			if got := c.ProcessState.ExitCode(); got != code {
				t.Fatalf("exit code %d, want %d\n%s", got, code, stderr)
			}
			if !strings.Contains(stdout.String(), "INTERRUPTED") {
				t.Errorf("the partial report does not say so:\n%s", stdout)
			}
			for _, name := range []string{"result.json", "turns.csv", "report.md"} {
				if data, err := os.ReadFile(filepath.Join(p.dir, "run", name)); err != nil || len(data) == 0 {
					t.Errorf("no partial %s: %v", name, err)
				}
			}
			_, hint, ok := strings.Cut(stderr.String(), "continue with: homellm ")
			if !ok {
				t.Fatalf("no hint how to go on:\n%s", stderr)
			}
			goOn()
			args := strings.Fields(strings.TrimSpace(hint))
			if code, _, stderr := p.run(args...); code != 0 {
				t.Fatalf("homellm %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
			}
			checkWhole(t, filepath.Join(p.dir, "run"), 0)
		})
	}
}

// A second signal does not wait for anything.
func TestSignals_SecondOneKills(t *testing.T) {
	t.Parallel()
	ctx, stop := interruptible(t.Context(), func(code int) { panic(fmt.Sprintf("not the process of the test: %d", code)) })
	stop()
	<-ctx.Done()

	// A server that never answers and a journal that hangs on a FIFO are both cut short; here it is the FIFO of stdout.
	p, _, _, c, _, stderr := halted(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.Write(make([]byte, 1<<16)); err != nil { // full: the report cannot be printed
		t.Fatal(err)
	}
	c.Stdout = w
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	waitForRequests(t, p.dir, 1)
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("it ended (%v) although its report could not be printed\n%s", err, stderr)
	case <-time.After(700 * time.Millisecond):
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Log(err)
	case <-time.After(patience):
		t.Fatal("the second signal did not end it")
	}
	if got := c.ProcessState.ExitCode(); got != 130 {
		t.Errorf("exit code %d, want 130", got)
	}
}

// nohup means that a closed terminal does not end the run.
func TestSignals_NohupIsKept(t *testing.T) {
	t.Parallel()
	p, url, goOn, _, _, _ := halted(t)
	c := exec.CommandContext(t.Context(), "sh", "-c",
		`trap "" HUP; exec homellm apply crash.yaml --url "$0" --out run --quiet`, url)
	c.Dir, c.Env = p.dir, p.env
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitForRequests(t, p.dir, 1)
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	goOn()
	if err := c.Wait(); err != nil {
		t.Errorf("ended by a signal that it was told to ignore: %v", err)
	}
}

// A reader that goes away, as head does, is no crash and costs no result.
func TestClosedPipe_IsNoCrash(t *testing.T) {
	t.Parallel()
	_, url := startSimulator(t, sim.Config{})
	p := newProgram(t, map[string]string{"crash.yaml": crashPlan, "bad.yaml": "name: 1\n"})
	for _, tt := range []struct {
		args []string
		code int // which does not depend on who reads
	}{
		{[]string{"apply", "crash.yaml", "--url", url, "--out", "run"}, exit.Pass},
		{[]string{"report", "run"}, exit.Pass}, {[]string{"list"}, exit.Pass},
		{[]string{"explain", "ttft_ms"}, exit.Pass}, {[]string{"plan", "crash.yaml"}, exit.Pass},
		{[]string{"validate", "bad.yaml"}, exit.Invalid},
		{[]string{"doctor", "--url", "http://127.0.0.1:1"}, exit.Environment},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		c, _, stderr := p.command(tt.args...)
		c.Stdout = w
		err = c.Run()
		w.Close()
		if code := c.ProcessState.ExitCode(); code != tt.code {
			t.Errorf("homellm %s into a closed pipe: exit code %d, %v\n%s", strings.Join(tt.args, " "), code, err, stderr)
		}
	}
	checkWhole(t, filepath.Join(p.dir, "run"), 0)
}
