package quality_test

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"testing"

	"homellm/engine/quality"
)

var update = flag.Bool("update", false, "write the questions of the scenario quality-smoke again")

const file = "../../scenarios/questions/quality-smoke.jsonl"

// TestQuestionsAreGenerated holds that the shipped questions are those that the generator makes.
func TestQuestionsAreGenerated(t *testing.T) {
	if *update {
		if err := os.WriteFile(file, quality.Lines(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shipped, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(shipped, []byte("\r\n"), []byte("\n")), quality.Lines()) {
		t.Errorf("%s is not what is generated: go test ./engine/quality -update", file)
	}
}

// TestItems holds that there are 300 different questions, 60 of each of five kinds, each with its answer; and that no
// single answer is right for more than those that ask for what nobody knows.
func TestItems(t *testing.T) {
	kinds, given := map[string]int{}, map[string]int{}
	var questions []string
	for _, item := range quality.Items() {
		kinds[item.Kind]++
		given[item.Answer]++
		questions = append(questions, item.Question)
		if got, ok := quality.Answer(" " + item.Question + "\n"); !ok || got != item.Answer || got == "" {
			t.Errorf("%s: %q, want %q", item.Question, got, item.Answer)
		}
	}
	slices.Sort(questions)
	if n := len(slices.Compact(questions)); n != 300 || len(kinds) != 5 {
		t.Errorf("%d questions of %d kinds", n, len(kinds))
	}
	for kind, n := range kinds {
		if n != 60 {
			t.Errorf("%d questions of the kind %s", n, kind)
		}
	}
	for answer, n := range given {
		if n > 6 && answer != quality.Unknown {
			t.Errorf("%q answers %d questions", answer, n)
		}
	}
	if _, ok := quality.Answer("What is the sense of it?"); ok {
		t.Error("an answer to what was not asked")
	}
}
