package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/replace"
	"homellm/engine/report/chart"
)

var svgElement = regexp.MustCompile(`(?s)<svg.*?</svg>`)

// Every chart has a title, a description, a table and its own id.
func TestHTML_ChartsAreAccessible(t *testing.T) {
	for name := range stories {
		out := render(t, format(t, "html"), replay(t, name), Options{})
		accessible(t, name, out)
		if !strings.Contains(out, "@media print") || !strings.Contains(out, "prefers-color-scheme:dark") {
			t.Errorf("%s: neither print nor dark", name)
		}
	}
	var b bytes.Buffer
	if err := CompareHTML(&b, replay(t, "passing"), replay(t, "failing"), View{}); err != nil {
		t.Fatal(err)
	}
	accessible(t, "comparison", b.String())
}

func accessible(t *testing.T, name, out string) {
	t.Helper()
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(out, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s: the id %s stands %d times", name, id, n)
		}
	}
	charts := svgElement.FindAllString(out, -1)
	for _, c := range charts {
		wellFormed(t, c)
		by := regexp.MustCompile(`aria-labelledby="(\S+) (\S+)"`).FindStringSubmatch(c)
		if by == nil || ids[by[1]] != 1 || ids[by[2]] != 1 || !strings.Contains(c, `role="img"`) {
			t.Errorf("%s: a chart without a name: %.200s", name, c)
		}
	}
	if n := strings.Count(out, "<figure"); n != len(charts) ||
		len(regexp.MustCompile(`<details class="data( many)?"><summary>Data`).FindAllString(out, -1)) != n {
		t.Errorf("%s: %d figures, %d charts", name, n, len(charts))
	}
	for _, landmark := range []string{"<header", "<nav", "<main", "<footer", "<h1"} {
		if strings.Count(out, landmark) != 1 {
			t.Errorf("%s: %d %s>", name, strings.Count(out, landmark), landmark)
		}
	}
	if strings.Count(out, "<table") != strings.Count(out, "<caption") {
		t.Errorf("%s: a table without a caption", name)
	}
}

// The page loads nothing, and says so to the browser.
func TestHTML_LoadsNothing(t *testing.T) {
	out := render(t, format(t, "html"), replay(t, "matrix"), Options{})
	for _, bad := range []string{"http://", "https://", "url(", "@import", "<img", "<iframe", " style=", "fetch(",
		"innerHTML"} {
		if strings.Contains(strings.ReplaceAll(out, "http://127.0.0.1:8000", ""), bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
}

// The figures of the charts' tables are those of the metrics, and unknown ones are dashes.
func TestHTML_TablesTellTheNumbers(t *testing.T) {
	out := render(t, format(t, "html"), replay(t, "passing"), Options{})
	// main/after turn 1 took 60 ms and one more in each of five repeats: median 63, from 61 to 65.
	want := `<th scope="row">8</th><td class="l" data-name="step">main/after</td><td class="l" data-name="phase">after ` +
		`removal</td><td data-name="TTFT n">5</td><td data-name="median">63 ms</td><td data-name="min">61 ms</td>` +
		`<td data-name="max">65 ms</td>`
	if !strings.Contains(out, want) {
		t.Errorf("the table of TTFT lacks %s", want)
	}
	failing := render(t, format(t, "html"), replay(t, "failing"), Options{})
	if want := `>0</td><td data-name="median">–</td><td data-name="min">–</td><td data-name="max">–</td>`; !strings.Contains(failing, want) {
		t.Errorf("a turn that always failed is not shown as %s", want)
	}
	if !strings.Contains(failing, "Not shown: Cache hit rate and its ceiling, cache.hit_rate: the server reports no "+
		"cached tokens") {
		t.Error("the page does not say why there is no hit rate")
	}
}

// long is a run of many turns: it must open at once and say what it leaves out.
func long(cells, repeats, turns int) *metrics.Run {
	s := start("long", event.Conversation{ID: "main"})
	for c := range cells {
		s.add(fmt.Sprint("c", c), event.CellPlanned{Labels: labels2(fmt.Sprint("server-", c), "m"), Turns: turns})
		s.add(fmt.Sprint("c", c), event.CellStarted{Attempt: 1, Server: event.Server{Profile: "sim", Simulated: true}})
		for n := 1; n <= repeats; n++ {
			for i := range turns {
				phase := figure.Phases()[min(3*i/turns, 2)]
				s.turn(fmt.Sprint("c", c), n, false, turn{"main", "talk", "continue", phase, i + 1, 20 + float64(i%17), 100 + i,
					50 + i, 60 + i, 40, "So it is."})
				s.add(fmt.Sprint("c", c), event.Sample{Values: map[string]float64{"gpu.power_w": 200 + float64(i%50),
					"gpu.mem_used_mib": 9000}})
			}
		}
		s.add(fmt.Sprint("c", c), event.CellDone{})
	}
	s.add("", event.RunDone{})
	r := &metrics.Run{}
	for _, e := range s.events {
		r.Add(e)
	}
	return r
}

func TestHTML_StaysSmall(t *testing.T) {
	for _, c := range []struct{ cells, repeats, turns int }{{1, 1, 10_000}, {1, 100, 100}, {20, 5, 100}, {1, 1000, 1}} {
		began := time.Now()
		out := render(t, format(t, "html"), long(c.cells, c.repeats, c.turns), Options{})
		t.Logf("%d cells of %d repeats of %d turns: %.1f MB in %s", c.cells, c.repeats, c.turns, float64(len(out))/1e6,
			time.Since(began).Round(time.Millisecond))
		if len(out) > 6_000_000 {
			t.Errorf("%v: the page has %d bytes", c, len(out))
		}
		if !strings.Contains(out, "slowest of") && !strings.Contains(out, "The middle repeat of each turn;") {
			t.Errorf("%v: the page does not say that it leaves requests out", c)
		}
		if c.turns == 10_000 && !strings.Contains(out, "Neighbouring turns of a phase share one row") {
			t.Error("turns were put together silently")
		}
	}
}

// Two runs of one scenario: what differs is told, and better and worse only where the values of
// the two runs do not overlap.
func TestDifference(t *testing.T) {
	before := replay(t, "passing")
	s := passing()
	for i, e := range s.events {
		if q, ok := e.Body.(event.Request); ok && q.Phase == "after_removal" {
			late := millis(500)
			for k := range q.Chunks {
				q.Chunks[k].At += late
			}
			q.Done += late
			s.events[i].Body = q
		}
		if v, ok := e.Body.(event.Verdict); ok && v.Name == "cache-survives-removal" {
			v.Verdict = "fail"
			s.events[i].Body = v
		}
	}
	after := &metrics.Run{}
	for _, e := range s.events {
		after.Add(e)
	}
	var b bytes.Buffer
	if err := Difference(&b, before, after, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SIMULATED", "cache-survives-removal: pass → fail", "+500 ms"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	for l := range strings.Lines(b.String()) {
		if strings.HasPrefix(l, "moved most: ttft_ms p50 of step main/after") {
			continue
		}
		worse := strings.Contains(l, "worse")
		if want := strings.Contains(l, "after removal") && strings.Contains(l, "ttft_ms"); worse != want {
			t.Errorf("worse: %t in %s", worse, l)
		}
	}
	b.Reset()
	if err := CompareHTML(&b, before, after, View{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `<tr class="worse">`) || strings.Contains(b.String(), `<tr class="better">`) ||
		!strings.Contains(b.String(), "SIMULATED") {
		t.Error("the page does not tell what became worse")
	}
	if err := CompareHTML(&full{10}, before, after, View{}); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
	if err := CompareHTML(io.Discard, &metrics.Run{}, &metrics.Run{}, View{}); err != nil {
		t.Error(err)
	}
}

// TestHTML_WritesTheLongPage writes the page of 10,000 turns for the test in the browser.
func TestHTML_WritesTheLongPage(t *testing.T) {
	path := os.Getenv("HOMELLM_LONG_PAGE")
	if path == "" {
		t.Skip("HOMELLM_LONG_PAGE names no file; e2e/html/run.sh sets it")
	}
	if err := replace.File(path, func(w io.Writer) error {
		return format(t, "html").Write(w, long(1, 10, 1000),
			Options{})
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDelta_Side(t *testing.T) {
	d := func(values ...float64) metrics.Dist { return metrics.NewDist(values) }
	for _, c := range []struct {
		metric   string
		old, new metrics.Dist
		want     string
	}{
		{"ttft_ms", d(10, 12), d(13, 14), "worse"}, {"ttft_ms", d(10, 12), d(12, 14), ""},
		{"ttft_ms", d(10, 12), d(8, 9), "better"}, {"ttft_ms", d(10, 12), d(11, 14), ""},
		{"output_tps", d(10, 12), d(13, 14), "better"}, {"output_tps", d(10, 12), d(8, 9), "worse"},
		{"output_tps", d(10), d(8, 9), ""}, {"prompt_tokens", d(1, 2), d(3, 4), ""},
	} {
		if got := (delta{"", metrics.Must(c.metric), "p50", c.old, c.new}).side(); got != c.want {
			t.Errorf("%s %v → %v: %q, want %q", c.metric, c.old, c.new, got, c.want)
		}
	}
}

// Where nothing was sampled there is no line, such as while another cell was played, and the time
// axis begins with the first request.
func TestStripFigure_ShowsPauses(t *testing.T) {
	s := start("x", event.Conversation{ID: "main"})
	s.add("c1", event.CellPlanned{Labels: labels2("vllm", "m"), Turns: 1})
	s.add("c1", event.CellStarted{Attempt: 1})
	s.now = 100 * time.Second
	for repeat := 1; repeat <= 2; repeat++ {
		for i := range 10 {
			s.turn("c1", repeat, false, turn{"main", "s", "ask", "before", i + 1, 900, 10, 0, 0, 2, "Yes."})
			s.add("c1", event.Sample{Values: map[string]float64{"gpu.power_w": 200}})
		}
		s.now += 60 * time.Second
	}
	s.add("c1", event.CellDone{})
	r := &metrics.Run{}
	for _, e := range s.events {
		r.Add(e)
	}
	figures := chart.Machine("m", r.Cells[0], 1)
	if len(figures) != 1 {
		t.Fatalf("%d figures", len(figures))
	}
	line := regexp.MustCompile(`class="curve c1" d="([^"]*)"`).FindStringSubmatch(string(figures[0].SVG))
	if line == nil || strings.Count(line[1], "M") != 2 {
		t.Errorf("a pause of a minute is bridged: %v", line)
	}
	// It was due at 0, sent after 0.5 ms, answered 905 ms later, over 1 ms and sampled 10 ms after that.
	if got := figures[0].Table.Rows[0].Cells[1]; got != "0.9165 s" {
		t.Errorf("the first sample stands at %s", got)
	}

}
