//go:build fleet && unix

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/event"
	"homellm/engine/results"
)

// killsPlan has many short cells, some of which are compared with each other.
func killsPlan(cells int) string {
	var numbers []string
	for n := range cells {
		numbers = append(numbers, fmt.Sprint(n+1))
	}
	return `schema: homellm.scenario/v1
name: kills
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 5, isolation: {cache: salt, scope: repeat}}
matrix: {server: [quick], model: [qwen2.5-3b], n: [` + strings.Join(numbers, ", ") + `]}
conversations:
  - id: main
    system: You answer in one sentence, number ${matrix.n}.
    steps:
      - {id: hello, ask: Which things can you help me with today?, assert: [turn.ok]}
      - {id: more, continue: Say more about that., assert: [turn.cache.hit_rate > 0]}
assert:
  - {name: quick, that: run.requests_failed == 0}
  - {name: many, that: steps.hello.output_tokens.p50 > matrix.n}
overall:
  - name: pair
    that: 'cell({n: 1}).steps.hello.prompt_tokens.p50 <= cell({n: 2}).steps.hello.prompt_tokens.p50'
    confidence: 90%
  - {name: all, that: 'cell({n: 3}).steps.hello.prompt_tokens.p50 == cell({n: 4}).steps.hello.prompt_tokens.p50'}
`
}

// quickServer is the simulator, with replies that take little time.
const quickServer = `schema: homellm.servers/v1
servers:
  quick: {extends: sim, launch: {command: [homellm, sim], flags: {port: "${port}", speed: 20}}}
`

// killsOf is how many kills the environment asks for; few if it asks for none.
func killsOf(t *testing.T, few int) int {
	t.Helper()
	s := os.Getenv("HOMELLM_KILLS")
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// kept is a process that is started again whenever it ends, as the supervisor of a machine does it.
type kept struct {
	fleetRig
	name string
	args func() []string

	mu      sync.Mutex
	running *exec.Cmd
	over    bool          // it is not started again
	ended   chan struct{} // closed when it has ended for good
	code    int           // with which it ended
	out     string        // what it printed then
	said    strings.Builder
}

// keep starts a process, and starts it again until last says of an exit code that it was the last.
func (r fleetRig) keep(name string, last func(code int) bool, args func() []string) *kept {
	k := &kept{fleetRig: r, name: name, args: args, ended: make(chan struct{})}
	go func() {
		defer close(k.ended)
		for k.once() {
			if k.code = k.running.ProcessState.ExitCode(); last(k.code) {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	r.t.Cleanup(func() {
		k.mu.Lock()
		k.over = true
		k.mu.Unlock()
		k.kill()
		<-k.ended
		if r.t.Failed() {
			r.t.Logf("%s:\n%s", name, k.said.String())
		}
	})
	return k
}

// once runs the process to its end, or says that it is not started again.
func (k *kept) once() bool {
	var out bytes.Buffer
	c := exec.Command(k.exe, k.args()...)
	c.Dir, c.Env, c.Stdout, c.Stderr, c.WaitDelay = k.dir, k.env, &out, k, 10*time.Second
	k.mu.Lock()
	if k.over {
		k.mu.Unlock()
		return false
	}
	err := c.Start()
	k.running = c
	k.mu.Unlock()
	if err != nil {
		k.t.Error(err)
		return false
	}
	err = c.Wait()
	k.out = out.String()
	k.say(fmt.Sprintf("it ended at %v with %v\n", time.Now().Format("15:04:05.000"), err))
	return true
}

func (k *kept) say(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.said.WriteString(text)
}

// Write implements [io.Writer]: the standard error of the process goes there.
func (k *kept) Write(p []byte) (int, error) {
	k.say(string(p))
	return len(p), nil
}

// says is how often the process has said a text.
func (k *kept) says(text string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Count(k.said.String(), text)
}

// kill kills the process, if it runs now.
func (k *kept) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running != nil {
		_ = k.running.Process.Kill() // it may have ended
	}
}

func never(int) bool { return false }

// TestFleet_Kills kills workers, the coordinator and the broker at random instants of a run. Each is started again. The
// run is the same as one that was not disturbed. HOMELLM_KILLS says how often; the nightly script has 200 in a run of
// 200 cells.
func TestFleet_Kills(t *testing.T) {
	kills := killsOf(t, 8)
	cells := max(kills, 16)
	r := newFleetRig(t)
	here := r.undisturbed(cells)
	victims := []*kept{r.broker}
	for _, name := range []string{"attic", "cellar", "hall"} {
		victims = append(victims, r.keep(name, never, func() []string { return r.joining(name) }))
	}
	r.boxes(3)
	begun := time.Now()
	run := r.apply(r.address)
	victims = append(victims, run)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	killed := map[string]int{}
	for i := range kills {
		for r.cellsDone() < i*(cells-1)/kills && !run.hasEnded() { // by cells, so that all of the run is disturbed
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Duration(random.Int64N(int64(1500 * time.Millisecond))))
		if run.hasEnded() {
			break
		}
		victim := victims[random.IntN(len(victims))]
		victim.kill()
		killed[victim.name]++
		t.Logf("%s kill %d, %s, %d cells", time.Now().Format("15:04:05.000"), i, victim.name, r.cellsDone())
	}
	r.same(here, run)
	t.Logf("seed %d: %v were killed in %v", seed, killed, time.Since(begun).Round(time.Second))
}

// undisturbed begins a run of so many cells on this machine alone.
func (r fleetRig) undisturbed(cells int) *kept {
	r.t.Helper()
	return r.undisturbedOn(quickServer, killsPlan(cells))
}

// undisturbedOn begins a run of a scenario on this machine alone.
func (r fleetRig) undisturbedOn(servers, scenario string) *kept {
	r.t.Helper()
	r.write("config/homellm/servers.yaml", servers)
	r.write("kills.yaml", scenario)
	return r.keep("here", func(int) bool { return true },
		func() []string { return []string{"apply", "kills.yaml", "--out", "here", "--quiet"} })
}

// apply begins the same run on the fleet, which is resumed as often as it is killed.
func (r fleetRig) apply(address string) *kept {
	return r.keep("apply", func(code int) bool { return code >= 0 && code != 5 }, func() []string {
		how := "--out"
		if _, err := os.Stat(filepath.Join(r.dir, "there", "journal.jsonl")); err == nil {
			how = "--resume"
		}
		return []string{"apply", "kills.yaml", "--fleet", "nats://" + address, "--key", "store/operator.key", how, "there",
			"--quiet"}
	})
}

// same waits for the end of both runs, and checks that they are the same but for times. It returns how many cells were
// begun more than once.
func (r fleetRig) same(here, there *kept) (again int) {
	r.t.Helper()
	<-there.ended
	<-here.ended
	if there.code != here.code {
		r.t.Errorf("exit code %d on the fleet and %d here", there.code, here.code)
	}
	want, _ := toldOf(r.t, filepath.Join(r.dir, "here"))
	got, _ := toldOf(r.t, filepath.Join(r.dir, "there"))
	if d := cmp.Diff(want, got); d != "" {
		r.t.Errorf("the run on the fleet differs (-here +there):\n%s", d)
	}
	return r.begunAgain()
}

// cellsDone is how many cells have ended in the journal of the run on the fleet.
func (r fleetRig) cellsDone() int {
	data, err := os.ReadFile(filepath.Join(r.dir, "there", "journal.jsonl"))
	if err != nil {
		return 0
	}
	return bytes.Count(data, []byte(`"kind":"cell_done"`))
}

func (k *kept) hasEnded() bool {
	select {
	case <-k.ended:
		return true
	default:
		return false
	}
}

// begunAgain counts the cells that were begun more than once, and checks that they say so. The first attempt may count
// although there is a second: two boxes played the job.
func (r fleetRig) begunAgain() (again int) {
	r.t.Helper()
	_, fold, err := results.Read(filepath.Join(r.dir, "there"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range fold.Cells {
		noted := slices.IndexFunc(c.Notes, func(n event.Note) bool { return n.Code == "attempts" })
		if noted >= 0 {
			again++
		}
		switch {
		case c.Started == nil:
			r.t.Errorf("%v was not begun", c.Planned.Labels)
		case c.Started.Attempt > 1 && noted < 0:
			r.t.Errorf("%v: attempt %d counts, and no note says so", c.Planned.Labels, c.Started.Attempt)
		case c.Started.Attempt == 1 && noted >= 0 && !strings.HasPrefix(c.Notes[noted].Text, "attempt 2 "):
			r.t.Errorf("%v: its first attempt counts, and a note says %q", c.Planned.Labels, c.Notes[noted].Text)
		}
	}
	r.t.Logf("%d of %d cells were begun more than once", again, len(fold.Cells))
	return again
}
