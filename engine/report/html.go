package report

import (
	"bytes"
	"cmp"

	"homellm/engine/exit"
	"homellm/engine/report/chart"

	_ "embed"
	"fmt"
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

type finding struct{ Class, Verdict, Reason string }

type assertionRow struct {
	Class, Symbol, Label string
	Name, That, Outcome  string
	Share, Cell, Place   string
	Evidence             []string
	Open                 bool
}

func html(b *bytes.Buffer, r *metrics.Run, _ Options) error {
	p := pageOf(r)
	return writePage(b, p.Title, runPage, p)
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
	p.Assertions, p.Left = assertionRows(r)
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
	return p
}

// assertionRows lists every assertion; those that did not pass have their evidence, expanded.
func assertionRows(r *metrics.Run) (rows []assertionRow, left int) {
	whole := 0
	for _, c := range r.Cells {
		for _, v := range c.Verdicts {
			if len(rows) == pageVerdicts {
				left++
				continue
			}
			j := metrics.Judge(v)
			row := assertionRow{Class: chart.JudgedClass(j), Symbol: judgedSymbols[j], Label: label(v),
				Name: v.Name, That: v.That, Outcome: compared(v), Share: share(v), Cell: c.Name()}
			if why(j) || v.Verdict.Undecided() {
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
