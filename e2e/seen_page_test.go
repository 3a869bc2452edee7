package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"homellm/engine/engines"
)

var update = flag.Bool("update", false, "write docs/servers.md anew")

// seen is what an engine was seen doing in one set-up. The suites record it with HOMELLM_E2E_SEEN=1, and fail without
// when something of it is not seen any more.
type seen struct {
	SetUp   string `json:"set_up"`            // how the engine was started
	Version string `json:"version"`           // as it gives it
	Package string `json:"package,omitempty"` // it was installed from, where the version does not say enough
	Through string `json:"through,omitempty"` // what stood in front of it
	Nightly bool   `json:"nightly,omitempty"` // a pull request does not play it
	// turns of rag-small whose counts and text are equal to the engine's own account; 0: another scenario was played
	Turns    int      `json:"turns,omitempty"`
	Cached   string   `json:"cached_tokens,omitempty"` // where they come from; empty: unknown
	Times    []string `json:"times,omitempty"`         // the engine's own, that some turn has
	Reusable string   `json:"reusable_tokens,omitempty"`
	Block    int      `json:"block_tokens,omitempty"`
	Works    []string `json:"works,omitempty"` // names of capabilities, and what else was seen, in words
}

func seenFile(engine string) string { return filepath.Join("seen", engine+".json") }

// readSeen reads what was seen of an engine; nothing if it was never played.
func readSeen(t *testing.T, engine string) (list []seen) {
	t.Helper()
	data, err := os.ReadFile(seenFile(engine))
	if os.IsNotExist(err) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var pageSection = regexp.MustCompile(`(?s)\| engine, as it was started \|.*?\n- No real one was played: [^\n]*\n`)

// TestPage compares docs/servers.md with what was seen; -update writes it.
func TestPage(t *testing.T) {
	path := filepath.Join("..", "docs", "servers.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(pageSection.FindAll(page, -1)); n != 1 {
		t.Fatalf("%s has %d places for what was seen", path, n)
	}
	want := pageSection.ReplaceAllLiteral(page, []byte(seenPage(t)))
	if bytes.Equal(page, want) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what e2e/seen says; run with -update. It wants:\n%s", path, seenPage(t))
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// seenPage is the table of what was seen, and the list of what was not.
func seenPage(t *testing.T) string {
	t.Helper()
	var table, missing strings.Builder
	table.WriteString("| engine, as it was started | version | turns | cached tokens from | its own times | reusable tokens | " +
		"seen working |\n|---|---|---|---|---|---|---|\n")
	var never []string
	for _, e := range engines.All {
		list := readSeen(t, e.Name)
		if len(list) == 0 && e.Role != engines.Simulator {
			never = append(never, e.Title)
		}
		if len(list) == 0 {
			continue
		}
		works := map[string]bool{}
		for _, s := range list {
			for _, w := range s.Works {
				works[w] = true
			}
			fmt.Fprintf(&table, "| %s: %s%s | %s | %s | %s | %s | %s | %s |\n", e.Title, s.SetUp, through(s.Through),
				version(s), orDash(s.Turns), orNone(sources[s.Cached]), orNone(strings.Join(s.Times, ", ")),
				orNone(reusable(s)), orNone(strings.ReplaceAll(strings.Join(s.Works, ", "), "_", " ")))
		}
		var not []string
		for _, c := range e.Capabilities {
			if c.OK && !works[c.Name] {
				not = append(not, strings.ReplaceAll(c.Name, "_", " "))
			}
		}
		if len(not) > 0 {
			fmt.Fprintf(&missing, "- %s: %s\n", e.Title, strings.Join(not, ", "))
		}
	}
	return table.String() + "\nNot seen, though the first table names it:\n\n" + missing.String() +
		"- No real one was played: " + strings.Join(never, ", ") + "\n"
}

// sources are the words for where cached tokens come from.
var sources = map[string]string{"usage": "reply", "timings": "timings", "counters": "counters",
	"ttft_fit": "time to the first token"}

func reusable(s seen) string {
	if s.Block > 1 {
		return fmt.Sprintf("%s, blocks of %d", s.Reusable, s.Block)
	}
	return s.Reusable
}

func version(s seen) string {
	switch {
	case s.Package == "":
		return cmp.Or(s.Version, "not told")
	case s.Version == "":
		return s.Package
	}
	return s.Version + " (" + s.Package + ")"
}

func through(what string) string {
	if what == "" {
		return ""
	}
	return ", through " + what
}

func orDash(n int) string {
	if n == 0 {
		return "–"
	}
	return fmt.Sprint(n)
}

func orNone(text string) string { return cmp.Or(text, "–") }

// TestSeenIsSorted: what was seen has one place for each set-up.
func TestSeenIsSorted(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("seen", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		list := readSeen(t, name)
		if !slices.ContainsFunc(engines.All, func(e engines.Engine) bool { return e.Name == name }) {
			t.Errorf("%s: there is no such engine", file)
		}
		if !slices.IsSortedFunc(list, seenOrder) {
			t.Errorf("%s: not in order", file)
		}
	}
}

// seenOrder puts what a pull request plays first.
func seenOrder(a, b seen) int {
	return cmp.Or(cmp.Compare(night(a), night(b)), cmp.Compare(a.SetUp, b.SetUp), cmp.Compare(a.Through, b.Through))
}

func night(s seen) int {
	if s.Nightly {
		return 1
	}
	return 0
}
