package report

import (
	"homellm/engine/report/chart"
)

// comparison is a page about two runs, or about a run and its baselines.
type comparison struct {
	View
	Title       string
	Name        string
	Verdict     string // outcome of the gates; empty: nothing is judged
	Class       string
	Reason      string
	Moved       string // the figure that moved most; empty: none did
	Next        []string
	Simulated   string
	Sides       []comparedRun
	Differences []string
	Cells       []cellPair
}

type comparedRun struct {
	Label, Verdict, Class, Tally string
	Facts                        []fact
}

type cellPair struct {
	ID, Name string
	Pairing  string // the two sides, if gates judge them
	Gates    []gateVerdict
	Remarks  []string
	Changes  []chart.Chart
	Samples  []chart.Chart
	Numbers  chart.Table
	Verdicts chart.Table
	Charts   []chart.Chart
	Boxes    []chart.Chart
	Absent   []string
}

// gateVerdict is one gate in the page's list.
type gateVerdict struct {
	Class, Symbol, Label             string
	Name, Metric, Allowed            string
	Old, New, Change, P, Adjusted, N string
	Margin, Interval                 string
	Why                              []string
}
