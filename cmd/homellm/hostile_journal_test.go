//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/report"
)

// forged clears a screen, turns text around and adds lines, where a name is printed as it is.
const forged = "\x1b[2J\u202e\u2028\r\nFORGED homellm: all is well\n::error::FORGED"

// decides are the keys of a journal or a baseline whose texts are not free: with another text it is not read.
var decides = []string{
	"kind", "verdict", "severity", "ch", "schema", "scope", "name", "phase", "step", "conversation", "id", "source",
	"unit",
	"recorded", "started", "better", "cell", "action", "isolation", "run",
}

// forge puts the forged text behind every text but for some.
func forge(v any, key string, spare []string) any {
	switch v := v.(type) {
	case string:
		if slices.Contains(spare, key) {
			return v
		}
		return v + forged
	case []any:
		for i := range v {
			v[i] = forge(v[i], key, spare)
		}
	case map[string]any:
		for k := range v {
			v[k] = forge(v[k], k, spare)
		}
	}
	return v
}

// forgeJournal rewrites a journal with forged texts and valid checksums.
func forgeJournal(t *testing.T, from, to string, spare []string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err)
	var lines strings.Builder
	for line := range strings.Lines(string(data)) {
		var v map[string]any
		must(t, json.Unmarshal([]byte(line), &v))
		delete(v, "crc32c")
		v["body"] = forge(v["body"], "", spare)
		if v["kind"] == "run_started" {
			v["body"].(map[string]any)["version"] = 1 // for the reader below: its lines carry no checks yet
		}
		raw, err := json.Marshal(v)
		must(t, err)
		lines.Write(append(raw, '\n'))
	}
	must(t, os.MkdirAll(filepath.Dir(to), 0o700))
	j, err := event.Create(to)
	must(t, err)
	for e, err := range event.Read(strings.NewReader(lines.String())) {
		must(t, err)
		if head, ok := e.Body.(event.RunStarted); ok {
			head.Version = event.Version
			if slices.Contains(spare, "id") {
				head.ID = "0123456789abcdef" // a run and its own copy are never compared
			}
			e.Body = head
		}
		must(t, j.Append(e))
	}
	must(t, j.Close())
}

// Whatever a journal, a baseline or a folder is called and says: no command hands it to a terminal as it is, and no
// line that is printed begins as the stranger wants.
func TestForgedNames(t *testing.T) {
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan})
	if code, _, stderr := p.run("apply", "plan.yaml", "--server", "sim", "--out", "results/good", "--repeats",
		"4"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	t.Chdir(p.dir)
	good := filepath.Join("results", "good")
	cut := filepath.Join("results", "cut"+forged)
	for name, spare := range map[string][]string{"texts": decides, "most": {"kind", "verdict", "severity", "ch",
		"started"}} {
		dir := filepath.Join("results", name+strings.ReplaceAll(forged, "/", ""))
		forgeJournal(t, filepath.Join(good, "journal.jsonl"), filepath.Join(dir, "journal.jsonl"), spare)
	}
	texts := filepath.Join("results", "texts"+forged)
	data, err := os.ReadFile(filepath.Join(texts, "journal.jsonl"))
	must(t, err)
	must(t, os.MkdirAll(cut, 0o700))
	must(t, os.WriteFile(filepath.Join(cut, "journal.jsonl"), data[:len(data)*2/3], 0o600))
	damaged := filepath.Join("results", "damaged"+forged)
	must(t, os.MkdirAll(damaged, 0o700))
	must(t, os.WriteFile(filepath.Join(damaged, "journal.jsonl"),
		append([]byte(`{"seq":1,"kind":"`+"\x1b[2J"+`\u202e\nFORGED","body":{}}`), '\n'), 0o600))

	if code, out := inside(t, "baseline", "record", good); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	files, err := filepath.Glob("baselines/*/*.json")
	must(t, err)
	raw, err := os.ReadFile(files[0])
	must(t, err)
	var b any
	must(t, json.Unmarshal(raw, &b))
	raw, err = json.Marshal(forge(b, "", []string{"schema", "recorded"}))
	must(t, err)
	bad := filepath.Join("baselines", "bad"+forged+".json")
	must(t, os.WriteFile(bad, raw, 0o600))
	must(t, os.WriteFile(filepath.Join("baselines", "broken"+forged+".json"), []byte("{"), 0o600))

	seen := 0
	for _, args := range [][]string{
		{"report", texts}, {"report", filepath.Join("results", "most"+forged)}, {"report", cut}, {"report", damaged},
		{"report", texts, "--format", "github"}, {"report", texts, "--format", "csv"},
		{"report", texts, "--format", "markdown"},
		{"results", "list"}, {"results", "show", texts}, {"results", "show", "nothing" + forged},
		{"results", "diff", good, texts}, {"results", "prune", "--keep", "0", "--dry-run"},
		{"baseline", "record", texts}, {"baseline", "record", filepath.Join("results", "most"+forged)},
		{"baseline", "list"}, {"baseline", "show", bad}, {"baseline", "show", "none" + forged},
		{"compare", good, texts}, {"compare", texts, good}, {"compare", texts, texts},
		{"compare", bad, good}, {"compare", bad, texts, "--format", "github"},
		{"apply", "plan.yaml", "--server", "sim", "--resume", cut}, {"apply", "plan.yaml" + forged},
		{"explain", forged}, {"schema", forged}, {"apply", "plan.yaml", "--server", "sim" + forged},
		{"serve", forged}, {"stop", forged}, {"models", "pull", forged}, {"template", "check", forged},
		{"results", "prune", "--keep", "0", "--yes"},
	} {
		_, out := inside(t, args...)
		same := strings.Contains(out, "are the same run") || strings.Contains(out, "was recorded from")
		if same != slices.Equal(args, []string{"compare", texts, texts}) {
			t.Errorf("%.60q: compared, or refused as the same run, against what is expected\n%.300q", args, out)
		}
		if strings.Contains(out, "FORGED") {
			seen++
		}
		for _, r := range []string{"\x1b", "\u202e", "\u2028", "\r", "\nFORGED", "\n::error::FORGED"} {
			if i := strings.Index(out, r); i >= 0 {
				t.Errorf("%.60q: %q is printed as it is: …%.160q…", args, r, out[max(0, i-80):])
			}
		}
	}
	if seen < 12 {
		t.Errorf("only %d of the commands print a name: the test sees little", seen)
	}
}

// A journal from before lines carried checks is read, every report says so, and it becomes no baseline.
func TestJournalWithoutChecks(t *testing.T) {
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan})
	if code, _, stderr := p.run("apply", "plan.yaml", "--server", "sim", "--out", "run"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	t.Chdir(p.dir)
	path := filepath.Join("run", "journal.jsonl")
	data, err := os.ReadFile(path)
	must(t, err)
	data = regexp.MustCompile(`,"crc32c":"[0-9a-f]{8}"}`).ReplaceAll(data, []byte("}"))
	data = bytes.Replace(data, []byte(`"body":{"version":2,`), []byte(`"body":{"version":1,`), 1)
	must(t, os.WriteFile(path, data, 0o600))
	const remark = "the journal was written by a version without checksums"
	for _, f := range report.Formats {
		code, out := inside(t, "report", "run", "--format", f.Name)
		if code != 0 {
			t.Errorf("%s: exit code %d\n%.300s", f.Name, code, out)
		}
		if !strings.Contains(out, remark) {
			t.Errorf("%s does not say that damage would not be noticed:\n%.600s", f.Name, out)
		}
	}
	code, out := inside(t, "baseline", "record", "run")
	if code != exit.Invalid || !strings.Contains(out, "run cannot become a baseline: its journal has no checksums") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if _, err := os.Stat("baselines"); err == nil {
		t.Error("a baseline was written")
	}
}
