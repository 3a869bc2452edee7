//go:build unix

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/sim"
)

// faultPlan gives every request a second, so that a server that hangs is noticed soon.
var faultPlan = strings.NewReplacer("defaults:\n", "defaults:\n  timeout: 1s\n", "n: [1, 2, 3]", "n: [1]").Replace(crashPlan)

// faultRows is every fault of the simulator, some with more than one setting. The preflights are
// left alone: what is shown is a server that goes wrong in the middle of a run.
func faultRows() (rows []struct {
	name, doc string
	fault     sim.Fault
}) {
	add := func(name, doc string, f sim.Fault) {
		f.Prompt = "number 1"
		rows = append(rows, struct {
			name, doc string
			fault     sim.Fault
		}{name, doc, f})
	}
	for _, k := range sim.Kinds {
		f := sim.Fault{Kind: k.Name, Token: 3, Every: 3}
		switch k.Name {
		case "status":
			for _, status := range []int{400, 401, 404, 429, 500, 503} {
				f.Status = status
				add(fmt.Sprintf("status %d", status), k.Doc, f)
			}
			continue
		case "delay":
			f.Delay = sim.Duration(1500 * time.Millisecond)
		case "cached":
			f.Count = 7
		case "usage":
			f.Count = 3
		}
		add(k.Name, k.Doc, f)
	}
	for _, share := range []float64{0.01, 0.5, 1} {
		add(fmt.Sprintf("status 500, %g %% of requests", share*100), "a part of all requests fails", sim.Fault{Kind: "status", Status: 500, Share: share})
	}
	return rows
}

// TestFaults_Doc plays every fault against the program as a process and holds what comes of it to
// docs/faults.md, which -update writes.
func TestFaults_Doc(t *testing.T) {
	if testing.Short() {
		t.Skip("plays two dozen runs")
	}
	var b strings.Builder
	b.WriteString(`# What each fault comes to

Written by ` + "`go test ./cmd/homellm -run Faults_Doc -update`" + `: the program, as a process, plays a small scenario (one cell, one
warm-up and two repeats of two turns, so six requests if none fails; a failed turn ends its conversation) against the
simulator with one fault, which hits every third request unless it says otherwise. Everything that was seen is in the
journal in every row.

| fault | what the server does | error classes | exit code | requests kept | of them failed |
|---|---|---|---|---|---|
`)
	for _, row := range faultRows() {
		_, url := startSimulator(t, sim.Config{Faults: []sim.Fault{row.fault}})
		p := newProgram(t, map[string]string{"fault.yaml": faultPlan})
		code, _, _ := p.run("apply", "fault.yaml", "--url", url, "--out", "run", "--quiet")
		classes, kept, failed := map[string]bool{}, 0, 0
		for _, r := range requestsOf(t, filepath.Join(p.dir, "run", "journal.jsonl")) {
			kept++
			if r.Err != nil {
				failed++
				classes[r.Err.Class] = true
			}
		}
		seen := strings.Join(slices.Sorted(maps.Keys(classes)), ", ")
		if seen == "" {
			seen = "none"
		}
		if kept == 0 || code == exitBug {
			t.Errorf("%s: %d requests kept, exit code %d", row.name, kept, code)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d |\n", row.name, row.doc, seen, code, kept, failed)
	}
	path := filepath.Join("..", "..", "docs", "faults.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("docs/faults.md is out of date; -update writes it anew:\n%s", b.String())
	}
}

func requestsOf(t *testing.T, journal string) (out []event.Request) {
	t.Helper()
	f, err := os.Open(journal)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for e, err := range event.Read(f) {
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := e.Body.(event.Request); ok {
			out = append(out, r)
		}
	}
	return out
}
