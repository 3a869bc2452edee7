package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/replace"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

// TestMain lets garbage grow: hundreds of reports are written and thrown away.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

var update = flag.Bool("update", false, "record the journals and write the goldens")

func render(t *testing.T, f Format, r *metrics.Run, opt Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, r, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func format(t *testing.T, name string) Format {
	t.Helper()
	for _, f := range Formats {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no format %q", name)
	return Format{}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-golden +got):\n%s", path, d)
	}
}

func TestFormats_Goldens(t *testing.T) {
	for name := range stories {
		if *update {
			record(t, name)
		}
		r := replay(t, name)
		for _, f := range Formats {
			t.Run(name+"/"+f.Name, func(t *testing.T) {
				out := render(t, f, r, Options{Dir: "results/20261123T120112Z-" + name})
				if name != "interrupted" || f.Name == "html" {
					out = brief(t, f, out)
				}
				golden(t, filepath.Join("testdata", name+"."+f.Name+".golden"), out)
			})
		}
	}
}

// brief leaves the bulk of the numbers out of the larger goldens: one story shows them all.
func brief(t *testing.T, f Format, out string) string {
	t.Helper()
	switch f.Name {
	case "json":
		var doc map[string]any
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatal(err)
		}
		for _, c := range doc["cells"].([]any) {
			delete(c.(map[string]any), "repeats")
			delete(c.(map[string]any), "metrics")
		}
		raw, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		return string(raw) + "\n"
	case "html":
		return policy.ReplaceAllString(drawn.ReplaceAllString(out, "<$1>…</$1>"), "sha256-…'")
	case "csv", "summary":
		lines := strings.SplitAfter(out, "\n")
		return strings.Join(lines[:min(12, len(lines))], "")
	}
	return out
}

// drawn is what of a page is left to the tests of its charts and to the browser.
var (
	drawn  = regexp.MustCompile(`(?s)<(style|script|svg|pre)\b.*?</(?:style|script|svg|pre)>`)
	policy = regexp.MustCompile(`sha256-[^']*'`) // follows the style sheet and the script
)

// What was printed at the end of a run and what a replay of its journal prints are the same bytes.
func TestFormats_ReplayedEqualsLive(t *testing.T) {
	for name := range stories {
		for _, f := range Formats {
			for _, opt := range []Options{{}, {Width: 72, Color: true, Dir: "x"}} {
				if got, want := render(t, f, replay(t, name), opt), render(t, f, live(name), opt); got != want {
					t.Errorf("%s/%s differs (-live +replayed):\n%s", name, f.Name, cmp.Diff(want, got))
				}
			}
		}
	}
}

func TestFormats_EmptyRun(t *testing.T) {
	for _, f := range Formats {
		if out := render(t, f, &metrics.Run{}, Options{}); out == "" {
			t.Errorf("%s says nothing of an empty run", f.Name)
		}
	}
}

// failing at byte n: takes so many bytes, then fails.
type full struct{ left int }

var errFull = errors.New("disk full")

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.left {
		n := f.left
		f.left = 0
		return n, errFull
	}
	f.left -= len(p)
	return len(p), nil
}

func TestFormats_NeverFailSilently(t *testing.T) {
	r := replay(t, "passing")
	for _, f := range Formats {
		size := len(render(t, f, r, Options{}))
		for _, n := range []int{0, 1, size / 2, size - 1} {
			if err := f.Write(&full{n}, r, Options{}); !errors.Is(err, errFull) {
				t.Errorf("%s with room for %d of %d bytes: %v", f.Name, n, size, err)
			}
		}
		if err := f.Write(&full{size}, r, Options{}); err != nil {
			t.Errorf("%s with just enough room: %v", f.Name, err)
		}
	}
	short := writerFunc(func(p []byte) (int, error) { return len(p) - 1, nil })
	if err := Formats[0].Write(short, r, Options{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a short write without an error: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestWriteDir(t *testing.T) {
	dir := t.TempDir()
	r := replay(t, "passing")
	for range 2 { // a second report replaces the first
		if err := WriteDir(dir, r); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if d := cmp.Diff([]string{"junit.xml", "report.html", "report.md", "result.json", "summary.csv", "turns.csv"},
		got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if want := render(t, format(t, "json"), r, Options{}); string(raw) != want {
		t.Error("result.json is not the json format")
	}
	if err := WriteDir(filepath.Join(dir, "missing"), r); err == nil {
		t.Error("a missing folder went unnoticed")
	}
}

func TestWriteFile_LeavesNothingHalf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "result.json")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	err := replace.File(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half of the n"); err != nil {
			return err
		}
		return errFull
	})
	if !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "old" {
		t.Errorf("the old report became %q (%v)", raw, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v (%v)", entries, err)
	}
}

func TestJSON_SeveralFollowTheirSchema(t *testing.T) {
	folder := filepath.Join("..", "..", "schema")
	one, err := jsonschema.Compile(filepath.Join(folder, "result.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := jsonschema.Compile(filepath.Join(folder, "results.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Several{
		{Planned: 3, Code: exit.Environment, Runs: []*metrics.Run{replay(t, "failing"), replay(t, "matrix")}},
		{Planned: 1, Code: exit.Interrupted},
	} {
		var b bytes.Buffer
		if err := format(t, "json").Several(&b, s, Options{}); err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if err := all.Validate(doc); err != nil {
			t.Errorf("%#v", err)
		}
		runs := doc["runs"].([]any)
		if len(runs) != len(s.Runs) {
			t.Errorf("%d runs of %d", len(runs), len(s.Runs))
		}
		for i, r := range runs {
			if err := one.Validate(r); err != nil {
				t.Errorf("run %d: %#v", i, err)
			}
			delete(r.(map[string]any), "verdict")
			if all.Validate(doc) == nil {
				t.Error("a run without a verdict follows the schema")
			}
		}
		for key, v := range doc {
			delete(doc, key)
			if all.Validate(doc) == nil {
				t.Errorf("the schema does not ask for %q", key)
			}
			doc[key] = v
		}
	}
}

func TestJSON_FollowsItsSchema(t *testing.T) {
	schema, err := jsonschema.Compile(filepath.Join("..", "..", "schema", "result.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range stories {
		var doc any
		if err := json.Unmarshal([]byte(render(t, format(t, "json"), replay(t, name), Options{})), &doc); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %#v", name, err)
		}
		for key := range doc.(map[string]any) {
			if key == "overview" {
				continue // of several cells alone
			}
			bad := map[string]any{}
			for k, v := range doc.(map[string]any) {
				if k != key {
					bad[k] = v
				}
			}
			if schema.Validate(bad) == nil {
				t.Errorf("%s: the schema does not ask for %q", name, key)
			}
		}
		doc.(map[string]any)["surprise"] = true
		if schema.Validate(doc) == nil {
			t.Error("the schema takes unknown fields")
		}
	}
}

// An unknown number is null, an empty field and a dash; a measured zero is a zero.
func TestUnknownIsNeverZero(t *testing.T) {
	var doc struct {
		Cells []struct {
			Repeats []struct {
				Turns []struct {
					OK      bool
					Metrics map[string]*float64
				}
			}
			Metrics map[string]map[string]any
		}
	}
	r := replay(t, "failing")
	if err := json.Unmarshal([]byte(render(t, format(t, "json"), r, Options{})), &doc); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(render(t, format(t, "csv"), r, Options{}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	col := map[string]int{}
	for i, name := range rows[0] {
		col[name] = i
	}
	i := 1
	for _, p := range doc.Cells[0].Repeats {
		for _, turn := range p.Turns {
			if turn.Metrics["cache.hit_rate"] != nil || rows[i][col["cache.hit_rate"]] != "" {
				t.Errorf("turn %d: an unknown hit rate is shown", i)
			}
			if known := turn.Metrics["ttft_ms"] != nil; known != turn.OK || known != (rows[i][col["ttft_ms"]] != "") {
				t.Errorf("turn %d: ok %t, TTFT %v and %q", i, turn.OK, turn.Metrics["ttft_ms"], rows[i][col["ttft_ms"]])
			}
			i++
		}
	}
	if v := doc.Cells[0].Metrics["phases.with_rag.cache.hit_rate"]; v["mean"] != nil || v["n"] != 2.0 ||
		v["n_turns"] != 9.0 || v["n_unknown"] != 2.0 {
		t.Errorf("%v", v)
	}
	passing := render(t, format(t, "csv"), replay(t, "passing"), Options{})
	rows, err = csv.NewReader(strings.NewReader(passing)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := rows[1][col["cache.hit_rate"]]; got != "0" {
		t.Errorf("a measured hit rate of zero is %q", got)
	}
}

func TestSimulated_SaysSoEverywhere(t *testing.T) {
	for _, f := range Formats {
		out := render(t, f, replay(t, "passing"), Options{})
		real := render(t, f, replay(t, "matrix"), Options{})
		mark := map[string]string{"table": "SIMULATED", "markdown": "SIMULATED", "json": `"simulated": true`, "csv": ",true,",
			"summary": ",true,",
			"junit":   "SIMULATED", "github": "SIMULATED", "html": "SIMULATED"}[f.Name]
		if mark == "" || !strings.Contains(out, mark) {
			t.Errorf("%s does not say that its numbers are simulated", f.Name)
		}
		if f.Name != "csv" && strings.Contains(real, mark) {
			t.Errorf("%s calls real numbers simulated", f.Name)
		}
	}
	if first, _, _ := strings.Cut(render(t, format(t, "table"), replay(t, "passing"), Options{}),
		"\n"); !strings.HasPrefix(first, "SIMULATED") {
		t.Errorf("the first line is %q", first)
	}
}

// Where repeats share a cache, the prompt of the first turn after a removal has been sent by the
// repeat before: that all of it can be reused says nothing about where the document stood.
func TestAfterRemoval_SaysWhatCouldBeReused(t *testing.T) {
	r := live("passing")
	for scope, want := range map[string]string{
		"run":    "(4,310 of 8,620 prompt tokens had been sent before)",
		"repeat": "(4,310 of 8,620 prompt tokens stood before the removed document)",
	} {
		r.Started.Scenario.Scope = scope
		if got := afterChanges(r, r.Cells[0]); len(got) != 1 || !strings.HasSuffix(got[0], want) {
			t.Errorf("scope %s: got %q, want %q at its end", scope, got, want)
		}
	}
}

func TestTable_ColorChangesNothingElse(t *testing.T) {
	r := replay(t, "failing")
	plain := render(t, format(t, "table"), r, Options{})
	painted := render(t, format(t, "table"), r, Options{Color: true})
	if !strings.Contains(painted, "\x1b[31mFAIL\x1b[0m") {
		t.Error("a failure is not red")
	}
	for _, code := range []string{"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"} {
		painted = strings.ReplaceAll(painted, code, "")
	}
	if painted != plain {
		t.Errorf("(-plain +painted):\n%s", cmp.Diff(plain, painted))
	}
	if strings.Contains(plain, "\x1b") {
		t.Error("a text of the scenario reached the terminal as an escape sequence")
	}
}

// A budget may play more repeats than were planned, an interruption plays fewer: the head of a cell
// says how many there were.
func TestMeasured_CountsWhatWasPlayed(t *testing.T) {
	cell := func(repeats int) *metrics.Cell {
		c := &metrics.Cell{}
		for i := range repeats {
			c.Requests = append(c.Requests, &event.Request{Repeat: i + 1})
		}
		return c
	}
	for played, want := range map[int]string{
		0: "3 repeats, cache reset per repeat", // skipped
		2: "2 of 3 repeats, cache reset per repeat",
		3: "3 repeats, cache reset per repeat",
		7: "7 repeats (3 planned), cache reset per repeat",
	} {
		if got := measured(event.Scenario{Repeats: 3, Isolation: "reset", Scope: "repeat"}, cell(played)); got != want {
			t.Errorf("%d played: %q, want %q", played, got, want)
		}
	}
}
