//go:build e2e && unix

package e2e

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
)

// kindness is a system message that is longer than a block of vLLM's cache.
var kindness = strings.TrimSpace(strings.Repeat("You answer in one short sentence, and are kind to everybody. ", 14))

// household are two users who are asked about a data set, at the same time and turn by turn. What they share with
// nobody is longer than a block of vLLM's cache.
var household = strings.Replace(`schema: homellm.scenario/v1
name: household
matrix: {play: [together, by_turn]}
defaults:
  timeout: 900s
  request: {temperature: 0, seed: 1, max_tokens: 12, ignore_eos: true}
run: {play: "${matrix.play}", users: 2, warmup: 0, repeats: 1, think_time: 50ms}
conversations:
  - id: quiz
    for_each:
      item:
        list:
          - {question: What is a river made of?, answer: water}
          - {question: What is a bridge for?, answer: river}
    system: LONG
    steps:
      - {id: ask, ask: "${item.question}", assert: [turn.output_tokens == 12]}
      - id: more
        ask: Say it once more.
        assert:
          - turn.cache.cached_tokens > 0
          - {name: answers, severity: count, that: turn.text contains item.answer}
assert:
  - run.users == 2
  - run.requests == 8
  - {name: throughput, that: run.throughput_tps > 0}
  - {name: rate, that: run.requests_per_s > 0}
overall:
  - {name: the-same, that: 'cell({play: "together"}).run.requests == cell({play: "by_turn"}).run.requests'}
`, "LONG", kindness, 1)

// isHousehold plays the household on an engine and compares every figure with the engine's accounts of its replies, and
// all of those with its counters: tokens of prompts that it computed, and tokens of replies.
func isHousehold(t *testing.T, address string, counters func(map[string]float64) (computed, output float64)) {
	t.Helper()
	r, p := record(t, address, nil), build(t)
	before, outputBefore := counters(scrape(t, address))
	code, printed := p.run(t, "apply", p.write(t, "household.yaml", household), "--url", r.address, "--out", "out")
	t.Logf("exit code %d\n%s", code, printed)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	var all []*event.Request
	cells := map[string][]*event.Request{}
	for _, e := range p.events(t, "out") {
		switch b := e.Body.(type) {
		case event.Request:
			cells[e.Cell], all = append(cells[e.Cell], &b), append(all, &b)
		case event.Note:
			if b.Code == "foreign_traffic" || b.Code == "traffic_unknown" {
				t.Errorf("%s: %s", b.Code, b.Text)
			}
		}
	}
	accounts := matched(t, all, r.everything()) // tests of the server among them
	agree(t, all, accounts)
	of := map[*event.Request]account{}
	for i, q := range all {
		of[q] = accounts[i]
	}
	result := p.result(t)
	for _, c := range result.Cells {
		together := underWayTogether(cells[c.ID])
		if len(cells[c.ID]) != 8 || (together > 0) != (c.Labels["play"] == "together") {
			t.Errorf("%s: %d turns, %d of them under way with another one", c.ID, len(cells[c.ID]), together)
		}
		if together == 0 {
			takeTurns(t, cells[c.ID])
		}
		sumsUp(t, &result, c.ID, cells[c.ID], of)
	}
	if a := result.assertion(t, "", "the-same"); a.Verdict != "pass" {
		t.Errorf("over both cells: %s %s", a.Verdict, a.Why)
	}
	var computed, output float64
	for _, a := range r.everything() {
		computed, output = computed+float64(a.prompt-a.cached), output+float64(a.output)
	}
	grown, grownOutput := 0.0, 0.0
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		after, outputAfter := counters(scrape(t, address))
		if grown, grownOutput = after-before, outputAfter-outputBefore; grown == computed && grownOutput == output {
			return
		}
	}
	t.Errorf("the engine counts %v computed and %v generated tokens, and its replies tell of %v and %v", grown,
		grownOutput, computed, output)
}

// takeTurns checks that no conversation has two turns in a row.
func takeTurns(t *testing.T, turns []*event.Request) {
	t.Helper()
	for i, q := range turns[1:] {
		if last := turns[i]; q.User == last.User && q.Item == last.Item {
			t.Errorf("user %d and item %d have two turns in a row", q.User, q.Item)
		}
	}
}

// sumsUp compares what a cell's assertions saw of all its turns with the engine's accounts of them.
func sumsUp(t *testing.T, r *result, cell string, turns []*event.Request, of map[*event.Request]account) {
	t.Helper()
	output, right := 0, 0
	var due, done []time.Duration
	for _, q := range turns {
		output += of[q].output
		due, done = append(due, q.Due), append(done, q.Done)
		if q.Step == "more" && strings.Contains(of[q].text, []string{"water", "river"}[q.Item-1]) {
			right++
		}
	}
	seconds := (slices.Max(done) - slices.Min(due)).Seconds()
	for name, want := range map[string]float64{"throughput": float64(output) / seconds,
		"rate": float64(len(turns)) / seconds} {
		operands := r.assertion(t, cell, name).Operands
		for path, o := range operands {
			if got, ok := o.Value.(float64); !ok || math.Abs(got/want-1) > 1e-6 {
				t.Errorf("%s: %s is %v, and %v by the engine's accounts", cell, path, o.Value, want)
			}
		}
		if len(operands) != 1 {
			t.Errorf("%s: %s has operands %v", cell, name, operands)
		}
	}
	if a := r.assertion(t, cell, "answers"); a.Evaluated != 4 || a.Passed != right {
		t.Errorf("%s: %d of %d answers are right, and %d of 4 by the engine's texts", cell, a.Passed, a.Evaluated, right)
	}
}

// matched are the engine's accounts of turns that were under way together, in the order of the turns: a turn's is the
// one with its text and its counts, or else with its text.
func matched(t *testing.T, turns []*event.Request, accounts []account) []account {
	t.Helper()
	out, left := make([]account, len(turns)), slices.Clone(accounts)
	for i, q := range turns {
		text := func(a account) bool { return a.text == q.Text }
		at := slices.IndexFunc(left, func(a account) bool {
			return text(a) && q.Usage.Prompt != nil && *q.Usage.Prompt == a.prompt &&
				q.Cached != nil && *q.Cached == a.cached
		})
		if at < 0 {
			at = slices.IndexFunc(left, text)
		}
		if at < 0 {
			t.Fatalf("user %d, %s: the engine sent no reply %q", q.User, q.Step, q.Text)
		}
		out[i] = left[at]
		left = slices.Delete(left, at, at+1)
	}
	return out
}

// underWayTogether counts the turns that were under way while another one was.
func underWayTogether(turns []*event.Request) (n int) {
	for i, a := range turns {
		if slices.ContainsFunc(turns[i+1:], func(b *event.Request) bool {
			return a.Sent != nil && b.Sent != nil && *a.Sent < b.Done && *b.Sent < a.Done
		}) {
			n++
		}
	}
	return n
}

// TestLlamaServer_Together: two users have a slot each, keep their caches, and are no foreign traffic to each other.
func TestLlamaServer_Together(t *testing.T) {
	isHousehold(t, startLlamaServer(t, "--parallel", "2"), func(m map[string]float64) (computed, output float64) {
		return m["llamacpp:prompt_tokens_total"], m["llamacpp:tokens_predicted_total"]
	})
}
