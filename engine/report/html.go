package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// The parts of the page. The template escapes every text by its place; the style sheet and the
// script are constant, and the page's policy lets nothing else run or load.
var (
	//go:embed page/style.css
	pageStyle string
	//go:embed page/filter.js
	pageScript string
	//go:embed page/run.tmpl
	pageRun string
	//go:embed page/parts.tmpl
	pageParts string
	//go:embed page/compare.tmpl
	pageCompare string

	runPage     = template.Must(template.Must(template.New("run").Parse(pageParts)).Parse(pageRun))
	comparePage = template.Must(template.Must(template.New("compare").Parse(pageParts)).Parse(pageCompare))
)

// Bounds that keep a page under 10 MB whatever the run: they are shared by its cells. What is
// left out is said where it is missing.
const (
	pagePlaces    = 1200 // turns with a point and a table row of their own
	pagePoints    = 8000 // points of thin lines, for each chart of a cell together
	pageRequests  = 400  // requests of timelines
	pageCells     = 40   // cells with charts
	pageVerdicts  = 3000 // assertions in the list
	pageEvidence  = 200  // assertions with their evidence
	fewestPlaces  = 30
	fewestInChart = 12
)

// pageData is a page about one run.
type pageData struct {
	Title      string
	Verdict    string
	Class      string
	Tally      string
	Simulated  string
	Findings   []finding
	Notes      []string
	Scenario   event.Scenario
	Run        []fact
	Assertions []assertionRow
	Left       int // assertions that are not in the list
	Cells      []cellPage
	Repeats    []string
	Warmups    bool
}

type fact struct{ Name, Value string }

type finding struct{ Class, Verdict, Reason string }

type assertionRow struct {
	Class, Symbol, Label string
	Name, That, Outcome  string
	Share, Cell, Place   string
	Evidence             []string
	Open                 bool
}

type cellPage struct {
	ID      string
	Name    string
	Setting string
	State   string
	Skipped bool
	Server  []fact
	Tiles   []tile
	Grid    dataTable
	Lines   []string
	Notes   []string
	Charts  []chart
	Spread  []chart
	Machine []chart
	Time    []chart
	Absent  []string // what is not drawn, and why
}

type tile struct{ Name, Value, More string }

func html(b *bytes.Buffer, r *metrics.Run, _ Options) error {
	p := pageOf(r)
	return writePage(b, p.Title, runPage, p)
}

// writePage puts a page together. A character that a terminal or a reader would obey instead of
// showing it is shown: one pass over the finished page cannot forget a place.
func writePage(b *bytes.Buffer, title string, t *template.Template, data any) error {
	var body bytes.Buffer
	if err := t.Execute(&body, data); err != nil {
		return fmt.Errorf("filling in the page: %w", err)
	}
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	fmt.Fprintf(b, `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src %s; script-src %s; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="homellm">
<title>%s</title>
<link rel="icon" href="data:,">
<style>%s</style>
</head>
`, hash(pageStyle), hash(pageScript), template.HTMLEscapeString(terminal(title)), pageStyle)
	for line := range strings.Lines(body.String()) {
		b.WriteString(terminal(strings.TrimSuffix(line, "\n")) + "\n")
	}
	fmt.Fprintf(b, "<script>%s</script>\n</body>\n</html>\n", pageScript)
	return nil
}

var verdictClasses = map[event.Outcome]string{
	event.Pass: "pass", event.Fail: "fail", metrics.Inconclusive: "unknown", metrics.Broken: "fail", metrics.Interrupted: "unknown",
}

func pageOf(r *metrics.Run) pageData {
	verdict, _, _ := r.Outcome()
	s := r.Started.Scenario
	p := pageData{
		Title:   strings.ToUpper(string(verdict)) + ": " + cmp.Or(s.Name, "empty run") + " · homellm",
		Verdict: strings.ToUpper(string(verdict)), Class: verdictClasses[verdict], Tally: tally(r), Simulated: simulated(r),
		Scenario: s,
	}
	for _, f := range r.Findings() {
		if f.Code != metrics.ExitPass {
			p.Findings = append(p.Findings, finding{verdictClasses[f.Verdict], string(f.Verdict), f.Reason})
		}
	}
	for _, n := range r.Notes {
		if n.Code != "simulated" {
			p.Notes = append(p.Notes, n.Text)
		}
	}
	p.Run = runFacts(r)
	p.Assertions, p.Left = assertionRows(r)
	seen := map[string]bool{}
	for i, c := range r.Cells {
		p.Cells = append(p.Cells, cellOf(r, c, i))
		for _, q := range c.Requests {
			p.Warmups = p.Warmups || q.Warmup
		}
		for _, n := range evenly(c.Repeats(), shownRepeats) {
			if id := strconv.Itoa(n); !seen[id] {
				seen[id] = true
				p.Repeats = append(p.Repeats, id)
			}
		}
	}
	return p
}

func runFacts(r *metrics.Run) []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, fact{name, value})
		}
	}
	add("run", r.Started.ID)
	if !r.Started.Started.IsZero() {
		add("started", r.Started.Started.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if r.Done != nil {
		var end time.Duration
		for _, c := range r.Cells {
			for _, q := range c.Requests {
				end = max(end, q.Done)
			}
		}
		if end > 0 {
			add("took", show(1000*end.Seconds(), "ms"))
		}
	}
	add("homellm", r.Started.Homellm)
	add("scenario file", r.Started.Scenario.File)
	if sum := r.Started.Scenario.SHA256; sum != "" {
		add("scenario sha256", Shorten(sum, 13))
	}
	add("options", strings.Join(r.Started.Options, " "))
	return out
}

// assertionRows lists every assertion; what did not pass carries its evidence, open.
func assertionRows(r *metrics.Run) (rows []assertionRow, left int) {
	whole := 0
	for _, c := range r.Cells {
		for _, v := range c.Verdicts {
			if len(rows) == pageVerdicts {
				left++
				continue
			}
			j := metrics.Judge(v)
			row := assertionRow{Class: judgedClasses[j].class, Symbol: judgedClasses[j].symbol, Label: labels[j],
				Name: v.Name, That: v.That, Outcome: compared(v), Share: share(v), Cell: c.Name()}
			if why(j) {
				row.Outcome = v.Why
			}
			if v.File != "" {
				row.Place = fmt.Sprintf("%s:%d:%d", v.File, v.Line, v.Column)
			}
			if whole < pageEvidence && j != metrics.Skipped {
				row.Evidence = evidence(c, v)
				row.Open = j == metrics.Failed || j == metrics.Unknown || j == metrics.Warned
				whole++
			}
			rows = append(rows, row)
		}
	}
	return rows, left
}

var judgedClasses = map[metrics.Judged]struct{ class, symbol string }{
	metrics.Passed: {"pass", "✓"}, metrics.Failed: {"fail", "✗"}, metrics.Unknown: {"unknown", "?"},
	metrics.Allowed: {"unknown", "?"}, metrics.Warned: {"unknown", "!"}, metrics.Skipped: {"skipped", "–"},
}
