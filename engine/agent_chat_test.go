package engine_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/engine/sim"
)

// agentChat returns the plan of the chat in testdata, with some variables set.
func agentChat(t *testing.T, vars map[string]string) *dsl.Plan {
	t.Helper()
	dir := os.DirFS("testdata/agent")
	data, err := os.ReadFile("testdata/agent/fix.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lib := library(t)
	opt := prompt.PlanOptions(lib)
	opt.DefaultServer, opt.Vars = "sim", vars
	plan, ds := dsl.Load(dsl.File{Name: "fix.yaml", Data: data, Dir: dir}, lib, judge.Vocabulary(), opt)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	return plan
}

// TestAgent_WholeChat plays a chat with everything that can happen in one, with recorded history and with the
// simulator's own calls. Every figure equals the simulator's, and each request has the messages that the steps before
// it left.
func TestAgent_WholeChat(t *testing.T) {
	const lexer, parser = "\nCALL read_file {\"path\": \"lexer.go\"}", "\nCALL read_file {\"path\": \"parser.go\"}"
	const mended, found = "The parser was off by one and is mended.", "The parser is mended."
	for _, tt := range []struct {
		history, calls string
		requests       []string // step, round, phase, number of messages
		summaries      []string // of the last two requests
		start          map[string]any
	}{
		{"recorded", parser, []string{"start 1 before 12", "start 2 before 14", "fix_q 1 after_edit 12",
			"fix_q 2 after_edit 14", "shrink2 1 after_compact 13", "go_on 1 after_compact 9"}, []string{mended, found},
			map[string]any{"rounds": 2, "tool_calls": 1}},
		{"live", lexer + parser, []string{"start 1 before 12", "start 2 before 14", "start 3 before 16",
			"fix_q 1 after_edit 12", "shrink2 1 after_compact 11", "go_on 1 after_compact 7"}, []string{mended, ""},
			map[string]any{"rounds": 3, "tool_calls": 2}},
	} {
		t.Run(tt.history, func(t *testing.T) {
			plan := agentChat(t, map[string]string{"history": tt.history, "calls": tt.calls, "pause": "1h"})
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{LedgerEntries: 100})
				ledger, requests := g.ledger(t), g.requests()
				var got []string
				for i, r := range requests {
					compareTruth(t, r, ledger[i])
					compareCalls(t, &r, ledger[i])
					got = append(got, fmt.Sprintf("%s %d %s %d", r.Step, r.Round, r.Phase, len(ledger[i].Messages)))
					if edits := r.Step == "fix_q" && r.Round == 1; edits != (r.Waited == time.Hour) {
						t.Errorf("%v passed before %s", r.Waited, got[i])
					}
				}
				if diff := cmp.Diff(tt.requests, got); diff != "" {
					t.Fatalf("(-want +got):\n%s", diff)
				}
				tt.start["tool_calls_valid"], tt.start["tool_calls_unmatched"] = tt.start["tool_calls"], 0
				tt.start["stopped"] = "answer"
				look := g.fold.Cells[0].Lookup("step", 1, "fix", "start")
				for name, want := range tt.start {
					if got := look("step." + name).V; got != want {
						t.Errorf("step.%s is %v, want %v", name, got, want)
					}
				}
				if tt.history == "live" {
					tt.summaries[1] = requests[len(requests)-2].Text
				}
				for i, e := range ledger[len(ledger)-2:] {
					if got := e.Messages[1].Content; e.Messages[1].Role != "user" || got != tt.summaries[i] {
						t.Errorf("behind the system message stands %q, want the summary %q", got, tt.summaries[i])
					}
				}
				allPass(t, g.fold)
			})
		})
	}
}

// compareCalls compares the calls of a reply with those that the simulator made, and the time to the first with its
// schedule. The last tokens of a reply with one call only close it, and come at the same instant.
func compareCalls(t *testing.T, r *event.Request, truth sim.Entry) {
	t.Helper()
	var got []sim.Call
	for _, c := range r.Calls {
		got = append(got, sim.Call{Name: c.Function.Name, Arguments: c.Function.Arguments})
	}
	if diff := cmp.Diff(truth.Calls, got); diff != "" {
		t.Errorf("%s: calls (-truth +got):\n%s", r.Step, diff)
	}
	if len(got) == 0 {
		return
	}
	instants := slices.Compact(slices.Clone(truth.Tokens))
	if r.FirstCall == nil || *r.FirstCall-*r.Sent != instants[len(instants)-2] {
		t.Errorf("%s: the first call stood whole at %v of %v", r.Step, r.FirstCall, instants)
	}
}
