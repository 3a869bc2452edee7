//go:build fleet && unix

package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/results"
)

// clockOf is the environment variable by which a program that wrongClocks built sets its clock wrong.
const clockOf = "HOMELLM_TEST_CLOCK"

// wrongClocks builds homellm so that its wall clock can be set wrong, as that of a machine may be. The clock by which
// durations are measured goes on as always.
func (r fleetRig) wrongClocks() (exe string) {
	r.t.Helper()
	out, err := exec.CommandContext(r.t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		r.t.Skip("there is no Go here to build a program with:", err)
	}
	of := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	transport, err := filepath.Abs("../../engine/client/transport")
	if err != nil {
		r.t.Fatal(err)
	}
	replaced := map[string]string{}
	for _, change := range []struct{ file, from, to string }{
		{filepath.Join(of, "time.go"), "\tsec, nsec, mono := runtimeNow()\n",
			"\tsec, nsec, mono := runtimeNow()\n\tsec += int64(Wrong / Second)\n"},
		// the kernel's stamps are those of the same clock
		{filepath.Join(transport, "arrival_linux.go"), "+ time.Duration(nanos)\n", "+ time.Duration(nanos) + time.Wrong\n"},
	} {
		source, err := os.ReadFile(change.file)
		if err != nil {
			r.t.Fatal(err)
		}
		if strings.Count(string(source), change.from) != 1 {
			r.t.Fatalf("%s has no single %q any more", change.file, change.from)
		}
		replaced[change.file] = filepath.Join(r.dir, "clock", filepath.Base(change.file))
		r.write("clock/"+filepath.Base(change.file), strings.Replace(string(source), change.from, change.to, 1))
	}
	replaced[filepath.Join(of, "wrong.go")] = filepath.Join(r.dir, "clock", "wrong.go")
	r.write("clock/wrong.go", `package time

import "syscall"

// Wrong is by how much the clock is wrong.
var Wrong = func() Duration {
	text, _ := syscall.Getenv("`+clockOf+`")
	d, _ := ParseDuration(text)
	return d
}()
`)
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("clock/overlay.json", string(overlay))
	exe = filepath.Join(r.dir, "clock", "homellm")
	build := exec.CommandContext(r.t.Context(), "go", "build", "-tags", "fleet", "-o", exe, "-overlay",
		filepath.Join(r.dir, "clock/overlay.json"), ".")
	if text, err := build.CombinedOutput(); err != nil {
		r.t.Fatalf("building a program whose clock is wrong: %v\n%s", err, text)
	}
	return exe
}

// outside is an address of this machine at which others can reach it.
func outside(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has loopback addresses only")
	return ""
}

// TestFleet_WrongClocks has one box whose clock is an hour ahead and one whose clock is an hour behind, and plays from
// a machine whose clock is an hour ahead, over encrypted connections. Certificates are accepted, no box looks gone, no
// job is lost, and instants and durations are true.
func TestFleet_WrongClocks(t *testing.T) {
	long(t) // the standard library is built again, which takes minutes the first time
	t.Parallel()
	r := newFleetRigAt(t, outside(t), func(string) {})
	if key, err := os.ReadFile(filepath.Join(r.dir, "store", "worker.key")); err != nil ||
		!strings.Contains(string(key), "BEGIN CERTIFICATE") {
		t.Fatalf("connections are not encrypted: %v", err)
	}
	here := r.undisturbed(12)
	ahead, behind := r, r
	ahead.exe = r.wrongClocks()
	behind.exe = ahead.exe
	ahead.env, behind.env = append(slices.Clone(r.env), clockOf+"=1h"), append(slices.Clone(r.env), clockOf+"=-1h")
	for name, on := range map[string]fleetRig{"ahead": ahead, "behind": behind} {
		on.keep(name, never, func() []string { return on.joining(name) })
	}
	r.boxes(2)
	for _, look := range []fleetRig{r, ahead, behind} {
		_, out, _ := look.run("fleet", "boxes", "--key", "store/operator.key")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		for _, line := range lines[1:] {
			about := strings.Fields(line)
			if age, err := time.ParseDuration(about[2]); err != nil || age > time.Minute || about[1] != "idle" {
				t.Errorf("a box is %s, seen %s ago\n%s", about[1], about[2], out)
			}
		}
		if len(lines) != 3 {
			t.Errorf("boxes:\n%s", out)
		}
	}
	begun := time.Now()
	run := ahead.apply(r.address)
	if again := r.same(here, run); again > 0 {
		t.Errorf("%d cells were begun more than once", again)
	}
	r.instants(time.Since(begun))
}

// instants checks that what the journal of the run on the fleet has happened in it, which lasted for a while, and that
// requests took as long as requests take.
func (r fleetRig) instants(lasted time.Duration) {
	r.t.Helper()
	f, err := os.Open(filepath.Join(r.dir, "there", "journal.jsonl"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	for e, err := range event.Read(f) {
		if err != nil {
			r.t.Fatal(err)
		}
		if e.At < 0 || e.At > lasted {
			r.t.Errorf("%T of cell %q is at %v of a run of %v", e.Body, e.Cell, e.At, lasted)
		}
		q, ok := e.Body.(event.Request)
		if !ok {
			continue
		}
		at := []time.Duration{0, q.Due, *q.Sent, q.Chunks[0].At, q.Done, lasted}
		if !slices.IsSorted(at) {
			r.t.Errorf("a request of cell %q was due, sent, answered and over at %v of %v", e.Cell, at[1:5], lasted)
		}
	}
	_, fold, err := results.Read(filepath.Join(r.dir, "there"))
	if err != nil {
		r.t.Fatal(err)
	}
	played := map[string]int{}
	for _, c := range fold.Cells {
		played[c.Started.Box.Name]++
	}
	if played["ahead"] == 0 || played["behind"] == 0 {
		r.t.Errorf("played on %v", played)
	}
}
