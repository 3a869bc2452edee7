package dsl

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
)

const wholeGates = `schema: homellm.gates/v1
baseline:
  file: baselines/${scenario.name}/${server.name}--${model.name}.json
  must_match: [gpu.name, scenario.sha256]
  on_mismatch: warn
  max_age: 720h
noise: {from: aa, require_threshold_above: 3}
between_runs: 8%
compare:
  - name: ttft
    metric: steps.after_removal.ttft_ms
    max_worse: 10%
    min_delta: 15
    test: mann_whitney
    alpha: 0.02
    min_samples: 12
  - name: hits
    metric: phases.after_removal.cache.hit_rate
    stat: mean
    better: higher
    max_worse_abs: 0.05
    severity: warn
    on_unknown: skip
`

func TestLoadGates(t *testing.T) {
	v := testVocabulary
	v.Turn = append([]expr.Name{}, v.Turn...)
	for i := range v.Turn {
		if v.Turn[i].Path == "ttft_ms" {
			v.Turn[i].Better = -1
		}
	}
	g, diags := LoadGates(File{Name: "gates.yaml", Data: []byte(wholeGates)}, v)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	want := &Gates{
		Pos: g.Pos, File: "baselines/${scenario.name}/${server.name}--${model.name}.json",
		MustMatch:  []string{"gpu.name", "scenario.sha256"},
		OnMismatch: "warn", MaxAge: 720 * time.Hour, NoiseTimes: 3, BetweenRuns: new(0.08),
		Compare: []*GateRule{
			{Pos: syntax.Pos{File: "gates.yaml", Line: 11, Col: 13}, Name: "ttft", Metric: "steps.after_removal.ttft_ms",
				Stat: "p50", Better: -1, MaxWorse: new(0.1), MinDelta: 15,
				Test: "mann_whitney", Alpha: 0.02, MinSamples: 12, Severity: "fail", OnUnknown: "inconclusive"},
			{Pos: syntax.Pos{File: "gates.yaml", Line: 18, Col: 13}, Name: "hits", Metric: "phases.after_removal.cache.hit_rate",
				Stat: "mean", Better: 1, MaxWorseAbs: new(0.05),
				Alpha: 0.01, MinSamples: 10, Severity: "warn", OnUnknown: "skip"},
		},
	}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	path := g.Baseline(map[string]string{"scenario.name": "rag", "server.name": "../etc", "model.name": "Qwen/Qwen2.5 7B"})
	if want := "baselines/rag/-etc--Qwen-Qwen2.5-7B.json"; path != want {
		t.Errorf("the baseline is at %s, want %s", path, want)
	}
	if _, diags := LoadGates(File{Name: "s.yaml",
		Data: []byte("schema: homellm.scenario/v1\nname: x\nconversations: [{id: a, steps: [{id: b, ask: c}]}]\n")},
		v); !diags.Errors() || diags[0].Code != "links/kind" {
		t.Errorf("a scenario is a gates file: %v", diags)
	}
}

// A gates file of a stranger has baselines written and read in its own folder only.
func TestLoadGates_BaselineStaysInside(t *testing.T) {
	for _, path := range []string{"/etc/x.json", "../x.json", "a/../../x.json", `..\x.json`, `C:\x.json`,
		"${cell}/../../x.json", "${home}/x.json"} {
		text := fmt.Sprintf("schema: homellm.gates/v1\nbaseline: {file: %q}\ncompare:\n  - {name: a, metric: run.ttft_ms, "+
			"max_worse: 5%%}\n", path)
		if _, diags := LoadGates(File{Name: "g.yaml", Data: []byte(text)}, testVocabulary); !strings.Contains(diags.Error(),
			"links/file") && !strings.Contains(diags.Error(), "links/reference") {
			t.Errorf("%s is taken: %v", path, diags)
		}
	}
	g := &Gates{File: "${scenario.name}/${cell}.json"}
	for _, name := range []string{"..", "../..", "/etc", "a/../..", `a\..\..`, "....//"} {
		if path := g.Baseline(map[string]string{"scenario.name": name, "cell": name}); !filepath.IsLocal(path) ||
			filepath.Clean(path) != path || strings.Count(path, "/") != 1 {
			t.Errorf("%q becomes %s", name, path)
		}
	}
}

// TestSamplesFor: of the C(10,5) = 252 orders of five and five two are extreme, 2/252 = 0.0079; of
// the 2^8 signs of eight pairs two, 2/256 = 0.0078.
func TestSamplesFor(t *testing.T) {
	for _, c := range []struct {
		alpha float64
		test  string
		want  int
	}{{0.01, "mann_whitney", 5}, {0.05, "", 4}, {2. / 252, "", 5}, {0.0079, "", 6}, {0.01, "paired", 8}} {
		if got := samplesFor(c.alpha, c.test); got != c.want {
			t.Errorf("alpha %g %s: %d, want %d", c.alpha, c.test, got, c.want)
		}
	}
}

// TestFamily: gates that gate share an error of 0.05, so that four values, which reach 2/70 = 0.029, are enough for
// one of alpha 0.05 and not for two.
func TestFamily(t *testing.T) {
	for _, c := range []struct{ gates, severity, want string }{
		{"1", "fail", ""}, {"2", "fail", "each of 2 gates"}, {"2", "warn", ""},
	} {
		text := "schema: homellm.gates/v1\ncompare:\n"
		for _, name := range strings.Split("a b", " ")[:int(c.gates[0]-'0')] {
			text += "  - {name: " + name + ", metric: steps.q.ttft_ms, better: lower, max_worse: 5%, alpha: 0.05, min_samples: 4, " +
				"severity: " + c.severity + "}\n"
		}
		_, diags := LoadGates(File{Name: "g.yaml", Data: []byte(text)}, testVocabulary)
		if got := diags.Error(); diags.Errors() != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%s gates of severity %s: %v", c.gates, c.severity, diags)
		}
	}
}

func TestShippedVocabularyIsGateable(t *testing.T) {
	for metric, want := range map[string]string{
		"steps.any.ttft_ms": "", "conversations.c.requests_failed": "better", "run.requests_failed": "better",
		"steps.q.text": "has no metric", "turn.ttft_ms": "not a metric", "steps.q": "does not name",
	} {
		text := "schema: homellm.gates/v1\ncompare: [{name: x, max_worse: 1%, metric: " + metric + "}]\n"
		v := testVocabulary
		v.Turn = []expr.Name{{Path: "ttft_ms", Kind: expr.Float, Better: -1, Aggregate: true},
			{Path: "text", Kind: expr.String}}
		diags := Validate(File{Name: "g.yaml", Data: []byte(text)}, nil, v)
		if (want == "") != (len(diags) == 0) || want != "" && !strings.Contains(diags[0].Message, want) {
			t.Errorf("%s: %v, want %q", metric, diags, want)
		}
	}
}

func TestLoadGates_Expressions(t *testing.T) {
	for that, want := range map[string]string{
		"steps.q.ttft_ms.p95 <= 1.25 * base.steps.q.ttft_ms.p95": "",
		"base.matches && base.age_h < 24":                        "",
		"run.requests_failed <= base.run.requests_failed":        "",
		"steps.q.ttft_ms < base.steps.q.ttft_ms.p50":             "add one of .n",
		"base.steps.q.tftt_ms.p50 > 1":                           `did you mean "ttft_ms"`,
		"base.steps.Q1.ttft_ms.p50 > 1":                          "no id of a step",
		"base.turn.ttft_ms > 1":                                  "base has",
		"turn.ttft_ms > base.steps.q.ttft_ms.p50":                "not known in the assert of a gates file",
		"run.requests_failed < vars.limit":                       "a gates file is for any scenario",
		"base.steps.q.cache.hit_rate.p50 > 50":                   "50 % is 0.5",
		"steps.q.ttft_ms.p50 > 'x'":                              "expr",
		"base.age_h":                                             "true or false",
		"1 < 2":                                                  "names no metric",
	} {
		g, ds := LoadGates(File{Name: "g.yaml", Data: []byte("schema: homellm.gates/v1\nassert: [{name: a, that: \"" + that +
			"\"}]\n")}, testVocabulary)
		text := ""
		for _, d := range ds {
			text += d.Code + " " + d.Message + " " + d.Help
		}
		if ds.Errors() != (want != "") || !strings.Contains(text, want) {
			t.Errorf("%s: %q, want %q", that, text, want)
		}
		if want == "" && (len(g.Assert) != 1 || g.Assert[0].Paths() == nil) {
			t.Errorf("%s: not compiled", that)
		}
	}
	for text, want := range map[string]string{
		"schema: homellm.gates/v1\n": "no gate",
		"schema: homellm.gates/v1\ncompare: [{name: a, metric: run.requests_failed, better: lower, max_worse: 5%}]\n" +
			"assert: [{name: a, that: base.matches}]\n": "second",
	} {
		if _, ds := LoadGates(File{Name: "g.yaml", Data: []byte(text)}, testVocabulary); !ds.Errors() {
			t.Errorf("%q was taken (%s)", text, want)
		}
	}
}
