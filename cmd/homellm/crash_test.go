//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	signals "os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/sim"
)

// crashPlan has several cells, so that some are finished when the run is killed.
const crashPlan = `schema: homellm.scenario/v1
name: crash
defaults:
  request: {temperature: 0, seed: 1, max_tokens: 12}
run: {warmup: 1, repeats: 2, order: sequential, isolation: {cache: salt, scope: repeat}}
matrix: {n: [1, 2, 3]}
conversations:
  - id: main
    system: You answer in one sentence, number ${matrix.n}.
    steps:
      - {id: hello, ask: Which things can you help me with today?, assert: [turn.ok]}
      - {id: more, continue: Say more about that.}
assert: [run.requests_failed == 0]
`

// requestsOfCrashPlan is what one uninterrupted run keeps: cells x passes x turns.
const requestsOfCrashPlan = 3 * 3 * 2

// program is homellm as a process, in a folder of its own.
type program struct {
	t   *testing.T
	dir string
	env []string
}

func newProgram(t *testing.T, files map[string]string) program {
	t.Helper()
	p := program{t: t, dir: t.TempDir()}
	for name, text := range files {
		path := filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(os.Environ(), "HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir+"/config", "XDG_CACHE_HOME="+p.dir+"/cache")
	return p
}

func (p program) command(args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	p.t.Helper()
	c = exec.CommandContext(p.t.Context(), "homellm", args...)
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c.Dir, c.Env, c.Stdout, c.Stderr = p.dir, p.env, stdout, stderr
	return c, stdout, stderr
}

// run runs homellm to its end.
func (p program) run(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	c, out, errs := p.command(args...)
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// startSimulator serves a simulator on a loopback port and returns it with its address.
func startSimulator(t *testing.T, config sim.Config) (*sim.Server, string) {
	t.Helper()
	if config.Speed == 0 {
		config.Speed = 40
	}
	server, err := sim.New(config)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(server)
	t.Cleanup(func() {
		hs.CloseClientConnections()
		hs.Close()
		server.Close()
	})
	return server, hs.URL + "/v1"
}

// canary recognises the prompts of a preflight: a number that nobody has sent before, then words.
var canary = regexp.MustCompile(`^[0-9a-f]{16} [a-z ]{200,}$`)

// scenarioRequests counts the requests of the plan that a server has seen from entry number
// from on, leaving out preflights.
func scenarioRequests(s *sim.Server, from int) (n int) {
	for _, e := range s.Ledger()[from:] {
		if canary.MatchString(e.Messages[len(e.Messages)-1].Content) {
			continue
		}
		n++
	}
	return n
}

func keptRequests(t *testing.T, journal string) (n int, cellsDone int) {
	t.Helper()
	f, err := os.Open(journal)
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for e, err := range event.Read(f) {
		if errors.Is(err, event.ErrTorn) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", journal, err)
		}
		if _, ok := e.Body.(event.Request); ok {
			n++
		}
		if _, ok := e.Body.(event.CellDone); ok {
			cellsDone++
		}
	}
	return n, cellsDone
}

// A process that is killed without warning loses at most the request in flight, and the resumed
// run has every cell exactly once. HOMELLM_KILLS says how often; the nightly script has 200.
func TestKill_LosesAtMostTheRequestInFlight(t *testing.T) {
	t.Parallel()
	kills := 20
	if s := os.Getenv("HOMELLM_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		kills = 3
	}
	config := sim.Config{LedgerEntries: 100_000, Speed: 15}
	_, url := startSimulator(t, config)
	p := newProgram(t, map[string]string{"crash.yaml": crashPlan})
	begin := time.Now()
	if code, _, stderr := p.run("apply", "crash.yaml", "--url", url, "--out", "whole", "--quiet"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	took := time.Since(begin)
	if n, _ := keptRequests(t, filepath.Join(p.dir, "whole", "journal.jsonl")); n != requestsOfCrashPlan {
		t.Fatalf("%d requests in an uninterrupted run, want %d", n, requestsOfCrashPlan)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, an uninterrupted run takes %v", seed, took)
	var inMiddle atomic.Int64
	const side = 4 // runs beside each other, each with a server of its own: they wait most of the time
	t.Run("killed", func(t *testing.T) {
		for k := range min(side, kills) {
			t.Run(fmt.Sprint(k), func(t *testing.T) {
				t.Parallel()
				server, url := startSimulator(t, config)
				random := rand.New(rand.NewPCG(seed, uint64(k)))
				for i := k; i < kills; i += side {
					if kept := killOnce(t, p, server, url, fmt.Sprintf("run%d", i), random, took); kept > 0 &&
						kept < requestsOfCrashPlan {
						inMiddle.Add(1)
					}
				}
			})
		}
	})
	if n := int(inMiddle.Load()); kills >= 10 && n < kills/4 {
		t.Errorf("only %d of %d kills came in the middle of a run", n, kills)
	}
}

// killOnce kills a run at a random moment, goes on with it, and returns how many requests the killed
// one had kept.
func killOnce(t *testing.T, p program, server *sim.Server, url, out string, random *rand.Rand,
	took time.Duration) (kept int) {
	t.Helper()
	p.t = t
	before := len(server.Ledger())
	c, _, _ := p.command("apply", "crash.yaml", "--url", url, "--out", out, "--quiet")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// By requests and not by time: how long a run takes depends on what else the machine does.
	at := random.IntN(requestsOfCrashPlan)
	for waited := 0; scenarioRequests(server, before) < at && waited < 60_000; waited++ {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Duration(random.Int64N(int64(took) / requestsOfCrashPlan)))
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	time.Sleep(20 * time.Millisecond)
	sent := scenarioRequests(server, before)
	kept, cells := keptRequests(t, filepath.Join(p.dir, out, "journal.jsonl"))
	if sent-kept > 1 || kept > sent {
		t.Errorf("%s: %d requests were sent and %d are kept", out, sent, kept)
	}
	if _, err := os.Stat(filepath.Join(p.dir, out, "journal.jsonl")); err != nil {
		return kept // killed before there was anything to go on with
	}
	code, _, stderr := p.run("apply", "crash.yaml", "--url", url, "--resume", out, "--quiet")
	if code != 0 {
		t.Fatalf("%s: resuming exits with %d\n%s", out, code, stderr)
	}
	checkWhole(t, filepath.Join(p.dir, out), cells)
	return kept
}

// checkWhole checks that a results folder holds each cell once and whole, and that cells that
// were done before a crash were not played again.
func checkWhole(t *testing.T, dir string, before int) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		ExitCode int `json:"exit_code"`
		Cells    []struct {
			State   string
			Repeats []struct{ Turns []struct{ OK bool } }
		}
	}
	if err := json.Unmarshal(data, &result); err != nil {
		t.Fatal(err)
	}
	turns := 0
	for _, c := range result.Cells {
		if c.State != "done" {
			t.Errorf("%s: a cell is %s", dir, c.State)
		}
		for _, r := range c.Repeats {
			turns += len(r.Turns)
		}
	}
	if len(result.Cells) != 3 || turns != requestsOfCrashPlan || result.ExitCode != 0 {
		t.Errorf("%s: %d cells, %d turns, exit code %d", dir, len(result.Cells), turns, result.ExitCode)
	}
	kept, cells := keptRequests(t, filepath.Join(dir, "journal.jsonl"))
	if cells != 3 {
		t.Errorf("%s: %d cells were closed, %d of them before the crash", dir, cells, before)
	}
	if most := requestsOfCrashPlan + requestsOfCrashPlan/3; kept > most {
		t.Errorf("%s: %d requests, more than one cell was played twice", dir, kept)
	}
}

// halted prepares apply on a server that stops in the middle of the plan, however fast or slow the
// machine is, and goes on when it is told to.
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

// One signal ends a run in order: the journal has its end, partial reports are there and say so,
// and the command that goes on is printed and works.
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
	case <-time.After(time.Minute):
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
	p := newProgram(t, map[string]string{"crash.yaml": crashPlan})
	for _, args := range [][]string{
		{"apply", "crash.yaml", "--url", url, "--out", "run"},
		{"report", "run"}, {"list"}, {"explain", "ttft_ms"}, {"plan", "crash.yaml"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		c, _, stderr := p.command(args...)
		c.Stdout = w
		err = c.Run()
		w.Close()
		if code := c.ProcessState.ExitCode(); code != 0 {
			t.Errorf("homellm %s into a closed pipe: exit code %d, %v\n%s", strings.Join(args, " "), code, err, stderr)
		}
	}
	checkWhole(t, filepath.Join(p.dir, "run"), 0)
}

// The journal has one writer.
func TestResume_RefusesASecondWriter(t *testing.T) {
	t.Parallel()
	p, url, goOn, c, _, stderr := halted(t)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	waitForRequests(t, p.dir, 1)
	code, _, second := p.run("apply", "crash.yaml", "--url", url, "--resume", "run")
	if code != exit.Environment || !strings.Contains(second, "another homellm is writing") {
		t.Errorf("exit code %d, want 5\n%s", code, second)
	}
	goOn()
	if err := c.Wait(); err != nil {
		t.Errorf("the first writer was disturbed: %v\n%s", err, stderr)
	}
	checkWhole(t, filepath.Join(p.dir, "run"), 0)
}

// A full disk and a folder that cannot be written are told as such, and what was kept is resumed
// once there is room.
func TestFullDisk_StopsAndResumes(t *testing.T) {
	long(t)
	t.Parallel()
	_, url := startSimulator(t, sim.Config{})
	p := newProgram(t, map[string]string{"crash.yaml": crashPlan})
	disk := filepath.Join(p.dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	mount := func(options string) error {
		return exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", options, "tmpfs", disk).Run()
	}
	if err := mount("size=16k"); err != nil {
		t.Skip("no tmpfs can be mounted here; TestAppend_FullDisk has the failing writer:", err)
	}
	t.Cleanup(func() {
		if err := exec.Command("umount", disk).Run(); err != nil {
			t.Error(err)
		}
	})
	code, _, stderr := p.run("apply", "crash.yaml", "--url", url, "--out", "disk/run", "--quiet")
	if code != exit.Environment || !strings.Contains(stderr, "no space left on device") ||
		!strings.Contains(stderr, "--resume disk/run") {
		t.Fatalf("exit code %d on a full disk\n%s", code, stderr)
	}
	if err := exec.CommandContext(t.Context(), "mount", "-o", "remount,size=4m", disk).Run(); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := p.run("apply", "crash.yaml", "--url", url, "--resume", "disk/run", "--quiet"); code != 0 {
		t.Fatalf("exit code %d with room again\n%s", code, stderr)
	}
	checkWhole(t, filepath.Join(disk, "run"), 0)

	if err := exec.CommandContext(t.Context(), "mount", "-o", "remount,ro", disk).Run(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--out", "disk/other"}, {"--resume", "disk/run"}} {
		code, _, stderr := p.run(append([]string{"apply", "crash.yaml", "--url", url}, args...)...)
		if code != exit.Environment || !strings.Contains(stderr, "read-only") || !strings.Contains(stderr, "hint:") {
			t.Errorf("%v on a read-only disk: exit code %d\n%s", args, code, stderr)
		}
	}
}

// A run goes on with the plan that it was begun with, or with another one if that is asked for:
// then the cells that did not change are kept.
func TestResume_RefusesAChangedPlan(t *testing.T) {
	t.Parallel()
	_, url := startSimulator(t, sim.Config{})
	p := newProgram(t, map[string]string{
		"crash.yaml":   crashPlan,
		"reply.yaml":   strings.Replace(crashPlan, "Say more about that.", "Say less.", 1),
		"asserts.yaml": strings.Replace(crashPlan, "assert: [run.", "assert: [run.error_rate == 0, run.", 1),
		"title.yaml": "# The same in other words.\n" +
			strings.Replace(crashPlan, "- id: main", "- id: main\n    title: A chat", 1),
		"fourth.yaml": strings.Replace(crashPlan, "n: [1, 2, 3]", "n: [1, 2, 4]", 1),
	})
	if code, _, stderr := p.run("apply", "crash.yaml", "--url", url, "--out", "run", "--quiet"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	path := filepath.Join(p.dir, "run", "journal.jsonl")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		why  string
	}{
		{[]string{"reply.yaml"}, "reply.yaml is not the file it was started with"},
		{[]string{"asserts.yaml"}, "asserts.yaml sends what it sent then, but its assertions"},
		{[]string{"fourth.yaml"}, "keeps the finished cells that did not change (2 of 3)"},
		{[]string{"crash.yaml", "--repeats", "3"}, "its flags, server, model"},
	} {
		code, _, stderr := p.run(append(append([]string{"apply"}, c.args...), "--url", url, "--resume", "run", "--quiet")...)
		if code != exit.Usage || !strings.Contains(stderr, "started with another plan") || !strings.Contains(stderr, c.why) ||
			!strings.Contains(stderr, "--resume-changed") {
			t.Errorf("%v: exit code %d\n%s", c.args, code, stderr)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a refused plan changed the journal: %v", err)
	}
	if code, _, stderr := p.run("apply", "title.yaml", "--url", url, "--resume", "run", "--quiet"); code != 0 {
		t.Errorf("a comment and a title make another plan: exit code %d\n%s", code, stderr)
	}
	if code, _, stderr := p.run("apply", "fourth.yaml", "--url", url, "--resume", "run", "--resume-changed",
		"--quiet"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if n, cells := keptRequests(t, path); n != requestsOfCrashPlan*4/3 || cells != 4 {
		t.Errorf("%d requests of %d cells, want those of three cells and of the new one", n, cells)
	}
}
