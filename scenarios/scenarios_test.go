package scenarios_test

import (
	"io/fs"
	"math"
	"path"
	"strings"
	"testing"

	"github.com/tiktoken-go/tokenizer"

	"homellm"
	"homellm/dsl"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/scenarios"
)

// load reads and plans one shipped scenario as `homellm apply` would, on the simulator, and
// demands that there is nothing to say about it.
func load(t *testing.T, name string) *dsl.Plan {
	t.Helper()
	data, err := fs.ReadFile(scenarios.FS, name)
	if err != nil {
		t.Fatal(err)
	}
	lib := library(t)
	f := dsl.File{Name: name, Data: data, Dir: scenarios.FS}
	report(t, dsl.Validate(f, lib, judge.Vocabulary()))

	opt := prompt.PlanOptions(lib)
	opt.Servers = []string{"sim"}
	plan, diags := dsl.Load(f, lib, judge.Vocabulary(), opt)
	report(t, diags)
	if plan == nil {
		t.Fatal("no plan")
	}
	return plan
}

func library(t *testing.T) *dsl.Library {
	t.Helper()
	lib, diags := dsl.LoadLibrary(
		dsl.File{Name: "models.yaml", Data: homellm.Models},
		dsl.File{Name: "servers.yaml", Data: homellm.Servers},
	)
	report(t, diags)
	return lib
}

// report fails the test for every diagnostic, warnings included: what is shipped is an example.
func report(t *testing.T, diags syntax.Diagnostics) {
	t.Helper()
	if len(diags) == 0 {
		return
	}
	var b strings.Builder
	if err := diags.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	t.Errorf("%d diagnostics, want none:\n%s", len(diags), b.String())
}

// names lists the shipped scenarios.
func names(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(scenarios.FS, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no scenario is embedded")
	}
	return files
}

func TestEveryScenarioIsClean(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			plan := load(t, name)
			if want := strings.TrimSuffix(name, ".yaml"); plan.Name != want {
				t.Errorf("the scenario is called %q, and its file %q", plan.Name, name)
			}
			for _, cell := range plan.Cells {
				if cell.Skip != "" && plan.Name != "context-curve" { // whose largest cells are for larger contexts
					t.Errorf("cell %s would be skipped on the simulator: %s", cell, cell.Skip)
				}
			}
		})
	}
}

// TestEditorsFindTheSchema checks the first line of every scenario, which tells an editor where the schema is.
func TestEditorsFindTheSchema(t *testing.T) {
	const want = "# yaml-language-server: $schema=../schema/scenario.v1.json\n"
	for _, name := range names(t) {
		data, err := fs.ReadFile(scenarios.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(data), want) {
			t.Errorf("%s does not begin with %q", name, want)
		}
	}
}

// TestEveryDocumentIsUsed fails for a file that no scenario injects.
func TestEveryDocumentIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, name := range names(t) {
		data, err := fs.ReadFile(scenarios.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if file, ok := strings.CutPrefix(strings.TrimSpace(line), "file: "); ok {
				used[file] = true
			}
		}
	}
	files, err := fs.Glob(scenarios.FS, "documents/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !used[file] {
			t.Errorf("%s is shipped and no scenario uses it", file)
		}
	}
}

// counter counts tokens in the o200k vocabulary. The sizes that scenarios declare are meant for
// any model; a common vocabulary makes them checkable.
func counter(t *testing.T) func(string) int {
	t.Helper()
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) int {
		n, err := codec.Count(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

func TestDeclaredSizes(t *testing.T) {
	const tolerance = 0.08
	count := counter(t)
	declared := map[string]int{}
	for _, name := range names(t) {
		plan := load(t, name)
		for _, c := range plan.Cells[0].Scenario.Conversations {
			if c.Tokens == 0 {
				continue
			}
			declared[plan.Name] = c.Tokens
			if c.History != dsl.Recorded {
				t.Errorf("%s declares %d tokens, but what a server answers live has no fixed size", name, c.Tokens)
			}
			size := 0
			for _, m := range finalHistory(t, c) {
				size += count(m.Content)
			}
			if off := math.Abs(float64(size)/float64(c.Tokens) - 1); off > tolerance {
				t.Errorf("%s declares %d tokens and has %d, which is %.1f %% off; %.0f %% are allowed",
					name, c.Tokens, size, 100*off, 100*tolerance)
			}
		}
	}
	want := map[string]int{"simple-qa": 800, "code-discussion": 2500, "deep-technical": 7000, "ultra-long": 15000}
	for name, tokens := range want {
		if declared[name] != tokens {
			t.Errorf("%s declares %d tokens, want %d", name, declared[name], tokens)
		}
	}
}

// finalHistory plays a conversation with its recorded replies and returns every message that is
// in context at its end.
func finalHistory(t *testing.T, c *dsl.Conversation) []dsl.Message {
	t.Helper()
	h := c.Begin()
	for _, step := range c.Steps {
		err := step.Play(h, func(turn dsl.Turn) (dsl.Reply, error) {
			if turn.Reply == "" {
				t.Errorf("turn %d of step %s has no recorded reply", turn.N, step.ID)
			}
			return turn.Recorded(), nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return h.Messages()
}

func TestLongDocumentsAreLong(t *testing.T) {
	count := counter(t)
	for _, file := range []string{"rt9-service-manual.md", "skarvholm-guide.md"} {
		data, err := fs.ReadFile(scenarios.FS, path.Join("documents", file))
		if err != nil {
			t.Fatal(err)
		}
		if n := count(string(data)); n < 4000 {
			t.Errorf("%s has %d tokens, want at least 4000", file, n)
		}
	}
}

// TestFactsStandInOnePlace checks what the text assertions of rag-long depend on: the facts that they look for are in
// exactly one document, once, and no question gives them away.
func TestFactsStandInOnePlace(t *testing.T) {
	facts := map[string]string{
		"41 Nm":                        "manual",
		"park switch":                  "manual",
		"158.4":                        "manual",
		"RT9-2046":                     "manual",
		"Krane":                        "guide",
		" 71 ":                         "guide",
		"Lomvik":                       "guide",
		"Bramwell Tighe with a spring": "log",
	}
	scenario := load(t, "rag-long.yaml").Cells[0].Scenario
	for fact, home := range facts {
		for _, doc := range scenario.Documents {
			n := strings.Count(doc.Text, fact)
			switch {
			case doc.ID != home && n > 0:
				t.Errorf("%q is a fact of %s, but it stands in %s as well", fact, home, doc.ID)
			case doc.ID == home && n == 0:
				t.Errorf("%q does not stand in %s", fact, home)
			case doc.ID == home && n > 1 && fact != "park switch": // its definition and the code that names it
				t.Errorf("%q stands in %s %d times, want once", fact, home, n)
			}
		}
		for _, c := range scenario.Conversations {
			for _, text := range questions(t, c) {
				if strings.Contains(text, fact) {
					t.Errorf("the question %q gives %q away", text, fact)
				}
			}
		}
	}
}

// TestNotesAndLogHoldTheirFactsOnce checks the same for the scenarios that inject the notes and the log.
func TestNotesAndLogHoldTheirFactsOnce(t *testing.T) {
	for _, name := range []string{"rag-small.yaml", "rag-placement.yaml"} {
		scenario := load(t, name).Cells[0].Scenario
		for _, fact := range []string{"4,300", "nineteen minutes", "every 250 events", "5,004", "paperweight",
			"Bramwell Tighe with a spring"} {
			n := 0
			for _, doc := range scenario.Documents {
				n += strings.Count(doc.Text, fact)
			}
			if n != 1 {
				t.Errorf("%s: %q stands in the documents %d times, want once", name, fact, n)
			}
			for _, c := range scenario.Conversations {
				for _, text := range questions(t, c) {
					if strings.Contains(text, fact) {
						t.Errorf("%s: the question %q gives %q away", name, text, fact)
					}
				}
			}
		}
	}
}

// questions returns what the user of a conversation says, without the documents in front of it.
func questions(t *testing.T, c *dsl.Conversation) []string {
	t.Helper()
	var out []string
	h := c.Begin()
	for _, step := range c.Steps {
		err := step.Play(h, func(turn dsl.Turn) (dsl.Reply, error) {
			said := turn.Messages[len(turn.Messages)-1].Content
			if end := strings.LastIndex(said, "\n\n"); end >= 0 {
				said = said[end:] // the questions of this scenario are single paragraphs
			}
			out = append(out, said)
			return dsl.Reply{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestRemovalInTheMiddleLeavesMoreThanHalf checks the arrangement of rag-long: the gate is at half of the prompt, and
// the part before the removed document is clearly more than that, yet far from everything.
func TestRemovalInTheMiddleLeavesMoreThanHalf(t *testing.T) {
	for _, turn := range load(t, "rag-long.yaml").Cells[0].Turns {
		if turn.Step != "after_removal" || turn.Turn != 1 {
			continue
		}
		if turn.Phase != figure.AfterRemoval {
			t.Errorf("the first turn after the removal is in phase %q", turn.Phase)
		}
		if turn.Ceiling < 0.58 || turn.Ceiling > 0.78 {
			t.Errorf("the ceiling after the removal is %.2f, want it between 0.58 and 0.78", turn.Ceiling)
		}
		return
	}
	t.Error("rag-long has no step after_removal")
}

// TestRemovingTheHeadLeavesNothing is its counterpart: in rag-head nothing can be reused.
func TestRemovingTheHeadLeavesNothing(t *testing.T) {
	seen := false
	for _, turn := range load(t, "rag-head.yaml").Cells[0].Turns {
		if turn.Step == "without_notes" {
			seen = true
			if turn.Ceiling > 0.1 {
				t.Errorf("the ceiling after the head is gone is %.2f, want at most 0.1", turn.Ceiling)
			}
		}
	}
	if !seen {
		t.Error("rag-head has no step without_notes")
	}
}
