package dsl

import (
	"strings"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	of := func(run string) File {
		return scenario("vars: {long: 10m}\nrun: {" + run + "}\nconversations:\n  - {id: main, steps: [{id: q1, ask: Hi., " +
			"reply: Hi.}]}\nassert: [steps.q1.ttft_ms.p50 < 5]\n")
	}
	for _, tt := range []struct{ run, want string }{
		{"duration: 10m", ""},
		{"duration: \"${vars.long}\", users: 2, play: together", ""},
		{"duration: 10m, order: sequential, warmup: 0", ""},
		{"duration: 10m, repeats: 5", "s.yaml:7:17: error[links/play]: duration and repeats (line 7, column 22) exclude each other"},
		{"duration: 10m, order: abba", "s.yaml:7:29: error[links/play]: cells that are played for a time are not interrupted"},
		{"duration: 10ms", "duration: at least 1s"},
		{"duration: 0s", "duration: at least 1s"},
		{"duration: soon", "s.yaml:7:17"},
		{"duration: 10m, play: by_turn, isolation: {cache: reset}", "conversations of one window are still under way"},
		{"duration: 10m, isolation: {cache: reset}", ""},
		{"duration: 10m, isolation: {cache: none}", "without isolation every pass"},
	} {
		plan, diags := Load(of(tt.run), testLibrary(t), vocabulary, Options{})
		said := ""
		if diags.Errors() {
			said = diags.Error()
		}
		if tt.want == "" && diags.Errors() || !strings.Contains(said, tt.want) {
			t.Errorf("%s: %s, want %q", tt.run, said, tt.want)
		}
		if plan != nil && (plan.Duration != 10*time.Minute || plan.Repeats != Windows || plan.Order != Sequential) {
			t.Errorf("%s: %+v", tt.run, plan)
		}
	}
	_, diags := Load(of("duration: 10m"), testLibrary(t), vocabulary, Options{Repeats: 3})
	if !strings.Contains(diags.Error(), "--repeats 3: the scenario is played for 10m0s") {
		t.Errorf("--repeats with a duration: %v", diags)
	}
	short := "conversations:\n  - {id: main, steps: [{id: q1, ask: Hi., reply: Hi.}]}\nassert: [steps.q1.ttft_ms.p95 < 5]\n"
	_, diags = Load(scenario("run: {duration: 10m}\n"+short), testLibrary(t), vocabulary, Options{})
	if !strings.Contains(diags.Error(), "needs at least 59 repeats to mean something, and 10 are planned") {
		t.Errorf("a percentile of ten windows: %v", diags)
	}
	plan, _ := Load(of("duration: 10m, warmup: 2"), testLibrary(t), vocabulary, Options{})
	var b strings.Builder
	if err := plan.WriteText(&b); err != nil ||
		!strings.Contains(b.String(), "duration  10m0s a cell, in 10 windows, and 2 warm-ups\n") ||
		!strings.Contains(b.String(), "requests  3: ") {
		t.Errorf("%v\n%s", err, b.String())
	}
	other, _ := Load(of("duration: 5m, warmup: 2"), testLibrary(t), vocabulary, Options{})
	if other.Digest == plan.Digest {
		t.Error("the digest does not depend on the duration")
	}
}
