//go:build fleet && unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"homellm/engine/results"
	"homellm/schema"
)

// boxPlan has a cell for each of three rooms, of which only two have a box.
const boxPlan = `schema: homellm.scenario/v1
name: rooms
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 1, isolation: {cache: salt}}
matrix: {server: [sim], model: [qwen2.5-3b], room: [attic, cellar, porch]}
requires: {box: box.label.room == matrix.room && box.cpus >= 1}
conversations: [{id: main, steps: [{id: hello, ask: Hello?, assert: [turn.ok]}]}]
`

// places plays a scenario on the fleet, and returns where each cell was played: its box, or the reason to skip it.
func (r fleetRig) places(scenario string, wantCode int) (where map[string]string, told string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "boxes.yaml"), []byte(scenario), 0o600); err != nil {
		r.t.Fatal(err)
	}
	out := fmt.Sprint("out", len(scenario))
	code, stdout, told := r.run("apply", "boxes.yaml", "--fleet", "nats://"+r.address, "--key", "store/operator.key",
		"--out", out)
	if code != wantCode {
		r.t.Errorf("exit code %d, want %d\n%s%s", code, wantCode, stdout, told)
	}
	return r.where(out), told
}

// where says where each cell of a run was played: its box, or the reason to skip it.
func (r fleetRig) where(out string) map[string]string {
	r.t.Helper()
	_, fold, err := results.Read(filepath.Join(r.dir, out))
	if err != nil {
		r.t.Fatal(err)
	}
	where := map[string]string{}
	for _, c := range fold.Cells {
		last := c.Planned.Labels[len(c.Planned.Labels)-1].Value
		where[last] = c.Planned.Skip
		if c.Started != nil && c.Started.Box != nil && c.Done != nil {
			where[last] = c.Started.Box.Name
		}
	}
	return where
}

// TestFleet_RequiresBox plays cells that require labels: each goes to the box that has its label, and one that no box
// has is skipped, with the reason, which is told before anything is played.
func TestFleet_RequiresBox(t *testing.T) {
	r := newFleetRig(t)
	r.join("attic")
	r.join("cellar")
	r.boxes(2)
	where, told := r.places(boxPlan, 0)
	reason := `no box of the fleet can play it (attic: requires.box does not hold: box.label.room is "attic", ` +
		`matrix.room is "porch"`
	if where["attic"] != "attic" || where["cellar"] != "cellar" || !strings.HasPrefix(where["porch"], reason) {
		t.Errorf("played at %v", where)
	}
	if early, _, _ := strings.Cut(told, "jobs played"); !strings.Contains(early,
		"homellm: rooms: skipped (sim x qwen2.5-3b x room=porch): "+reason) {
		t.Errorf("told before it was played:\n%s", early)
	}
	where, told = r.places(strings.Replace(boxPlan, "box.label.room == matrix.room", `box.label.gpu == matrix.room`, 1), 5)
	reason = `no box of the fleet can play it (attic, cellar: requires.box is not certain: box.label.gpu is unknown: ` +
		`the box has no label "gpu")`
	if where["attic"] != reason || where["cellar"] != reason || where["porch"] != reason ||
		strings.Count(told, reason) != 1 || !strings.Contains(told, "room=attic, sim x qwen2.5-3b x room=cellar, ") {
		t.Errorf("played at %v\n%s", where, told)
	}
}

// TestFleet_Plan asks which boxes can play what, without playing it.
func TestFleet_Plan(t *testing.T) {
	r := newFleetRig(t)
	r.write("boxes.yaml", boxPlan)
	asks := []string{"plan", "boxes.yaml", "--fleet", "nats://" + r.address, "--key", "store/operator.key"}
	if code, out, errs := r.run(asks...); code != 5 || !strings.Contains(out, "no box is in the fleet") ||
		strings.Contains(out, "of the fleet, each") {
		t.Errorf("without a box: exit code %d\n%s%s", code, out, errs)
	}
	r.join("attic")
	r.join("cellar")
	r.boxes(2)
	code, out, errs := r.run(asks...)
	for _, want := range []string{"\n2 jobs of the fleet, each played by one of its boxes:\n",
		"\n  sim x qwen2.5-3b x attic   attic\n", "\n  sim x qwen2.5-3b x cellar  cellar\n",
		`no box of the fleet can play it (attic: requires.box does not hold: box.label.room is "attic"`} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, and no %q in\n%s%s", code, want, out, errs)
		}
	}
	r.write("boxes.yaml", strings.Replace(everyBox, "box: all", "box: [attic, cellar, porch]", 1))
	code, out, errs = r.run(append(asks, "--format", "json")...)
	var doc any
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	for _, wrong := range schema.Validate("plan", doc) {
		t.Errorf("%+v", wrong)
	}
	jobs, _ := doc.(map[string]any)["jobs"].([]any)
	if len(jobs) != 2 || !strings.Contains(fmt.Sprint(jobs[1]), "boxes:[cellar]") ||
		!strings.Contains(out, "box porch is not in the fleet") {
		t.Errorf("jobs %v\n%s", jobs, out)
	}
	asks[1] = "rag-long"
	if code, _, errs := r.run(asks...); code != 2 ||
		!strings.Contains(errs, "names no server: name a profile of the boxes with --server") {
		t.Errorf("without a server: exit code %d\n%s", code, errs)
	}
	if found, err := filepath.Glob(filepath.Join(r.dir, "*", "journal.jsonl")); err != nil || len(found) > 0 {
		t.Errorf("it was played: %v, %v", found, err)
	}
}

// everyBox has a cell for each box.
const everyBox = `schema: homellm.scenario/v1
name: every
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 1, isolation: {cache: salt}}
matrix: {server: [sim], model: [qwen2.5-3b], box: all}
requires: {box: box.label.room != "porch"}
conversations: [{id: main, steps: [{id: hello, ask: "Hello, ${matrix.box}?", assert: [turn.ok]}]}]
`

// TestFleet_EveryBox plays a scenario once on every box. The cells of one that leaves before it plays are skipped, and
// so are those of one that cannot play; one that joins later gets none, even if the run is resumed.
func TestFleet_EveryBox(t *testing.T) {
	r := newFleetRig(t)
	attic := r.join("attic")
	r.join("cellar")
	r.join("porch")
	r.boxes(3)
	where, told := r.places(everyBox, 0)
	reason := `box porch cannot play it: requires.box does not hold: box.label.room is "porch"`
	if len(where) != 3 || where["attic"] != "attic" || where["cellar"] != "cellar" || where["porch"] != reason {
		t.Errorf("played at %v", where)
	}
	if !strings.Contains(told, "skipped (sim x qwen2.5-3b x box=porch): "+reason) {
		t.Errorf("told\n%s", told)
	}
	if err := attic.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	run, _, errs := r.command("apply", "boxes.yaml", "--fleet", "nats://"+r.address, "--key", "store/operator.key",
		"--out", "left", "--quiet")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	r.until("the other box has played", func() bool {
		data, err := os.ReadFile(filepath.Join(r.dir, "left", "journal.jsonl"))
		return err == nil && strings.Contains(string(data), `"kind":"cell_done"`)
	})
	r.join("garden")
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGCONT} { // it ends before it can play
		if err := attic.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := run.Wait(); err != nil {
		t.Errorf("%v\n%s", err, errs)
	}
	left := "box attic did not play it: it left the fleet before"
	if where := r.where("left"); len(where) != 3 || where["attic"] != left || where["cellar"] != "cellar" {
		t.Errorf("played at %v", where)
	}
	code, out, _ := r.run("apply", "boxes.yaml", "--fleet", "nats://"+r.address, "--key", "store/operator.key", "--resume",
		"left")
	if code != 0 || strings.Contains(out, "garden") || !strings.Contains(out, "box attic is not in the fleet") &&
		!strings.Contains(out, left) {
		t.Errorf("resumed: exit code %d\n%s", code, out)
	}
	if code, out, errs := r.run("apply", "boxes.yaml", "--out", "here"); code != 5 ||
		!strings.Contains(out, "box.label.room is unknown") || !strings.Contains(out, "box=here") {
		t.Errorf("without the fleet: exit code %d\n%s%s", code, out, errs)
	}
}

// TestFleet_OtherLabels has a worker play a job that was offered to it before it was started anew with other labels.
func TestFleet_OtherLabels(t *testing.T) {
	r := newProgram(t, map[string]string{"job/files/scenario.yaml": boxPlan})
	labels := []string{`{"name":"server","value":"sim"}`, `{"name":"model","value":"qwen2.5-3b"}`,
		`{"name":"room","value":"attic"}`}
	play := func(room string) (code int, errs string) {
		c, _, stderr := r.command("fleet", "play-job", "job")
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(in, `{"job":{"id":"j","run":"r","cells":[{"id":"c","labels":[%s]}],"order":{`+
			`"file":"boxes.yaml","files":[],"servers":["sim"],"longest_ns":60000000000}},"box":{"name":"attic",`+
			`"labels":{"room":%q},"host":{"cpu_threads":2}}}`+"\n", strings.Join(labels, ","), room); err != nil {
			t.Fatal(err)
		}
		err = c.Wait()
		t.Logf("%v", err)
		return c.ProcessState.ExitCode(), stderr.String()
	}
	reason := `box attic cannot play sim x qwen2.5-3b x room=attic: requires.box does not hold: box.label.room is ` +
		`"cellar", matrix.room is "attic"`
	if code, errs := play("cellar"); code != 5 || !strings.Contains(errs, reason) {
		t.Errorf("with another label: exit code %d\n%s", code, errs)
	}
	if names, err := filepath.Glob(filepath.Join(r.dir, "job", "*")); err != nil ||
		slices.Contains(names, filepath.Join(r.dir, "job", "results")) {
		t.Errorf("it was played: %v, %v", names, err)
	}
	if code, errs := play("attic"); code != 0 {
		t.Errorf("with its label: exit code %d\n%s", code, errs)
	}
}
