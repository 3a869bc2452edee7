package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	markup "html"
	"strings"
	"testing"
	"time"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
	"homellm/schema"
)

// slower is the passing story in which every turn after the removal takes half a second longer.
func slower() *metrics.Run {
	r := &metrics.Run{}
	for _, e := range passing().events {
		if q, ok := e.Body.(event.Request); ok && q.Phase == "after_removal" {
			for k := range q.Chunks {
				q.Chunks[k].At += millis(500)
			}
			q.Done += millis(500)
			e.Body = q
		}
		r.Add(e)
	}
	return r
}

// gate allows 5 %.
func gate(name, metric string) compare.Gate {
	return compare.Gate{Name: name, Metric: metric, Stat: "p50", MaxWorse: new(0.05), Alpha: 0.02, MinSamples: 5,
		Severity: "fail", OnUnknown: "inconclusive",
		File: "ci/gates.yaml", Line: 7, Column: 13}
}

func judged(old, new compare.Source, gates ...compare.Gate) compare.Comparison {
	rules := compare.Rules{Gates: gates, OnMismatch: "inconclusive"}
	return compare.Comparison{Pairs: []compare.Pair{rules.Compare("sim x m", old, new, time.Time{})}}
}

func compareAs(t *testing.T, name string, c compare.Comparison) string {
	t.Helper()
	for _, f := range CompareFormats {
		if f.Name == name {
			var b bytes.Buffer
			if err := f.Write(&b, c, Options{}); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
	}
	t.Fatalf("no format %s", name)
	return ""
}

func inOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	at := 0
	for _, p := range parts {
		i := strings.Index(text[at:], p)
		if i < 0 {
			t.Errorf("%q is missing, or stands too early", p)
			continue
		}
		at += i
	}
}

// Every format says the verdict, what was simulated, and each gate with its numbers.
func TestCompareFormats(t *testing.T) {
	before, after := replay(t, "passing"), slower()
	c := judged(compare.Measured(before.Cells[0], "run one"), compare.Measured(after.Cells[0], "run two"),
		gate("after", "phases.after_removal.ttft_ms"), gate("with", "phases.with_rag.ttft_ms"),
		gate("nothing", "steps.nothing.ttft_ms"))

	on := playedOn(before.Cells[0])
	if !strings.Contains(on, "context ") {
		t.Fatalf("nothing is known of where the run was played: %q", on)
	}
	page := compareAs(t, "html", c)
	accessible(t, "gates", page)
	inOrder(t, page, `<span class="badge fail">FAIL</span>`, "worse: after", "<strong>SIMULATED</strong> old and new",
		"run one, on "+on+" → run two, on "+on,
		`<tr class="fail">`, `<span class="name">after</span>`, `may become worse by 5 %`, `<tr class="unknown">`,
		"the old side has no value", `<tr class="pass">`, "Change against the margin", "phases.after_removal.ttft_ms",
		"Turn by turn",
		"Time to first token")

	moved := "moved most: phases.after_removal.ttft_ms 60 ms → 560 ms"
	inOrder(t, compareAs(t, "table", c), "FAIL  worse: after", moved, "167 times its margin", "SIMULATED  old and new",
		"old  run one, on "+on, "new  run two, on "+on, "margin", "worse", "after", " 5.0 % ", "same", "with", "unknown",
		"nothing", "next:", "homellm results diff ", "homellm history rag-long")
	inOrder(t, page, moved, `<td data-name="margin">5.0 %</td>`, "What to do next", "homellm history rag-long")
	inOrder(t, compareAs(t, "markdown", c), "### ❌ FAIL: worse: after", "moved most: ", "**SIMULATED**",
		"- old: run one, on "+md(on), "- new: run two, on "+md(on), "**worse**")
	inOrder(t, compareAs(t, "json", c), `"simulated": true`, `"verdict": "worse"`, `"verdict": "fail"`)

	// A baseline has no turns: the page says so instead of drawing them.
	b, err := compare.Rules{Gates: []compare.Gate{{Metric: "phases.after_removal.ttft_ms"}}}.Record(before.Cells[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	page = compareAs(t, "html", judged(b.Source("baselines/x.json"), compare.Measured(after.Cells[0], "run two"),
		gate("after", "phases.after_removal.ttft_ms")))
	accessible(t, "baseline", page)
	inOrder(t, page, "FAIL", "BASELINE</span> <strong>old</strong> baselines/x.json", "server.simulation",
		"baselines/x.json, on "+sideOn(b.Source("")), "run two, on "+on,
		`<tr class="fail">`, "Not shown: the old side turn by turn")
	if strings.Contains(page, "Turn by turn") {
		t.Error("a baseline has charts turn by turn")
	}
}

// Gates are annotated where they are written, and those of several cells share GitHub's limit.
func TestCompareAnnotations(t *testing.T) {
	before, after := replay(t, "passing"), slower()
	out := compareAs(t, "github", judged(compare.Measured(before.Cells[0], "a"), compare.Measured(after.Cells[0], "b"),
		gate("after, 100%", "phases.after_removal.ttft_ms")))
	first, _, _ := strings.Cut(out, "\n")
	if !strings.HasPrefix(first, "::error file=ci/gates.yaml,line=7,col=13,title=after%2C 100%25::sim x m: "+
		"worse%0Aphases.after_removal.ttft_ms: 60 ms → 560 ms, +833.3 %25 (95 %25: ") {
		t.Error(first)
	}
	var many []compare.Gate
	for i := range 12 {
		many = append(many, gate(fmt.Sprint("g", i), "phases.after_removal.ttft_ms"))
	}
	out = compareAs(t, "github", judged(compare.Measured(before.Cells[0], "a"), compare.Measured(after.Cells[0], "b"),
		many...))
	if strings.Count(out, "::error") != 10 || !strings.Contains(out, "::error::and 3 more, see summary") {
		t.Error(out)
	}
	// Sides that cannot be compared are one annotation, not one for each gate.
	old := compare.Measured(before.Cells[0], "a")
	old.Fingerprint = compare.Fingerprint{"gpu.name": "RTX 3090"}
	rules := compare.Rules{Gates: many, OnMismatch: "inconclusive", Match: []string{"gpu.name"}}
	out = compareAs(t, "github", compare.Comparison{Pairs: []compare.Pair{rules.Compare("c", old,
		compare.Measured(after.Cells[0], "b"), time.Time{}), {Cell: "d", Missing: "no baseline", Required: true}}})
	if strings.Count(out, "::error") != 2 || !strings.Contains(out, "differs: gpu.name: RTX 3090 -> not known") ||
		!strings.Contains(out, "title=d::no baseline") {
		t.Error(out)
	}
}

// An expression of a gates file is a gate like the others in every format.
func TestCompareFormats_Expression(t *testing.T) {
	before, after := replay(t, "passing"), slower()
	rules := compare.Rules{Gates: []compare.Gate{gate("after", "phases.after_removal.ttft_ms")}}
	pair := rules.Compare("sim x m", compare.Measured(before.Cells[0], "a"), compare.Measured(after.Cells[0], "b"),
		after.Started.Started)
	for _, v := range []event.Outcome{event.Fail, event.Pass, event.Unknown} {
		pair.Deltas = append(pair.Deltas, compare.Delta{
			Gate: compare.Gate{
				Name: "tail-" + string(v), Metric: "a < base.a", Severity: event.SeverityFail, OnUnknown: event.UnknownInconclusive,
				File: "ci/gates.yaml", Line: 9, Column: 3,
			},
			Test: "expression", Verdict: v, Why: "a is 3 ms, base.a is 2 ms",
		})
	}
	c := compare.Comparison{Pairs: []compare.Pair{pair}}
	inOrder(t, compareAs(t, "table", c), "worse: after, tail-fail", "fail", "tail-fail", "pass", "tail-pass", "unknown",
		"tail-unknown", "tail-fail: a is 3 ms, base.a is 2 ms")
	inOrder(t, compareAs(t, "github", c), "::error file=ci/gates.yaml,line=9,col=3,title=tail-fail::sim x m: fail%0Aa "+
		"is 3 ms")
	page := compareAs(t, "html", c)
	accessible(t, "expression", page)
	inOrder(t, page, `<tr class="fail">`, "tail-fail", `<tr class="pass">`, "tail-pass")
	var doc any
	if err := json.Unmarshal([]byte(compareAs(t, "json", c)), &doc); err != nil {
		t.Fatal(err)
	}
	if problems := schema.Validate("compare", doc); len(problems) > 0 {
		t.Errorf("the comparison does not match its schema: %+v", problems)
	}
}

// Names come from files of strangers: none is obeyed by a terminal, a browser, a runner or a reader.
func TestCompareFormats_SurviveHostileText(t *testing.T) {
	evil := "a\x1b[31m\u202e<script>|`@everyone\n::error::x"
	before, after := replay(t, "passing"), slower()
	g := gate(evil, "phases.after_removal.ttft_ms")
	g.File = evil
	c := judged(compare.Measured(before.Cells[0], evil), compare.Measured(after.Cells[0], evil), g)
	c.Pairs[0].Cell, c.Pairs[0].Warnings = evil, []string{evil}
	for _, f := range CompareFormats {
		out := compareAs(t, f.Name, c)
		for _, bad := range []string{"\x1b", "\u202e", "<script>|", "\n::error::x", " @everyone", "`@everyone"} {
			if bad == "`@everyone" && f.Name != "markdown" {
				continue // only there it would be a mention
			}
			if bad == "<script>|" && (f.Name == "table" || f.Name == "github") {
				continue // no browser reads these
			}
			if strings.Contains(out, bad) {
				t.Errorf("%s holds %q", f.Name, bad)
			}
		}
		if f.Name == "html" {
			accessible(t, "hostile", out)
		}
	}
}

// What alone makes the numbers of two sides differ is in every form of a comparison, and where two runs stand side by
// side.
func TestCompareFormats_TellWhatDiffers(t *testing.T) {
	before, after := replay(t, "passing"), slower()
	before.Started.Homellm, after.Started.Homellm = "v1.3.0", "v1.2.0"
	before.Cells[0].Started.Server.Address, after.Cells[0].Started.Server.Address = "loopback", "public"
	c := judged(compare.Measured(before.Cells[0], "old"), compare.Measured(after.Cells[0], "new"),
		gate("ttft", "phases.after_removal.ttft_ms"))
	version, address := "v1.3.0", "public"
	for _, f := range CompareFormats {
		out := compareAs(t, f.Name, c)
		if !strings.Contains(out, version) || !strings.Contains(out, "downgrade") || !strings.Contains(out, address) {
			t.Errorf("%s does not tell of another version or address:\n%s", f.Name, out)
		}
	}
	var text, page bytes.Buffer
	if err := Difference(&text, before, after, Options{Width: 200}); err != nil {
		t.Fatal(err)
	}
	if err := CompareHTML(&page, before, after, View{}); err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]string{"text": text.String(), "page": page.String()} {
		if strings.Count(out, "(a downgrade)") != 1 || !strings.Contains(out, "server.address: loopback") {
			t.Errorf("the %s of two runs side by side:\n%s", name, out)
		}
	}
}

// A side of which values are not known exactly is shown by the interval that its statistic lies in.
func TestCompareFormats_HiddenValues(t *testing.T) {
	g := gate("hits", "phases.with_rag.cache.hit_rate")
	g.MaxWorse, g.MaxWorseAbs = nil, new(0.01)
	c := judged(compare.Measured(uneven().Cells[0], "old"), compare.Measured(hiding().Cells[0], "new"), g)
	d := c.Pairs[0].Deltas[0]
	if d.New.Within == nil || d.Between == nil || d.Verdict != event.Unknown {
		t.Fatalf("%s: %+v, change %v", d.Verdict, d.New, d.Between)
	}
	row := compareRow(d)
	if want := readable.Range(d.New.Within.Low, d.New.Within.High, func(v float64) string {
		return readable.Quantity(v, d.Unit)
	}); row[3] != want || !strings.Contains(row[4], " … ") || row[columnN] != "12/12" {
		t.Errorf("the row is %q, want %s on the new side", row, want)
	}
	for _, f := range CompareFormats {
		out := markup.UnescapeString(compareAs(t, f.Name, c))
		if f.Name != "json" && (!strings.Contains(out, row[3]) || !strings.Contains(out, row[4])) {
			t.Errorf("%s shows neither %s nor %s:\n%s", f.Name, row[3], row[4], out)
		}
		if !strings.Contains(out, "3 of 12 repeats of the new side") {
			t.Errorf("%s does not say what is not known:\n%s", f.Name, out)
		}
	}
	var doc any
	if err := json.Unmarshal([]byte(compareAs(t, "json", c)), &doc); err != nil {
		t.Fatal(err)
	}
	if problems := schema.Validate("compare", doc); len(problems) > 0 {
		t.Errorf("the schema refuses what is written: %v", problems)
	}
	said := "Where a value is not known exactly there is no box."
	if out := compareAs(t, "html", c); !strings.Contains(out, said) {
		t.Error("the chart of the samples says nothing of those it does not draw")
	}
}
