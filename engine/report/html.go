package report

import (
	"bytes"
	"cmp"

	"homellm/engine/exit"
	"homellm/engine/report/chart"

	_ "embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// the page's parts

// Limits that keep a page under 10 MB for any run, besides those of its charts; its cells share them. The page says
// what is left out, where it is missing.
const (
	pageVerdicts = 3000 // assertions in the list
	pageEvidence = 200  // assertions with their evidence
)

// pageData is the data of a page about one run.
type pageData struct {
	View
	Now       *liveNow // nil: the run is over
	Title     string
	Verdict   string
	Class     string
	Tally     string
	Simulated string
	Findings  []finding
	Notes     []string
	Scenario  event.Scenario
	Run       []fact
	Overview  *besidePage    // nil: there is one cell
	Axes      []chart.Chart  // a chart for each axis of the cells
	Folded    bool           // there are many cells
	Open      assertionTable // those that did not pass
	Passed    assertionTable
	Left      int // assertions that neither list shows
	Cells     []cellPage
	Repeats   []string
	Warmups   bool
}

type finding struct{ Class, Verdict, Reason string }

type assertionTable struct {
	Name string
	Rows []assertionRow
}

type assertionRow struct {
	Class, Symbol, Label string
	Name, That, Outcome  string
	Share, Place         string
	Cell                 string // empty: there is only one
	Evidence             []string
	Open                 bool
}

func html(b *bytes.Buffer, r *metrics.Run, _ Options) error {
	p := pageOf(r)
	return writePage(b, p.Title, runPage, p)
}

// RunHTML writes the page of a run for a program that serves it. The page of a run that is being played refreshes
// itself.
func RunHTML(w io.Writer, r *metrics.Run, v View) error {
	return whole(func(b *bytes.Buffer, r *metrics.Run, _ Options) error {
		p := pageOf(r)
		p.View = v
		if v.Live {
			p.goesOn(r)
		}
		return shell{forms: true, live: v.Live}.write(b, p.Title, runPage, p)
	})(w, r, Options{})
}

func pageOf(r *metrics.Run) pageData {
	verdict, _, _ := r.Outcome()
	s := r.Started.Scenario
	p := pageData{
		Title: strings.Join(slices.DeleteFunc([]string{strings.ToUpper(string(verdict)) + ": " + cmp.Or(s.Name, "empty run"),
			about(r), "homellm"}, func(part string) bool { return part == "" }), " · "),
		Verdict: strings.ToUpper(string(verdict)), Class: verdictClasses[verdict], Tally: tally(r), Simulated: simulated(r),
		Scenario: s,
	}
	for _, f := range r.Findings() {
		if f.Code != exit.Pass {
			p.Findings = append(p.Findings, finding{verdictClasses[f.Verdict], string(f.Verdict), f.Reason})
		}
	}
	for _, n := range r.Notes {
		if n.Code != "simulated" {
			p.Notes = append(p.Notes, n.Text)
		}
	}
	p.Run = runFacts(r)
	p.assertions(r)
	seen := map[string]bool{}
	for i, c := range r.Cells {
		p.Cells = append(p.Cells, cellOf(r, c, i))
		for _, q := range c.Requests {
			p.Warmups = p.Warmups || q.Warmup
		}
		for _, n := range chart.RepeatsShown(c) {
			if id := strconv.Itoa(n); !seen[id] {
				seen[id] = true
				p.Repeats = append(p.Repeats, id)
			}
		}
	}
	if o, ok := besideOf(r); ok {
		p.Overview, p.Axes, p.Folded = overviewPage(o), slices.Concat(chart.Loads(o), chart.Axes(o)), len(r.Cells) > fewCells
	}
	return p
}

// assertions lists every assertion in two tables: those that passed, and those that did not, with their evidence.
func (p *pageData) assertions(r *metrics.Run) {
	p.Open.Name, p.Passed.Name = "Assertions that did not pass", "Assertions that passed"
	whole := 0
	for _, c := range r.WithAllCells() {
		for _, v := range c.Verdicts {
			if len(p.Open.Rows)+len(p.Passed.Rows) == pageVerdicts {
				p.Left++
				continue
			}
			j := metrics.Judge(v)
			row := assertionRow{Class: chart.JudgedClass(j), Symbol: judgedSymbols[j], Label: label(v),
				Name: v.Title(), That: v.That, Outcome: outcome(c, v), Share: share(v)}
			if len(r.Cells) > 1 {
				row.Cell = c.Name()
			}
			if why(j) || j != metrics.Counted && v.Verdict.Undecided() {
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
			of := &p.Open
			if j == metrics.Counted {
				p.Passed.Name = "Assertions that passed, or only count"
			}
			if j == metrics.Passed || j == metrics.Counted {
				of = &p.Passed
			}
			of.Rows = append(of.Rows, row)
		}
	}
}
