package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/compare"
	"homellm/engine/event"
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

// One name is one number: whatever path of a run is asked for, by whatever report, it is one value.
func TestEveryPathHasOneValue(t *testing.T) {
	r := uneven()
	c := r.Cells[0]
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
	sheet := spreadsheet(t, r)
	rules := compare.Rules{Usual: true}
	b, err := rules.Record(c, 0)
	if err != nil {
		t.Fatal(err)
	}
	asserted := c.Lookup("scenario", 0, "", "")
	seen := 0
	for _, s := range summarise(r, c) {
		for _, stat := range metrics.Stats {
			if s.group == "cell" {
				continue
			}
			want, why := s.dist.Sound(stat.Name)
			name := s.path() + "." + stat.Name
			tell := func(where string, got float64, ok bool) {
				t.Helper()
				if ok != (why == "") || ok && math.Abs(got-want) > 1e-9*math.Abs(want) {
					t.Errorf("%s is %v (%s) in the summary and %v, %t in %s", name, want, why, got, ok, where)
				}
			}
			got, ok := doc.Cells[0].Metrics[s.path()][stat.Name].(float64)
			tell("JSON", got, ok)
			got, err := strconv.ParseFloat(sheet[name], 64)
			tell("CSV", got, err == nil)
			if stat.Floor == 0 || why != "" {
				continue
			}
			seen++
			if s.group != "run" {
				got, ok = asserted(name).Number()
				tell("an assertion", got, ok)
			}
			sample := c.Sample(s.path())
			if len(sample.Values) == 0 {
				continue // a metric that no gate can ask for
			}
			if stat.Name == "p50" || stat.Name == "mean" {
				g := compare.Gate{Name: "g", Metric: s.path(), Stat: stat.Name, MaxWorse: new(0.05), Better: -1, Alpha: 0.01,
					MinSamples: 2}
				d := g.Compare(sample, sample, false)
				tell("a comparison", *d.Old.Center, true)
				if _, kept := b.Metrics[s.path()]; kept {
					d = g.Compare(b.Sample(s.path()), sample, false)
					tell("a baseline", *d.Old.Center, true)
				}
			}
		}
	}
	if seen < 300 {
		t.Errorf("only %d values were held against each other", seen)
	}
	beside := deltas(r, r, c, c)
	if len(beside) == 0 {
		t.Error("nothing stands side by side")
	}
	for _, d := range beside {
		for _, p := range figure.Phases() {
			if readable.Phase(p) != d.where {
				continue
			}
			path := "phases." + p + "." + d.def.Name + "." + d.stat
			got, why := d.old.Sound(d.stat)
			want, err := strconv.ParseFloat(sheet[path], 64)
			if (why == "") != (err == nil) || why == "" && math.Abs(got-want) > 1e-9 {
				t.Errorf("%s is %v (%s) where two runs stand side by side and %q in the summary", path, got, why, sheet[path])
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
