//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startedServers is a file of profiles with one whose server is a process: the simulator, started by a command. Further
// flags and profiles may follow.
func startedServers(name, command string) string {
	return `schema: homellm.servers/v1
servers:
  ` + name + `:
    extends: vllm-base
    models: [qwen2.5-3b]
    context_tokens: 16384
    startup: {timeout: 60s, interval: 50ms}
    stop: {grace: 1s}
    launch:
      command: ` + command + `
      flags:
        host: null
        revision: null
        generation_config: null
        enable_prefix_caching: null
        enable_prompt_tokens_details: null
        disable_uvicorn_access_log: null
`
}

// slowServers is a profile whose server takes a minute to be ready, behind a shell that leaves a
// child of its own.
var slowServers = startedServers("slow", `[sh, -c, 'homellm sim "$@" & echo child $! ; wait', sh]`) +
	"        startup_delay: 60s\n"

// until waits for a moment of a run.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s did not come", what)
}

// ends sends a signal and waits for the end, which must not take long.
func ends(t *testing.T, c *exec.Cmd, signal syscall.Signal) (code int) {
	t.Helper()
	if err := c.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = c.Wait() // its code is looked at
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		_ = c.Process.Kill()
		t.Fatalf("%v did not end it", signal)
	}
	return c.ProcessState.ExitCode()
}

// Before anything is measured there is nothing to lose but time: a signal ends the start of a
// server and all its processes, and the command that resumes is printed.
func TestSignals_WhileAServerStarts(t *testing.T) {
	t.Parallel()
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		p := newProgram(t, map[string]string{"crash.yaml": crashPlan, "servers.yaml": slowServers})
		c, stdout, stderr := p.command("apply", "crash.yaml", "--servers", "servers.yaml", "--server", "slow", "--out", "run")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		var child string
		until(t, "the start of the server", func() bool {
			logs, _ := filepath.Glob(filepath.Join(p.dir, "cache", "homellm", "server-slow-*.log"))
			if len(logs) == 0 {
				return false // not there yet
			}
			data, _ := os.ReadFile(logs[0])
			_, rest, ok := strings.Cut(string(data), "child ")
			child, _, _ = strings.Cut(rest, "\n")
			return ok && strings.Contains(rest, "\n") && strings.Contains(string(data), "SIMULATED")
		})
		if got := ends(t, c, signal); got != code {
			t.Errorf("exit code %d, want %d\n%s", got, code, stderr)
		}
		if kept, err := os.ReadFile(filepath.Join(p.dir, "run", "server-slow.log")); err != nil ||
			!strings.Contains(string(kept), "SIMULATED") {
			t.Errorf("the log is not kept: %v\n%s", err, kept)
		}
		// A process that has ended may stay as a zombie until its parent waits for it.
		if stat, err := os.ReadFile("/proc/" + child + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
			t.Errorf("process %s of the server still runs: %s", child, stat)
		}
		interrupted(t, p, stdout, stderr, 0)
	}
}

// interrupted checks what an interruption leaves: partial reports and the command that resumes.
func interrupted(t *testing.T, p program, stdout, stderr *bytes.Buffer, requests int) {
	t.Helper()
	if !strings.Contains(stdout.String(), "INTERRUPTED") {
		t.Errorf("the report does not say so:\n%s", stdout)
	}
	if !strings.Contains(stderr.String(), "continue with: homellm apply crash.yaml") {
		t.Errorf("no hint how to go on:\n%s", stderr)
	}
	if kept, _ := keptRequests(t, filepath.Join(p.dir, "run", "journal.jsonl")); kept != requests {
		t.Errorf("%d requests are kept, want %d", kept, requests)
	}
	for _, name := range []string{"result.json", "report.html", "junit.xml"} {
		if info, err := os.Stat(filepath.Join(p.dir, "run", name)); err != nil || info.Size() == 0 {
			t.Errorf("no %s: %v", name, err)
		}
	}
}

// During the preflight a signal does not wait for the server's answer.
func TestSignals_DuringThePreflight(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	var once sync.Once
	url := startSimulatorBehind(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/completions") {
				_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice that its client has gone
				once.Do(func() { close(asked) })
				<-r.Context().Done()
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	p := newProgram(t, map[string]string{"crash.yaml": crashPlan})
	c, stdout, stderr := p.command("apply", "crash.yaml", "--url", url, "--out", "run")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if got := ends(t, c, syscall.SIGTERM); got != 143 {
		t.Errorf("exit code %d, want 143\n%s", got, stderr)
	}
	interrupted(t, p, stdout, stderr, 0)
}

// While reports are written the run is over: one signal lets them be finished, and a second one
// ends a program that hangs on where they go. What is in the results folder is whole.
func TestSignals_WhileReportsAreWritten(t *testing.T) {
	t.Parallel()
	url := startSimulatorBehind(t, nil)
	p := newProgram(t, map[string]string{"crash.yaml": crashPlan})
	if err := syscall.Mkfifo(filepath.Join(p.dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, stderr := p.command("apply", "crash.yaml", "--url", url, "--out", "run", "--report", "html=fifo", "--quiet")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the run", func() bool {
		_, err := os.Stat(filepath.Join(p.dir, "run", "junit.xml"))
		return err == nil
	})
	time.Sleep(200 * time.Millisecond) // it now waits for a reader of the FIFO
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if got := ends(t, c, syscall.SIGINT); got != 130 {
		t.Errorf("exit code %d, want 130\n%s", got, stderr)
	}
	checkWhole(t, filepath.Join(p.dir, "run"), 0)
}

// startSimulatorBehind serves a simulator behind a handler of the test's own.
func startSimulatorBehind(t *testing.T, wrap func(http.Handler) http.Handler) (url string) {
	t.Helper()
	hs := httptest.NewServer(fault{wrap: wrap}.handler(t, nil))
	t.Cleanup(func() {
		hs.CloseClientConnections()
		hs.Close()
	})
	return hs.URL + "/v1"
}
