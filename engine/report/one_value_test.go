package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/judge"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// uneven is a run in which every way to fold turns gives another number: steps of one and of three turns, phases of
// several steps, and an even number of repeats.
func uneven() *metrics.Run {
	random := rand.New(rand.NewPCG(1, 2))
	r := &metrics.Run{}
	var at time.Duration
	add := func(cell string, b event.Body) { r.Add(event.Event{At: at, Cell: cell, Body: b}) }
	add("", event.RunStarted{Version: event.Version, ID: "u", Started: time.Unix(1e9, 0), Scenario: event.Scenario{
		Name: "s", Repeats: 12, ErrorBudget: 1, Isolation: "salt", Scope: "repeat", Conversations: []event.Conversation{{
			ID: "c", Steps: []event.Step{{ID: "a", Turns: 1}, {ID: "b", Turns: 3}, {ID: "d", Turns: 1}}}}}})
	add("x", event.CellPlanned{Labels: []event.Label{{Name: "server", Value: "v"}, {Name: "model", Value: "m"}}, Turns: 5})
	add("x", event.CellStarted{Attempt: 1, Server: event.Server{Engine: "vllm", Model: "m"}})
	for repeat := range 12 {
		for i, step := range []string{"a", "b", "b", "b", "d"} {
			sent := at
			first := sent + time.Duration(20+random.IntN(400))*time.Millisecond
			last := first + time.Duration(50+random.IntN(400))*time.Millisecond
			at = last + time.Millisecond
			q := event.Request{Repeat: repeat + 1, Conversation: "c", Step: step, Turn: max(1, i), Phase: "with_rag"}
			if i == 0 {
				q.Phase = "before"
			}
			if step == "d" {
				q.Turn = 1
			}
			prompt, cached, output := 100+random.IntN(900), random.IntN(100), 3+random.IntN(40)
			q.Due, q.Sent, q.Done, q.Status, q.Text, q.Finish = sent, &sent, last, 200, "xy", "stop"
			q.Chunks = []event.Chunk{{At: first, Channel: event.Answer, Bytes: 1}, {At: last, Channel: event.Answer, Bytes: 1}}
			q.Usage = event.Usage{Prompt: &prompt, Completion: &output, Cached: &cached}
			q.Cached, q.CacheSource, q.Reusable = &cached, "usage", new(cached+50)
			add("x", q)
		}
	}
	add("x", event.Verdict{Name: "v", Severity: "fail", Verdict: event.Pass, OnUnknown: "inconclusive"})
	add("x", event.CellDone{})
	add("", event.RunDone{})
	return r
}

// hiding is the same run of a server that keeps some of its counts to itself: many figures are intervals.
func hiding() *metrics.Run {
	r := uneven()
	for _, q := range r.Cells[0].Requests {
		switch {
		case q.Step == "b" && q.Turn == 2 && q.Repeat%4 == 1:
			q.Cached = nil
		case q.Step == "d" && q.Repeat%5 == 2:
			q.Usage.Completion = nil
		case q.Step == "a" && q.Repeat == 6:
			q.Usage.Prompt = nil
		}
	}
	return r
}

// shownAs is how a report that people read has a value.
func shownAs(v metrics.Value, show func(float64) string) string {
	if f, ok := v.Number(); ok {
		return show(f)
	}
	if v.Range != nil {
		return readable.Range(v.Range.Low, v.Range.High, show)
	}
	return readable.Unknown
}

// described is a statistic of a summary.
func described(of metrics.Dist, stat string) metrics.Value {
	v, why := of.Sound(stat)
	if r, ok := of.SoundWithin(stat); ok {
		return metrics.Value{Why: of.Why, Range: &r}
	}
	return metrics.Value{V: v, Why: why}
}

// one says whether two values are the same number, the same interval, or both unknown.
func one(a, b metrics.Value) bool {
	near := func(x, y float64) bool { return x == y || math.Abs(x-y) <= 1e-9*math.Abs(x) }
	x, exact := a.Number()
	y, exactToo := b.Number()
	switch {
	case exact || exactToo:
		return exact && exactToo && near(x, y)
	case a.Range == nil || b.Range == nil:
		return a.Range == nil && b.Range == nil
	}
	return near(a.Range.Low, b.Range.Low) && near(a.Range.High, b.Range.High)
}

// walk is one run in every report that names its figures by path.
type walk struct {
	run      *metrics.Run
	cell     *metrics.Cell
	json     map[string]map[string]any
	sheet    map[string]string
	asserted func(path string) metrics.Value
	baseline *compare.Baseline
	asked    string              // the expressions over the baseline
	printed  map[string][]string // rows of baseline show
}

func walkOf(t *testing.T, r *metrics.Run) walk {
	t.Helper()
	w := walk{run: r, cell: r.Cells[0], sheet: spreadsheet(t, r), printed: map[string][]string{}}
	w.asserted = w.cell.Lookup("scenario", 0, "", "")
	var text bytes.Buffer
	if err := result(&text, r, Options{}); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Cells []struct{ Metrics map[string]map[string]any }
	}
	if err := json.Unmarshal(text.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	w.json = doc.Cells[0].Metrics
	// Gates that ask for everything, so that the baseline has it as samples and as figures.
	var gates []compare.Gate
	var names []string
	for _, s := range summarise(r, w.cell) {
		if sample := w.cell.Sample(s.path); !sample.Told() {
			continue // a metric that no gate can ask for
		}
		gates = append(gates, compare.Gate{Name: s.path, Metric: s.path, Stat: "mean", Severity: "warn"})
		for _, stat := range metrics.Stats {
			if stat.Floor > 0 && s.group != "run" {
				names = append(names, fmt.Sprintf("  - {name: n%d, that: base.%s.%s >= -1, severity: warn, "+
					"allow_small_n: true}", len(names), s.path, stat.Name))
			}
		}
	}
	load := func() (*dsl.Gates, syntax.Diagnostics) {
		return dsl.LoadGates(dsl.File{Name: "g.yaml", Data: []byte("schema: homellm.gates/v1\nassert:\n" +
			strings.Join(names, "\n") + "\n")}, judge.Vocabulary())
	}
	_, diags := load()
	for _, d := range slices.Backward(diags) { // not every sample has a name in expressions
		names = slices.Delete(names, d.Pos.Line-3, d.Pos.Line-2)
	}
	g, diags := load()
	if diags.Errors() {
		t.Fatal(diags)
	}
	w.asked = strings.Join(names, "\n")
	rules := compare.RulesOf(g, ".")
	rules.Gates = gates
	b, err := rules.Record(w.cell, 0)
	if err != nil {
		t.Fatal(err)
	}
	text.Reset()
	if err := b.Write(&text); err != nil {
		t.Fatal(err)
	}
	if w.baseline, err = compare.ReadBaseline(text.Bytes()); err != nil {
		t.Fatal(err)
	}
	text.Reset()
	if err := Baseline(&text, w.baseline); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if cells := regexp.MustCompile(` {2,}`).Split(strings.TrimSpace(line), -1); len(cells) > 5 {
			w.printed[cells[0]] = cells
		}
	}
	return w
}

// everywhere is a statistic of a path in every report that has it.
func (w walk) everywhere(path, stat, group string) map[string]metrics.Value {
	const name = "no exact value"
	out := map[string]metrics.Value{}
	v := metrics.Value{Why: name}
	if f, ok := w.json[path][stat].(float64); ok {
		v = metrics.Value{V: f}
	}
	if within, ok := w.json[path]["within"].(map[string]any); ok && within[stat] != nil {
		raw, _ := json.Marshal(within[stat])
		v.Range = &event.Range{}
		_ = json.Unmarshal(raw, v.Range)
	}
	out["JSON"] = v
	if group != "run" {
		out["an assertion"] = w.asserted(path + "." + stat)
	}
	sample := w.cell.Sample(path)
	if !sample.Told() {
		return out
	}
	out["a sample"] = sample.Stat(stat)
	kept := w.baseline.Sample(path)
	out["a baseline"] = kept.Stat(stat)
	if strings.Contains(w.asked, "base."+path+"."+stat+" ") {
		out["an expression over a baseline"] = w.baseline.Source("").Figure(path + "." + stat)
	}
	switch stat {
	case "p50", "mean", "p90", "p95", "max":
		g := compare.Gate{Name: "g", Metric: path, Stat: stat, MaxWorse: new(0.05), Better: -1, Alpha: 0.01, MinSamples: 2}
		for where, side := range map[string]compare.Side{
			"a comparison":                 g.Compare(sample, sample, false).New,
			"a comparison with a baseline": g.Compare(kept, sample, false).Old,
		} {
			v := metrics.Value{Why: name, Range: side.Within}
			if side.Center != nil {
				v = metrics.Value{V: *side.Center}
			}
			out[where] = v
		}
	}
	return out
}

// One name is one number, or one interval: whatever path of a run is asked for, by whatever report, it is one value.
func TestEveryPathHasOneValue(t *testing.T) {
	for name, r := range map[string]*metrics.Run{"exact": uneven(), "hiding": hiding()} {
		t.Run(name, func(t *testing.T) {
			w := walkOf(t, r)
			seen := map[string]int{}
			for _, s := range summarise(w.run, w.cell) {
				for _, stat := range metrics.Stats {
					want := described(s.dist(), stat.Name)
					if s.group == "cell" || stat.Floor > 0 && !want.Known() && want.Range == nil {
						continue
					}
					path := s.path + "." + stat.Name
					of := w.everywhere(s.path, stat.Name, s.group)
					if stat.Floor == 0 {
						of = map[string]metrics.Value{"JSON": of["JSON"]} // how many there are is no figure of a sample
					}
					for where, got := range of {
						if seen[where]++; !one(want, got) {
							t.Errorf("%s is %+v in the summary and %+v in %s", path, want, got, where)
						}
					}
					if got, err := strconv.ParseFloat(w.sheet[path], 64); (err == nil) != want.Known() ||
						err == nil && !one(want, metrics.Value{V: got}) {
						t.Errorf("%s is %+v in the summary and %q in CSV", path, want, w.sheet[path])
					}
					if want.Range != nil {
						seen["an interval"]++
					}
					w.inPrint(t, s, stat.Name, want, seen)
				}
			}
			w.inTables(t, seen)
			least := map[string]int{"JSON": 600, "an assertion": 400, "a sample": 200, "a baseline": 200, "a comparison": 100,
				"a comparison with a baseline": 100, "an expression over a baseline": 200, "baseline show": 60, "a table": 8,
				"a difference": 8}
			if name == "hiding" {
				least["an interval"] = 100
			}
			for where, n := range least {
				if seen[where] < n {
					t.Errorf("only %d values were held against %s", seen[where], where)
				}
			}
		})
	}
}

// inPrint compares a value with what baseline show prints of it.
func (w walk) inPrint(t *testing.T, s summary, stat string, want metrics.Value, seen map[string]int) {
	t.Helper()
	row, at := w.printed[s.path], slices.Index([]string{"p50", "min", "max"}, stat)
	if row == nil || at < 0 {
		return
	}
	seen["baseline show"]++
	at += len(row) - 4 // a unit may be empty
	if got, shown := row[at], shownAs(want, func(v float64) string { return fmt.Sprintf("%.4g", v) }); got != shown {
		t.Errorf("%s.%s is %s in the summary and %s in baseline show", s.path, stat, shown, got)
	}
	if n := strconv.Itoa(s.dist().Count()); row[len(row)-5] != n {
		t.Errorf("%s has n %s in the summary and %s in baseline show", s.path, n, row[len(row)-5])
	}
}

// inTables compares the phases in the table of the cell, and where two runs are side by side, with the summary.
func (w walk) inTables(t *testing.T, seen map[string]int) {
	t.Helper()
	of := map[string]metrics.Value{}
	for _, s := range summarise(w.run, w.cell) {
		for _, stat := range metrics.Stats {
			of[s.path+"."+stat.Name] = described(s.dist(), stat.Name)
		}
	}
	check := func(where, path string, d *metrics.Def, got string) {
		t.Helper()
		seen[where]++
		if want := shownAs(of[path], func(v float64) string { return readable.Quantity(v, d.Unit) }); got != want {
			t.Errorf("%s is %s in the summary and %s in %s", path, want, got, where)
		}
	}
	table := cellGrid(w.run, w.cell, true)
	for _, row := range table.rows {
		for i, col := range metrics.Columns() {
			check("a table", "phases."+row[table.left-1]+"."+col.Name+"."+col.At.Stat, col.Def, row[table.left+i])
		}
	}
	for _, d := range deltas(w.run, w.run, w.cell, w.cell) {
		for _, p := range figure.Phases() {
			if readable.Phase(p) == d.where {
				check("a difference", "phases."+p+"."+d.def.Name+"."+d.stat, d.def, d.row()[2])
			}
		}
	}
}

// spreadsheet is summary.csv by path and statistic.
func spreadsheet(t *testing.T, r *metrics.Run) map[string]string {
	t.Helper()
	var text bytes.Buffer
	if err := summaryCSV(&text, r, Options{}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&text).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, row := range rows[1:] {
		at := map[string]string{}
		for i, field := range row {
			at[rows[0][i]] = field
		}
		path := at["metric"]
		switch at["group"] {
		case "run":
			path = "run." + path
		case "step", "phase", "conversation":
			path = at["group"] + "s." + at["name"] + "." + path
		}
		for _, stat := range metrics.Stats {
			out[path+"."+stat.Name] = at[stat.Name]
		}
	}
	return out
}
