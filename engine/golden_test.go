package engine_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/client"
	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report"
	"homellm/engine/sim"
	"homellm/engine/target"
)

var update = flag.Bool("update", false, "record testdata/golden anew; testdata/reworded.txt is then empty")

// played is one run in virtual time, with nothing in it of the machine that plays it.
type played struct {
	scenario string // a shipped one
	repeats  int
	config   sim.Config
	change   func(*rig)
}

const goldenRepeats = 3

// variants are runs that the shipped scenarios alone do not show: failures, unknown figures,
// estimates, and a run that continues until it is certain.
var variants = map[string]played{
	"without-cache":   {scenario: "rag-long", config: sim.Config{NoPrefixCache: true}},
	"without-report":  {scenario: "rag-head", config: sim.Config{NoCachedUsage: true}},
	"without-metrics": {scenario: "quickstart", config: sim.Config{Faults: []sim.Fault{{Kind: "no_metrics"}}}},
	"without-usage":   {scenario: "rag-head", config: sim.Config{Faults: []sim.Fault{{Kind: "no_usage"}}}},
	"refused": {scenario: "simple-qa",
		config: sim.Config{Faults: []sim.Fault{{Kind: "status", Status: 503, Share: 0.3}}}},
	"cut-off": {scenario: "quickstart",
		config: sim.Config{Faults: []sim.Fault{{Kind: "reset", Token: 3, Every: 5}}}},
	"coalesced": {scenario: "quickstart",
		config: sim.Config{Faults: []sim.Fault{{Kind: "coalesce", Count: 4}}}},
	"guest": {scenario: "quickstart",
		config: sim.Config{Faults: []sim.Fault{{Kind: "guest", Requests: []int{9}}}}},
	"truncated": {scenario: "rag-long", repeats: 1,
		config: sim.Config{Faults: []sim.Fault{{Kind: "truncate", Count: 2000}}}},
	"without-tokenizer": {scenario: "rag-head", change: func(g *rig) {
		g.target = func(t *target.Target) { t.Tokenize = nil }
	}},
	"without-reset": {scenario: "rag-head", change: func(g *rig) {
		g.target = func(t *target.Target) { t.Reset = nil }
	}},
	"budget": {scenario: "quickstart", config: sim.Config{Jitter: 0.05}, change: func(g *rig) {
		g.options = func(o *engine.Options) { o.Budget = engine.Budget{Time: 3 * time.Minute} }
	}},
	"fail-fast": {scenario: "rag-long", config: sim.Config{NoPrefixCache: true}, change: func(g *rig) {
		g.options = func(o *engine.Options) { o.FailFast = true }
	}},
}

// play returns the run and everything that is kept of it, by file.
func (p played) play(t *testing.T) (run *metrics.Run, files []txtar.File) {
	t.Helper()
	repeats := cmp.Or(p.repeats, goldenRepeats)
	plan := loadShipped(t, p.scenario, repeats).plan
	files = append(files, txtar.File{Name: "plan.txt", Data: planned(plan)})

	dir := inMemory(t)
	journal, err := event.Create(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		g := rig{draw: rand.New(rand.NewPCG(1, 2)).Uint64N, tokens: &sync.Map{}}
		if p.change != nil {
			p.change(&g)
		}
		change := g.options
		g.options = func(o *engine.Options) {
			o.Header.Homellm = "v0.0.0"
			o.Header.Host = map[string]any{"os": "linux", "arch": "amd64", "cpu": "a processor", "memory_bytes": int64(64 << 30)}
			o.Header.Options = []string{fmt.Sprintf("--repeats=%d", repeats)}
			o.Calibrate = calibrated
			keep := o.Journal.Keep
			o.Journal.Keep = func(e event.Event) error {
				if err := keep(e); err != nil {
					return err
				}
				return journal.Append(e)
			}
			if change != nil {
				change(o)
			}
		}
		g.play(t, plan, p.config)
		run = g.fold
	})
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteDir(dir, run); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range kept {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, txtar.File{Name: filepath.Base(path), Data: data})
	}
	for _, f := range report.Formats {
		if f.File == "" {
			files = append(files, shown(t, f.Name, func(w io.Writer) error {
				return f.Write(w, run, report.Options{Dir: "results/golden"})
			}))
		}
	}
	verdict, code, why := run.Outcome()
	return run, append(files, txtar.File{Name: "exit.txt", Data: fmt.Appendf(nil, "%d %s: %s\n", code, verdict, why)})
}

// planned lists what a plan says of every turn.
func planned(plan *dsl.Plan) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, plan.Name, plan.Digest, plan.Order, plan.Repeats, plan.Warmup)
	for _, c := range plan.Cells {
		fmt.Fprintln(&b, c.ID, c, c.Skip, "needs", c.ContextNeed())
		for _, t := range c.Turns {
			fmt.Fprintln(&b, t.Conversation, t.Step, t.Turn, t.Phase, t.PromptTokens, t.ReplyTokens, t.KeptTokens, t.Exact,
				t.Reusable, t.Ceiling, t.Known)
		}
	}
	return b.Bytes()
}

// calibrated is a client whose own error is known.
func calibrated(context.Context) (client.Floor, error) {
	return client.Floor{
		Requests: 100, Chunks: 1000, TTFTp50: 20 * time.Microsecond, TTFTp99: 80 * time.Microsecond,
		TimerP99: 70 * time.Microsecond, CPUPerChunk: new(5 * time.Microsecond),
	}, nil
}

func shown(t *testing.T, name string, write func(io.Writer) error) txtar.File {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return txtar.File{Name: name + ".txt", Data: b.Bytes()}
}

// TestGolden compares the journals, the reports and the exit codes of the shipped scenarios, and of variants of them,
// with what homellm wrote before. A text that was reworded on purpose has its line in testdata/reworded.txt.
func TestGolden(t *testing.T) {
	runs := map[string]played{}
	for _, name := range shippedNames(t) {
		runs[name] = played{scenario: name}
	}
	maps.Copy(runs, variants)
	words := reworded(t)
	for name, p := range runs {
		t.Run(name, func(t *testing.T) {
			_, files := p.play(t)
			golden(t, name, files, words)
		})
	}
	t.Run("comparison", func(t *testing.T) {
		before, _ := played{scenario: "rag-long", repeats: 12, config: sim.Config{Jitter: 0.01}}.play(t)
		slower := func(time.Duration, int) float64 { return 1.2 }
		after, _ := played{scenario: "rag-long", repeats: 12, config: sim.Config{Jitter: 0.01, Seed: 1,
			Scale: slower}}.play(t)
		golden(t, "comparison", compared(t, before, after), words)
	})
	if *update {
		return
	}
	recorded, err := filepath.Glob(filepath.Join("testdata", "golden", "*.txtar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if want := len(runs) + 1; len(recorded) != want {
		t.Errorf("testdata/golden holds %d runs, and %d are played", len(recorded), want)
	}
	for _, w := range words {
		if !w.used && !t.Failed() {
			t.Errorf("testdata/reworded.txt has %q, which no golden holds", w.old)
		}
	}
}

// compared shows the comparison of two runs in every format.
func compared(t *testing.T, before, after *metrics.Run) (files []txtar.File) {
	t.Helper()
	rules := compare.DefaultRules()
	pair := rules.Compare("sim", compare.Measured(before.Cells[0], "before"), compare.Measured(after.Cells[0], "after"),
		after.Started.Started)
	c := compare.Comparison{Pairs: []compare.Pair{pair}}
	for _, f := range report.CompareFormats {
		files = append(files, shown(t, f.Name, func(w io.Writer) error { return f.Write(w, c, report.Options{}) }))
	}
	verdict, code, why := c.Outcome()
	return append(files, txtar.File{Name: "exit.txt", Data: fmt.Appendf(nil, "%d %s: %s\n", code, verdict, why)})
}

// rewording is a text that says the same in other words.
type rewording struct {
	old, new string
	used     bool
}

// reworded reads the lines "old -> new" of testdata/reworded.txt.
func reworded(t *testing.T) (out []*rewording) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "reworded.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		from, to, ok := strings.Cut(line, " -> ")
		if !ok || from == "" {
			t.Fatalf("testdata/reworded.txt: %q is not \"old -> new\"", line)
		}
		out = append(out, &rewording{old: from, new: to})
	}
	return out
}

// golden compares files with their golden, byte for byte.
func golden(t *testing.T, name string, files []txtar.File, words []*rewording) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".txtar.gz")
	if *update {
		pack(t, path, files)
	}
	want := unpack(t, path)
	for _, w := range words {
		for i := range want {
			if text := string(want[i].Data); strings.Contains(text, w.old) {
				w.used = true
				want[i].Data = []byte(strings.ReplaceAll(text, w.old, w.new))
			}
		}
	}
	for _, f := range files {
		i := slices.IndexFunc(want, func(w txtar.File) bool { return w.Name == f.Name })
		if i < 0 {
			t.Errorf("the golden has no %s", f.Name)
			continue
		}
		if got := whole(f.Data); !bytes.Equal(want[i].Data, got) {
			t.Errorf("%s differs:\n%s", f.Name, difference(want[i].Data, got))
		}
		want = slices.Delete(want, i, i+1)
	}
	for _, w := range want {
		t.Errorf("%s is not written any more", w.Name)
	}
}

// difference shows where two files differ. Lines of JSON and HTML are long: they are broken first.
func difference(want, got []byte) string {
	broken := strings.NewReplacer(`,"`, ",\n\"", "><", ">\n<", `\n`, "\\n\n")
	lines := strings.SplitAfter(string(diff.Diff("golden", []byte(broken.Replace(string(want))), "got",
		[]byte(broken.Replace(string(got))))), "\n")
	if most := 60; len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("and %d lines more\n", len(lines)-most))
	}
	return strings.Join(lines, "")
}

// whole ends the last line, as an archive does.
func whole(data []byte) []byte {
	if len(data) > 0 && data[len(data)-1] != '\n' {
		return append(data, '\n')
	}
	return data
}

func pack(t *testing.T, path string, files []txtar.File) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(txtar.Format(&txtar.Archive{Files: files})); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, path string) []txtar.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return txtar.Parse(data).Files
}
