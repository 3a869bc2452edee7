//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// A process that is killed without warning loses at most the request in flight, and the resumed
// run has every cell exactly once. HOMELLM_KILLS says how often; the nightly script has 200.
func TestKill_LosesAtMostTheRequestInFlight(t *testing.T) {
	t.Parallel()
	kills := 12
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
	const side = 4 // runs at the same time, each with its own server: they wait most of the time
	var wg sync.WaitGroup
	for k := range min(side, kills) {
		server, url := startSimulator(t, config)
		random := rand.New(rand.NewPCG(seed, uint64(k)))
		wg.Go(func() {
			for i := k; i < kills && !t.Failed(); i += side {
				if kept := killOnce(t, p, server, url, fmt.Sprintf("run%d", i), random, took); kept > 0 &&
					kept < requestsOfCrashPlan {
					inMiddle.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := int(inMiddle.Load()); kills >= 10 && n < kills/4 {
		t.Errorf("only %d of %d kills came in the middle of a run", n, kills)
	}
}

// killOnce kills a run at a random moment, resumes it, and returns how many requests the killed
// one had kept.
func killOnce(t *testing.T, p program, server *sim.Server, url, out string, random *rand.Rand,
	took time.Duration) (kept int) {
	t.Helper()
	before := len(server.Ledger())
	c, _, _ := p.command("apply", "crash.yaml", "--url", url, "--out", out, "--quiet")
	if err := c.Start(); err != nil {
		t.Error(err)
		return 0
	}
	// By requests and not by time: how long a run takes depends on what else the machine does.
	at := random.IntN(requestsOfCrashPlan)
	for waited := 0; scenarioRequests(server, before) < at && waited < 15_000; waited++ {
		time.Sleep(4 * time.Millisecond)
	}
	time.Sleep(time.Duration(random.Int64N(int64(took) / requestsOfCrashPlan)))
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
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
		t.Errorf("%s: resuming exits with %d\n%s", out, code, stderr)
		return kept
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

// A run is resumed with the plan that it was begun with, or with another one on request:
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
