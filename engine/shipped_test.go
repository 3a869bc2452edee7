package engine_test

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/prompt"
	"homellm/engine/sim"
	"homellm/engine/target"
	"homellm/scenarios"
)

// everywhere are the broken servers on which every shipped scenario must fail, whatever it is about.
var everywhere = []string{
	"silent", "one-sentence", "loop", "leaks-template", "cuts-short", "only-reasons", "unfinished", "fails-often",
	"stops-short", "no-cache", "cache-claimed", "cache-doubled", "cache-dreamt", "cache-mixed-up", "keeps-waiting",
	"all-at-once", "wrong-output-count", "wrong-prompt-count", "usage-late", "other-model",
}

// Kinds of what a scenario can be wrong about.
var (
	reading    = []string{"parrot", "previous-answer", "echo", "reciter", "last-message", "no-head"}
	system     = []string{"no-system"}
	forgetting = []string{"remembers", "forgets"}
	keeping    = []string{"truncates", "cache-flaky"} // what is long is there, and is in the cache, turn after turn
	removing   = []string{"cache-lost"}
	several    = []string{"swaps"} // documents come one after the other, and each has its own answers
)

// mustFail declares the broken servers on which each shipped scenario fails, beside those of everywhere.
// A server that is wrong in what a scenario never asks for passes it, and that is no defect of the scenario.
var mustFail = map[string][]string{
	"quickstart":      slices.Concat(reading, system, forgetting, keeping, removing, several),
	"simple-qa":       slices.Concat(reading, system, keeping),
	"code-discussion": slices.Concat(reading, system, keeping),
	"deep-technical":  slices.Concat(reading, system, keeping),
	"ultra-long":      slices.Concat(reading, system, keeping, []string{"slows-with-length"}),
	"rag-head":        slices.Concat(reading, system, forgetting, keeping),
	"rag-placement":   slices.Concat(reading, system, forgetting, keeping, removing, several),
	"rag-long": slices.Concat(reading, system, forgetting, keeping, removing, several,
		[]string{"slow-after-removal", "slows-with-length"}),
	"rag-small":     slices.Concat(keeping, removing, []string{"parrot", "previous-answer"}),
	"needle":        slices.Concat(reading, system, keeping, []string{"forgets"}),
	"context-curve": slices.Concat(reading, system, keeping, several, []string{"forgets"}),
	"multilingual":  slices.Concat(reading, system, several, []string{"cache-flaky", "forgets", "ascii-only"}),
	"cold-start":    slices.Concat(reading, system, []string{"truncates", "forgets"}),
}

// alone lists all broken servers on which long or special scenarios must fail. The servers that all other scenarios are
// played with would take minutes here and show nothing new.
var alone = map[string][]string{
	"keep-alive": {"silent", "leaks-template", "forgets", "no-cache", "cache-doubled", "keeps-waiting", "all-at-once",
		"wrong-output-count", "wrong-prompt-count", "unloads"},
	"thinking": {"silent", "leaks-template", "forgets", "no-cache", "all-at-once", "wrong-output-count",
		"wrong-prompt-count", "thinks-anyway"},
	"agent-loop": {"silent", "leaks-template", "no-cache", "cache-flaky", "cache-doubled", "keeps-waiting", "all-at-once",
		"wrong-output-count", "wrong-prompt-count", "calls-nothing-there"},
	"json-extraction": {"no-cache", "only-reasons", "all-at-once", "fails-often", "wrong-output-count",
		"wrong-prompt-count",
		"ignores-schema", "makes-it-up"},
	"rag-retrieve": {"silent", "parrot", "leaks-template", "remembers", "forgets", "no-system", "fails-often", "no-cache",
		"cache-flaky", "wrong-prompt-count", "embeds-noise", "searches-slowly"},
	"quality-smoke": {"silent", "one-sentence", "loop", "parrot", "echo", "leaks-template", "cuts-short", "only-reasons"},
	"agent-long": {"silent", "no-cache", "cache-flaky", "cache-dreamt", "keeps-waiting", "all-at-once", "usage-late",
		"wrong-output-count", "wrong-prompt-count"},
}

// failsOn lists the broken servers on which a shipped scenario must fail; false if it declares none.
func failsOn(name string) ([]string, bool) {
	if own, ok := alone[name]; ok {
		return own, true
	}
	own, ok := mustFail[name]
	return slices.Concat(everywhere, own), ok
}

// shippedNames lists the shipped scenarios.
func shippedNames(t *testing.T) (out []string) {
	t.Helper()
	files, err := fs.Glob(scenarios.FS, "*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d shipped scenarios: %v", len(files), err)
	}
	for _, f := range files {
		out = append(out, strings.TrimSuffix(f, ".yaml"))
	}
	return out
}

// TestShippedScenariosFailOnBrokenServers plays every shipped scenario on every server that it declares to fail on.
func TestShippedScenariosFailOnBrokenServers(t *testing.T) {
	caught := map[string]bool{}
	// Assertions that have failed, or were undecided because what the server said of itself was withdrawn (the run is
	// inconclusive then), and all that gate.
	can, must := map[string]bool{}, map[string]bool{}
	tally := func(name string, run *metrics.Run) {
		for _, c := range run.Cells {
			for _, v := range c.Verdicts {
				key := name + ": " + v.Name
				must[key] = must[key] || v.Severity.Gates()
				can[key] = can[key] || v.Verdict == event.Fail || v.Verdict == event.Unknown
			}
		}
	}
	for _, name := range shippedNames(t) {
		declared, ok := failsOn(name)
		if !ok {
			t.Errorf("%s declares no server that it must fail on", name)
		}
		shipped := loadShipped(t, name, 1)
		for _, d := range declared {
			if !slices.ContainsFunc(brokenServers, func(b broken) bool { return b.name == d }) {
				t.Errorf("%s declares %q, which is no broken server", name, d)
			}
		}
		for _, b := range brokenServers {
			if !slices.Contains(declared, b.name) {
				continue
			}
			caught[b.name] = true
			if raced && name != "quickstart" {
				continue // every broken server is played with one scenario
			}
			t.Run(name+"/"+b.name, func(t *testing.T) {
				// A run fails if any of its cells does: the others, and the warm-up, are played if the first is not
				// enough, and once, so that all assertions are known.
				run := shipped.first().on(t, b)
				_, code, _ := run.Outcome()
				if code == exit.Pass || len(shipped.plan.Cells) > 1 && b.name == everywhere[0] {
					run = shipped.on(t, b)
				}
				tally(name, run)
				if verdict, code, why := run.Outcome(); code == exit.Pass {
					t.Errorf("a server that %s: %s, %s", b.does, verdict, why)
				}
			})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(must)) {
		name, _, _ := strings.Cut(key, ":")
		for _, b := range brokenServers { // it may be about the other cells
			if declared, _ := failsOn(name); must[key] && !can[key] && slices.Contains(declared, b.name) {
				tally(name, loadShipped(t, name, 1).on(t, b))
			}
		}
		if must[key] && !can[key] {
			t.Errorf("%s passes on every broken server", key)
		}
	}
	for _, b := range brokenServers {
		if !caught[b.name] {
			t.Errorf("no shipped scenario fails on a server that %s", b.does)
		}
	}
}

// TestShippedScenariosPassOnTheSimulator is the other half: nothing is wrong there. Every assertion is decided, even
// with the largest cache blocks that engines have. TestShippedScenarios_EqualTheLedger plays blocks of 16 tokens.
func TestShippedScenariosPassOnTheSimulator(t *testing.T) {
	if raced {
		t.Skip("the goroutines are those of small blocks")
	}
	for _, name := range shippedNames(t) {
		shipped := loadShipped(t, name, 1)
		t.Run(name, func(t *testing.T) { allPass(t, shipped.on(t, broken{config: sim.Config{BlockTokens: 128}})) })
	}
}

// TestShippedScenarios_LiveFit checks that what a model may choose fits the context that its scenario requires.
func TestShippedScenarios_LiveFit(t *testing.T) {
	lib, live := library(t), 0
	for _, name := range shippedNames(t) {
		data := shippedFile(t, name)
		required := load(t, name+".yaml", data, lib).Cells[0].Scenario.Requires.ContextTokens
		opt := prompt.PlanOptions(lib)
		opt.DefaultServer, opt.Vars = "sim", map[string]string{"history": "live"}
		opt.Served = func(string) (dsl.Served, bool) { return dsl.Served{ContextTokens: required}, true }
		plan, _ := dsl.Load(dsl.File{Name: name, Data: data, Dir: scenarios.FS}, lib, judge.Vocabulary(), opt)
		if plan == nil {
			continue // it has no variable history
		}
		live++
		for _, c := range plan.Cells {
			if c.Skip != "" {
				t.Errorf("%s live: %s", name, c.Skip)
			}
		}
	}
	if live < 5 {
		t.Errorf("%d scenarios can be played live", live)
	}
}

// allPass checks that a run and each of its gating assertions pass.
func allPass(t *testing.T, run *metrics.Run) {
	t.Helper()
	if verdict, code, why := run.Outcome(); code != exit.Pass {
		t.Errorf("%s: %s", verdict, why)
	}
	for _, c := range run.Cells {
		for _, v := range c.Verdicts {
			if v.Verdict != event.Pass && v.Severity.Gates() {
				t.Errorf("%s of %s: %s (%s), operands %+v", v.Name, c.Name(), v.Verdict, v.Why, v.Operands)
			}
		}
	}
}

// shipped is a scenario that homellm ships, planned once and played many times.
type shipped struct {
	plan   *dsl.Plan
	data   []byte    // its file
	tokens *sync.Map // of its prompts, which all servers tokenise alike
}

// few are the questions of quality-smoke that tests play: enough for its gate to be certain.
func few(scenario string) map[string]string {
	if strings.HasPrefix(scenario, "quality-smoke") {
		return map[string]string{"take": "20"}
	}
	return nil
}

// shippedFile is the file of a scenario that homellm ships.
func shippedFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := fs.ReadFile(scenarios.FS, name+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// loadShipped plans a shipped scenario for the simulator.
func loadShipped(t *testing.T, name string, repeats int) shipped {
	t.Helper()
	data, lib := shippedFile(t, name), library(t)
	opt := prompt.PlanOptions(lib)
	opt.DefaultServer, opt.Repeats, opt.Vars = "sim", repeats, few(name)
	plan, ds := dsl.Load(dsl.File{Name: name + ".yaml", Data: data, Dir: scenarios.FS}, lib, judge.Vocabulary(), opt)
	if ds.Errors() {
		t.Fatal(ds)
	}
	return shipped{plan, data, &sync.Map{}}
}

// first is the scenario with its first cell alone, and without the warm-up, by which nothing is judged.
func (s shipped) first() shipped {
	plan, cell := *s.plan, *s.plan.Cells[0]
	scenario := *cell.Scenario
	cell.Scenario, plan.Cells = &scenario, []*dsl.Cell{&cell}
	scenario.Run.Warmup, plan.Warmup = 0, 0
	return shipped{&plan, s.data, s.tokens}
}

// on plays it on a broken server.
func (s shipped) on(t *testing.T, b broken) (run *metrics.Run) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := rig{draw: rand.New(rand.NewPCG(1, 2)).Uint64N, tokens: s.tokens}
		if size := b.config.BlockTokens; size > 0 {
			g.target = func(t *target.Target) { t.Block = size }
		}
		g.play(t, s.plan, b.wire(&g, keywords(s.data)))
		run = g.fold
	})
	return run
}

var quoted = regexp.MustCompile(`(?:contains|matches) "((?:[^"\\]|\\.)*)"`)

// keywords returns what the assertions of a scenario look for in answers; marks of a template are no keywords.
func keywords(data []byte) (out []string) {
	plain := strings.NewReplacer(`\\b`, "", `[,.]?`, ",", `\\`, "")
	for _, found := range quoted.FindAllSubmatch(data, -1) {
		if word := plain.Replace(string(found[1])); !strings.Contains(word, "<") && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

const (
	tableOpens  = "<!-- broken servers: written by go test ./engine -run TestBrokenServersArePublished -update -->\n"
	tableCloses = "<!-- end of broken servers -->\n"
)

// butThose names the scenarios that one of the common broken servers is not played with.
func butThose(server string) string {
	var but []string
	for _, name := range slices.Sorted(maps.Keys(alone)) {
		if !slices.Contains(alone[name], server) {
			but = append(but, "`"+name+"`")
		}
	}
	if len(but) == 0 {
		return ""
	}
	return " but " + strings.Join(but, ", ")
}

// TestBrokenServersArePublished compares the table in docs/scenarios.md with what is declared here.
func TestBrokenServersArePublished(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n| server | what it does | fails |\n|---|---|---|\n")
	for _, s := range brokenServers {
		var on []string
		for _, name := range shippedNames(t) {
			if declared, _ := failsOn(name); slices.Contains(declared, s.name) {
				on = append(on, "`"+name+"`")
			}
		}
		where := strings.Join(on, ", ")
		if slices.Contains(everywhere, s.name) {
			where = "all" + butThose(s.name)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.name, s.does, where)
	}
	b.WriteString("\n")

	page := filepath.Join("..", "docs", "scenarios.md")
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(data), tableOpens)
	old, after, closed := strings.Cut(rest, tableCloses)
	switch {
	case !opened || !closed:
		t.Fatalf("%s has no table between %q and %q", page, tableOpens, tableCloses)
	case old == b.String():
	case *update:
		if err := os.WriteFile(page, []byte(before+tableOpens+b.String()+tableCloses+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not show the table of broken servers as it is:\n%s", page,
			difference([]byte(old), []byte(b.String())))
	}
}
