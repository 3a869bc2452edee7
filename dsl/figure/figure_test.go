package figure

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		scope    Scope
		path     string
		turns    Turns
		level    Level
		id, rest string
	}{
		{StepScope, "turn.cache.hit_rate", LastTurn, TurnLevel, "", "cache.hit_rate"},
		{StepScope, "steps.q1.ttft_ms", FirstTurn, TurnLevel, "q1", "ttft_ms"},
		{ConversationScope, "phases.before.turns", AllTurns, StepLevel, "before", "turns"},
		{ScenarioScope, "steps.q1.cache.hit_rate.p50", EachTurn, TurnLevel, "q1", "cache.hit_rate.p50"},
		{SampleScope, "conversations.main.total_ms", AllTurns, ConversationLevel, "main", "total_ms"},
		{GatesScope, "base.steps.q1.ttft_ms.p50", NoTurns, Baseline, "", "steps.q1.ttft_ms.p50"},
		{StepScope, "repeat", NoTurns, RepeatNumber, "", ""},
		{SampleScope, "steps", AllTurns, AggregateLevel, "", ""},
	} {
		n, ok := Parse(tt.scope, tt.path)
		if !ok || n.Turns != tt.turns || n.Level != tt.level || n.ID != tt.id || n.Rest != tt.rest {
			t.Errorf("%s in %s scope: %+v, %t", tt.path, tt.scope, n, ok)
		}
		if ok && n.Rest != "" && n.Prefix()+"."+n.Rest != tt.path {
			t.Errorf("%s: the prefix is %s", tt.path, n.Prefix())
		}
	}
	for path, scope := range map[string]Scope{
		"turn.ttft_ms": ScenarioScope, "gpu.power_w": ScenarioScope, "base.run.errors": ScenarioScope,
		"conv.total_ms": SampleScope, "": StepScope,
	} {
		if n, ok := Parse(scope, path); ok {
			t.Errorf("%q in %s scope: %+v", path, scope, n)
		}
	}
}

// TestRootsSayWhatToDoElsewhere checks that the message about a word that a scope lacks says which scope has it.
func TestRootsSayWhatToDoElsewhere(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range roots {
		if seen[r.Name] {
			t.Errorf("%s is listed twice", r.Name)
		}
		seen[r.Name] = true
		everywhere := true
		for _, s := range []Scope{StepScope, ConversationScope, ScenarioScope, GatesScope} {
			if _, ok := r.In(s); !ok {
				everywhere = false
			}
		}
		if everywhere != (r.Elsewhere == "") {
			t.Errorf("%s: it is known everywhere: %t, and elsewhere: %q", r.Name, everywhere, r.Elsewhere)
		}
		if strings.Contains(r.Name, ".") {
			t.Errorf("%s is no first word", r.Name)
		}
	}
}
