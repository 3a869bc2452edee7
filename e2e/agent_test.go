//go:build e2e && unix

package e2e

import (
	"path/filepath"
	"slices"
	"testing"

	"homellm/engine/event"
)

// agentChat plays an agent's chat with everything that can happen in one: a given history, tools, a pause, an edit and
// two compactions.
func (p program) agentChat(t *testing.T, r *recorder, history string) []*event.Request {
	t.Helper()
	scenario, err := filepath.Abs(filepath.Join("..", "engine", "testdata", "agent", "fix.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	turns := p.play(t, scenario, "--url", r.address, "--var", "history="+history)
	agree(t, turns, r.last(t, len(turns)))
	return turns
}

// isRecorded compares the turns of that chat with its steps, given a recorded history, and checks that the server
// caches as much as it can.
func isRecorded(t *testing.T, turns []*event.Request) {
	t.Helper()
	var got []string
	for _, q := range turns {
		got = append(got, q.Step+" "+q.Phase)
	}
	if !slices.Equal(got, []string{"start before", "start before", "fix_q after_edit", "fix_q after_edit",
		"shrink2 after_compact", "go_on after_compact"}) {
		t.Errorf("played %q", got)
	}
	for i, q := range turns {
		if i > 0 && q.Cached != nil && *q.Cached == 0 && *q.Reusable > 0 {
			t.Errorf("%s: nothing was found of %d tokens of the prompt", got[i], *q.Usage.Prompt)
		}
	}
}

// TestLlamaServer_Agent: with recorded history every server sees the same agent, whether its model can call tools or not.
func TestLlamaServer_Agent(t *testing.T) {
	r := record(t, startLlamaServer(t), nil)
	turns := build(t).agentChat(t, r, "recorded")
	isRecorded(t, turns)
	for _, q := range turns {
		checkAccount(t, q.Step, q, 48)
	}
}

// TestLlamaServer_AgentLive: the model's own texts and calls go into the history, as far as a small model gets.
func TestLlamaServer_AgentLive(t *testing.T) {
	further(t)
	r := record(t, startLlamaServer(t), nil)
	turns := build(t).agentChat(t, r, "live")
	for i, q := range turns {
		checkAccount(t, q.Step, q, 48)
		if last := turns[max(0, i-1)]; q.Round > 1 && last.Calls == nil {
			t.Errorf("%s: request %d follows a reply that calls nothing", q.Step, q.Round)
		}
	}
}

// TestVLLM_Agent: vLLM takes calls in a history, and tools if it is configured for the way its model calls them.
func TestVLLM_Agent(t *testing.T) {
	further(t)
	address := startVLLM(t, "--enable-prompt-tokens-details", "--enable-auto-tool-choice", "--tool-call-parser", "hermes")
	isRecorded(t, build(t).agentChat(t, record(t, address, counted(t, address)), "recorded"))
}
