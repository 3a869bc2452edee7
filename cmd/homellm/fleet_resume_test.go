//go:build fleet && unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/results"
)

// TestFleet_ResumedPair resumes a run whose journal ends between two cells that are compared with each other, when the
// box that played them is gone: both are played on the other box, although the fleet had taken the run to be over.
func TestFleet_ResumedPair(t *testing.T) {
	r := newFleetRig(t)
	attic := r.join("attic")
	r.boxes(1)
	code, _, errs := r.run(r.onFleet("there")...)
	_, fold, err := results.Read(filepath.Join(r.dir, "there"))
	if err != nil {
		t.Fatalf("exit code %d, %v\n%s", code, err, errs)
	}
	journal := filepath.Join(r.dir, "there", "journal.jsonl")
	data, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	pair := [][]byte{[]byte(fold.Cells[0].ID), []byte(fold.Cells[1].ID)}
	end := 0
	for line := range bytes.Lines(data) {
		end += len(line)
		if bytes.Contains(line, []byte(`"kind":"cell_done"`)) && slices.ContainsFunc(pair, func(id []byte) bool {
			return bytes.Contains(line, id)
		}) {
			break
		}
	}
	if err := os.WriteFile(journal, data[:end], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := attic.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = attic.Wait() // it was ended
	r.join("cellar")
	r.boxes(1)
	resume := slices.DeleteFunc(r.onFleet("there"), func(arg string) bool { return arg == "--out" || arg == "there" })
	again, _, errs := r.run(append(resume, "--resume", "there")...)
	if again != code {
		t.Errorf("exit code %d when resumed and %d before\n%s", again, code, errs)
	}
	_, resumed, err := results.Read(filepath.Join(r.dir, "there"))
	if err != nil {
		t.Fatal(err)
	}
	var boxes []string
	for _, c := range resumed.Cells[:2] {
		boxes = append(boxes, c.Started.Box.Name)
	}
	if d := cmp.Diff([]string{"cellar", "cellar"}, boxes); d != "" {
		t.Errorf("the pair was played on other boxes (-want +got):\n%s", d)
	}
}
