//go:build fleet && unix

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/event"
	"homellm/engine/results"
	"homellm/schema"
)

// fleetPlan has cells that are compared in pairs and cells that are not, a document in a file, an assertion that fails
// and one that cannot be known.
const fleetPlan = `schema: homellm.scenario/v1
name: fleet
defaults: {request: {temperature: 0, seed: 1, max_tokens: 24}}
run: {warmup: 1, repeats: 5, isolation: {cache: salt, scope: repeat}}
matrix: {server: [sim], model: [qwen2.5-3b], n: [1, 2, 3, 4]}
documents: [{id: manual, file: docs/manual.txt}]
conversations:
  - id: main
    system: You answer in one sentence, number ${matrix.n}.
    steps:
      - {id: hello, ask: Which things can you help me with today?, assert: [turn.ok]}
      - {id: read, inject: {docs: [manual]}}
      - {id: what, query: {text: What does it say?, docs: [manual]}, assert: [turn.cache.hit_rate >= 0]}
assert:
  - {name: quick, that: run.requests_failed == 0}
  - {name: cold, that: steps.hello.output_tokens.p50 < 2, severity: warn}
  - {name: many, that: steps.hello.output_tokens.p50 < matrix.n, on_unknown: fail}
overall:
  - name: pair
    that: 'cell({n: 1}).steps.hello.prompt_tokens.p50 <= cell({n: 2}).steps.hello.prompt_tokens.p50'
    confidence: 90%
  - {name: all, that: 'cell({n: 3}).steps.hello.prompt_tokens.p50 == cell({n: 4}).steps.hello.prompt_tokens.p50'}
`

// fleetRig is a broker in a process of its own.
type fleetRig struct {
	program
	address string
	broker  *kept
}

func newFleetRig(t *testing.T) fleetRig {
	t.Helper()
	return newFleetRigOn(t, func(string) {})
}

// newFleetRigOn has the folder of the broker prepared before it starts.
func newFleetRigOn(t *testing.T, prepare func(store string)) fleetRig {
	t.Helper()
	return newFleetRigAt(t, "127.0.0.1", prepare)
}

// newFleetRigAt has the broker listen at an address of this machine.
func newFleetRigAt(t *testing.T, host string, prepare func(store string)) fleetRig {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	r := fleetRig{newProgram(t, map[string]string{"fleet.yaml": fleetPlan,
		"docs/manual.txt": strings.Repeat("Tighten the screw with a torque of 41. ", 60)}), l.Addr().String(), nil}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	prepare(filepath.Join(r.dir, "store"))
	r.broker = r.keep("broker", never, func() []string {
		return []string{"fleet", "serve", "--listen", r.address, "--store", "store"}
	})
	r.until("the broker listens", func() bool {
		code, _, _ := r.run("fleet", "status", "--key", "store/operator.key")
		return code == 0
	})
	return r
}

// begin starts a process that lasts until the end of the test, or until it is killed.
func (r fleetRig) begin(args ...string) *exec.Cmd {
	r.t.Helper()
	c, _, errs := r.command(args...)
	c.WaitDelay = 10 * time.Second
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGCONT) // it may have been stopped
		_ = c.Process.Signal(syscall.SIGTERM) // it may have been killed
		_ = c.Wait()
		if r.t.Failed() {
			r.t.Logf("%v:\n%s", args, errs)
		}
	})
	return c
}

func (r fleetRig) join(name string) *exec.Cmd {
	r.t.Helper()
	return r.begin(r.joining(name)...)
}

func (r fleetRig) joining(name string) []string {
	return []string{"fleet", "join", "nats://" + r.address, "--key", "store/worker.key", "--name", name,
		"--labels", "room=" + name}
}

func (r fleetRig) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// until waits for something that other processes do.
func (r fleetRig) until(what string, is func() bool) {
	r.t.Helper()
	for range 600 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.t.Fatalf("waited in vain until %s", what)
}

// untilCellDone waits for a run to have a cell that is done.
func (r fleetRig) untilCellDone(out string) {
	r.t.Helper()
	r.until("a cell is done", func() bool {
		data, err := os.ReadFile(filepath.Join(r.dir, out, "journal.jsonl"))
		return err == nil && strings.Contains(string(data), `"kind":"cell_done"`)
	})
}

func (r fleetRig) boxes(n int) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d boxes are there", n), func() bool {
		_, out, _ := r.run("fleet", "status", "--key", "store/operator.key")
		return strings.Contains(out, fmt.Sprintf("boxes: %d idle", n))
	})
}

func (r fleetRig) onFleet(out string) []string {
	return []string{"apply", "fleet.yaml", "--fleet", "nats://" + r.address, "--key", "store/operator.key", "--out", out,
		"--quiet"}
}

// told is what must be equal wherever a scenario is played: everything but times, and where it was.
type told struct {
	Reason   string
	Code     int
	Cells    []string
	Requests []string
	Verdicts []string
}

func toldOf(t *testing.T, dir string) (out told, boxes []string) {
	t.Helper()
	_, fold, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, out.Code, out.Reason = fold.Outcome()
	verdict := func(of string, v event.Verdict) {
		out.Verdicts = append(out.Verdicts, fmt.Sprintf("%s %s: %s, %d of %d", of, v.Title(), v.Verdict, v.Passed,
			v.Evaluated))
	}
	n := func(p *int) string {
		if p == nil {
			return "?"
		}
		return fmt.Sprint(*p)
	}
	for _, c := range fold.Cells {
		of := fmt.Sprint(c.Planned.Labels)
		out.Cells = append(out.Cells, fmt.Sprint(c.ID, of, c.Done, c.Failed))
		if c.Started != nil && c.Started.Box != nil && !slices.Contains(boxes, c.Started.Box.Name) {
			boxes = append(boxes, c.Started.Box.Name)
		}
		for _, q := range c.Requests {
			out.Requests = append(out.Requests, fmt.Sprintf("%s %v %d %s %s %d: %q, %s prompt, %s reply, %s cached of %s, %v", of,
				q.Warmup, q.Repeat, q.Conversation, q.Step, q.Turn, q.Text, n(q.Usage.Prompt), n(q.Usage.Completion), n(q.Cached),
				n(q.Reusable), q.Err))
		}
		for _, v := range c.Verdicts {
			verdict(of, v)
		}
	}
	for _, v := range fold.Overall {
		verdict("all", v)
	}
	slices.Sort(out.Requests)
	return out, boxes
}

// TestFleet_EqualsApply plays one scenario here and on a fleet of two boxes: verdicts, exit code, texts, tokens and
// cache figures are the same.
func TestFleet_EqualsApply(t *testing.T) {
	r := newFleetRig(t)
	r.join("attic")
	r.join("cellar")
	r.boxes(2)
	here, _, errs := r.run("apply", "fleet.yaml", "--out", "here", "--quiet")
	there, out, fleetErrs := r.run(r.onFleet("there")...)
	if here != there {
		t.Errorf("exit code %d here and %d on the fleet\n%s\n%s", here, there, errs, fleetErrs)
	}
	want, _ := toldOf(t, filepath.Join(r.dir, "here"))
	got, boxes := toldOf(t, filepath.Join(r.dir, "there"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the run on the fleet differs (-here +there):\n%s", d)
	}
	if len(boxes) != 2 || !strings.Contains(out, "box=attic") {
		t.Errorf("it was played on %v\n%s", boxes, out)
	}
	if _, again, _ := r.run("report", "there"); again != out {
		t.Errorf("the report of the journal differs:\n%s", cmp.Diff(out, again))
	}
	if _, runs, _ := r.run("fleet", "runs", "--key", "store/operator.key"); !strings.Contains(runs, "played") {
		t.Errorf("runs:\n%s", runs)
	}
	for what, want := range map[string]string{"status": `"idle": 2`, "boxes": `"room": "cellar"`,
		"runs": `"state": "played"`} {
		_, out, errs := r.run("fleet", what, "--key", "store/operator.key", "--format", "json")
		var doc any
		if err := json.Unmarshal([]byte(out), &doc); err != nil || !strings.Contains(out, want) {
			t.Errorf("fleet %s: %v, and no %s\n%s%s", what, err, want, out, errs)
		}
		for _, wrong := range schema.Validate("fleet", doc) {
			t.Errorf("fleet %s: %+v", what, wrong)
		}
	}
}

// TestFleet_LostWorker kills a worker in the middle of a job, or stops it, so that it keeps its connection and does
// nothing any more. Another box plays the job, and the run is the same.
func TestFleet_LostWorker(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			loseWorker(t, signal)
		})
	}
}

func loseWorker(t *testing.T, signal syscall.Signal) {
	t.Helper()
	r := newFleetRig(t)
	worker := r.join("attic")
	r.boxes(1)
	run, _, errs := r.command(r.onFleet("there")...)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	r.until("a job is being played", func() bool {
		found, err := filepath.Glob(filepath.Join(r.dir, "cache/homellm/fleet/attic/*/results/journal.jsonl"))
		if err != nil || len(found) == 0 {
			return false
		}
		data, err := os.ReadFile(found[0])
		return err == nil && strings.Contains(string(data), `"kind":"request"`)
	})
	if err := worker.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	r.join("cellar")
	err := run.Wait()
	here, _, _ := r.run("apply", "fleet.yaml", "--out", "here", "--quiet")
	if code := run.ProcessState.ExitCode(); code != here {
		t.Errorf("exit code %d on the fleet and %d here: %v\n%s", code, here, err, errs)
	}
	want, _ := toldOf(t, filepath.Join(r.dir, "here"))
	got, boxes := toldOf(t, filepath.Join(r.dir, "there"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the run on the fleet differs (-here +there):\n%s", d)
	}
	if !slices.Contains(boxes, "cellar") {
		t.Errorf("it was played on %v", boxes)
	}
}

// TestFleet_KilledCoordinator kills the apply that plays on a fleet. The box plays on, and the resumed run is the same
// as one that was not disturbed.
func TestFleet_KilledCoordinator(t *testing.T) {
	r := newFleetRig(t)
	r.join("attic")
	r.boxes(1)
	run, _, _ := r.command(r.onFleet("there")...)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	r.untilCellDone("there")
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait()                                                         // it was killed
	here, _, _ := r.run("apply", "fleet.yaml", "--out", "here", "--quiet") // meanwhile the box plays on
	resume := slices.DeleteFunc(r.onFleet("there"), func(arg string) bool { return arg == "--out" || arg == "there" })
	code, _, errs := r.run(append(resume, "--resume", "there")...)
	if code != here {
		t.Errorf("exit code %d when resumed and %d here\n%s", code, here, errs)
	}
	want, _ := toldOf(t, filepath.Join(r.dir, "here"))
	got, _ := toldOf(t, filepath.Join(r.dir, "there"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the resumed run differs (-here +there):\n%s", d)
	}
}

// TestFleet_Commands checks what the commands of a fleet say when something is wrong.
func TestFleet_Commands(t *testing.T) {
	r := newFleetRig(t)
	if code, out, errs := r.run(r.onFleet("empty")...); code != 5 || !strings.Contains(out, "no box is in the fleet") {
		t.Errorf("without a box: exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs := r.run("fleet", "key", "add", "attic", "--store", "store")
	if code != 0 || out != "store/attic.key\n" {
		t.Errorf("key add: exit code %d\n%s%s", code, out, errs)
	}
	if _, out, _ := r.run("fleet", "key", "list", "--store", "store"); !strings.Contains(out, "attic") ||
		!strings.Contains(out, "operator") {
		t.Errorf("key list:\n%s", out)
	}
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"fleet", "join", "--key", "store/operator.key"}, 2, "the key of an operator"},
		{[]string{"fleet", "boxes", "--key", "store/worker.key"}, 2, "the key of a worker"},
		{[]string{"fleet", "drain", "nobody", "--key", "store/operator.key"}, 2, `there is no box "nobody"`},
		{[]string{"fleet", "cancel", "abc", "--key", "store/operator.key"}, 2, `there is no run "abc"`},
		{[]string{"fleet", "status", "--key", "store/operator.key", "--fleet", "nats://127.0.0.1:1"}, 5, "cannot be reached"},
		{[]string{"fleet", "key", "revoke", "nobody", "--store", "store"}, 2, `there is no key "nobody"`},
		{[]string{"fleet", "key", "list", "--store", "elsewhere"}, 2, "there is no fleet in elsewhere"},
		{[]string{"apply", "fleet.yaml", "--fleet", "nats://" + r.address}, 2, "key"},
		{append(r.onFleet("x"), "--budget", "10m"), 2, "budget"},
	} {
		if code, _, errs := r.run(tt.args...); code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s", tt.args, code, tt.code, tt.says, errs)
		}
	}
	r.join("attic")
	r.boxes(1)
	if code, _, errs := r.run("fleet", "drain", "attic", "--key", "store/operator.key"); code != 0 {
		t.Errorf("drain: exit code %d\n%s", code, errs)
	}
	if _, out, _ := r.run("fleet", "boxes", "--key", "store/operator.key"); !strings.Contains(out, "drained") ||
		!strings.Contains(out, "room=attic") {
		t.Errorf("boxes:\n%s", out)
	}
	if code, out, errs := r.run(r.onFleet("drained")...); code != 5 || !strings.Contains(out, "attic: it is drained") {
		t.Errorf("with a drained box: exit code %d\n%s%s", code, out, errs)
	}
}
