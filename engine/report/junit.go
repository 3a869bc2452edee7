package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// JUnit writes the runs and the files that could not be played as one JUnit document: a suite for each scenario and
// cell, a test case for each assertion. A run that did not pass has at least one failure or error, and a run that
// passed has none, however the reader treats skipped cases.
func JUnit(w io.Writer, runs []*metrics.Run, broken []Broken) error {
	return whole(func(b *bytes.Buffer, runs []*metrics.Run, _ Options) error {
		return junitDocument(b, runs, broken)
	})(w, runs, Options{})
}

func junit(b *bytes.Buffer, r *metrics.Run, _ Options) error {
	return junitDocument(b, []*metrics.Run{r}, nil)
}

type xmlSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Name    string     `xml:"name,attr"`
	Counts  xmlCounts  `xml:",any,attr"`
	Time    string     `xml:"time,attr"`
	Suites  []xmlSuite `xml:"testsuite"`
}

type xmlSuite struct {
	Name       string       `xml:"name,attr"`
	Counts     xmlCounts    `xml:",any,attr"`
	Time       string       `xml:"time,attr"`
	Timestamp  string       `xml:"timestamp,attr,omitempty"`
	File       string       `xml:"file,attr,omitempty"`
	Properties *xmlProps    `xml:"properties"`
	Cases      []xmlCase    `xml:"testcase"`
	Out        string       `xml:"system-out,omitempty"`
	seconds    float64      // of Time
	counts     junitCounter // of Counts
}

type xmlProps struct {
	Property []xmlProperty `xml:"property"`
}

type xmlProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type xmlCase struct {
	Name      string     `xml:"name,attr"`
	Classname string     `xml:"classname,attr"`
	File      string     `xml:"file,attr,omitempty"`
	Line      int        `xml:"line,attr,omitempty"`
	Time      string     `xml:"time,attr"`
	Failure   *xmlResult `xml:"failure"`
	Error     *xmlResult `xml:"error"`
	Skipped   *xmlResult `xml:"skipped"`
	Out       string     `xml:"system-out,omitempty"`
}

type xmlResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// junitCounter counts cases, for the suite and for the root.
type junitCounter struct{ tests, failures, errors, skipped int }

func (n *junitCounter) add(c xmlCase) {
	n.tests++
	switch {
	case c.Failure != nil:
		n.failures++
	case c.Error != nil:
		n.errors++
	case c.Skipped != nil:
		n.skipped++
	}
}

type xmlCounts []xml.Attr

func (n junitCounter) attrs() xmlCounts {
	var out xmlCounts
	for _, a := range []struct {
		name string
		n    int
	}{{"tests", n.tests}, {"failures", n.failures}, {"errors", n.errors}, {"skipped", n.skipped}} {
		out = append(out, xml.Attr{Name: xml.Name{Local: a.name}, Value: strconv.Itoa(a.n)})
	}
	return out
}

func junitDocument(b *bytes.Buffer, runs []*metrics.Run, broken []Broken) error {
	root := xmlSuites{Name: "homellm"}
	for _, r := range runs {
		root.Suites = append(root.Suites, junitRun(r)...)
	}
	for _, f := range broken {
		root.Suites = append(root.Suites, junitBroken(f))
	}
	slices.SortStableFunc(root.Suites, func(a, b xmlSuite) int { return strings.Compare(a.Name, b.Name) })
	var all junitCounter
	var seconds float64
	for i := range root.Suites {
		s := &root.Suites[i]
		for _, c := range s.Cases {
			s.counts.add(c)
			all.add(c)
		}
		s.Counts, s.Time = s.counts.attrs(), plainSeconds(s.seconds)
		seconds += s.seconds
	}
	root.Counts, root.Time = all.attrs(), plainSeconds(seconds)
	b.WriteString(xml.Header)
	e := xml.NewEncoder(b)
	e.Indent("", "  ")
	if err := e.Encode(root); err != nil {
		return fmt.Errorf("encoding JUnit: %w", err)
	}
	b.WriteByte('\n')
	return nil
}

// junitRun is the suites of one run. If no cell explains why a run did not pass, it gets a further suite.
func junitRun(r *metrics.Run) []xmlSuite {
	var out []xmlSuite
	bad := 0
	for _, c := range r.Cells {
		s := junitCell(r, c)
		for _, t := range s.Cases {
			if t.Failure != nil || t.Error != nil {
				bad++
			}
		}
		out = append(out, s)
	}
	if c := r.AllCells(); c != nil {
		s := junitTogether(r, c)
		for _, t := range s.Cases {
			if t.Failure != nil || t.Error != nil {
				bad++
			}
		}
		out = append(out, s)
	}
	verdict, code, _ := r.Outcome()
	if code == exit.Pass || bad > 0 && verdict != metrics.Interrupted {
		return out
	}
	name := terminal(r.Started.Scenario.Name)
	var reasons []string
	for _, f := range r.Findings() {
		reasons = append(reasons, string(f.Verdict)+": "+f.Reason)
	}
	return append(out, xmlSuite{
		Name: name, Timestamp: junitTime(r), File: terminal(r.Started.Scenario.File),
		Cases: []xmlCase{{Name: "outcome", Classname: name, Time: plainSeconds(0),
			Error: &xmlResult{Message: "the run did not pass", Type: string(verdict), Text: xmlText(reasons)}}},
	})
}

func junitBroken(f Broken) xmlSuite {
	name := terminal(f.File)
	return xmlSuite{Name: name, File: name, Cases: []xmlCase{{
		Name: "load", Classname: name, File: name, Time: plainSeconds(0),
		Error: &xmlResult{Message: terminal(f.Message), Type: "load",
			Text: xmlText(strings.Split(strings.TrimRight(f.Text, "\n"), "\n"))},
	}}}
}

func junitTime(r *metrics.Run) string {
	if r.Started.Started.IsZero() {
		return ""
	}
	return r.Started.Started.UTC().Format("2006-01-02T15:04:05")
}

func junitCell(r *metrics.Run, c *metrics.Cell) xmlSuite {
	name := terminal(r.Started.Scenario.Name)
	class := []string{name}
	for _, l := range c.Labels() {
		class = append(class, terminal(l.Value))
	}
	s := xmlSuite{
		Name: name + " x " + terminal(c.Name()), Timestamp: junitTime(r), File: terminal(r.Started.Scenario.File),
		Properties: junitProperties(r, c), seconds: spent(c.Measured(metrics.Group{})).Seconds(),
	}
	add := func(t xmlCase) {
		t.Classname = strings.Join(class, ".")
		if t.Time == "" {
			t.Time = plainSeconds(0)
		}
		s.Cases = append(s.Cases, t)
	}
	for _, t := range junitState(r, c) {
		add(t)
	}
	for _, v := range c.Verdicts {
		add(junitCase(c, v))
	}
	var said []string
	if what := simulated(r); what != "" && c.Simulated() {
		said = append(said, "SIMULATED "+what)
	}
	for _, n := range r.Notes {
		if n.Code != "simulated" { // said above, of the cells that are
			said = append(said, "note "+n.Code+": "+n.Text)
		}
	}
	for _, n := range c.Notes {
		said = append(said, "note "+n.Code+": "+n.Text)
	}
	s.Out = xmlText(said)
	return s
}

// junitTogether is the suite of the verdicts over all cells.
func junitTogether(r *metrics.Run, c *metrics.Cell) xmlSuite {
	name := terminal(r.Started.Scenario.Name)
	s := xmlSuite{Name: name + " x " + c.Name(), Timestamp: junitTime(r), File: terminal(r.Started.Scenario.File)}
	for _, v := range c.Verdicts {
		t := junitCase(c, v)
		t.Classname = name
		s.Cases = append(s.Cases, t)
	}
	return s
}

// junitState is the test cases for what is not an assertion: the cell did not run, did not end, or had too many
// failed requests. What a server said is in the text, never in an attribute.
func junitState(r *metrics.Run, c *metrics.Cell) []xmlCase {
	var out []xmlCase
	switch {
	case c.Planned.Skip != "":
		out = append(out, xmlCase{Name: "requirements", Skipped: &xmlResult{Message: terminal(c.Planned.Skip)}})
	case c.Failed != nil:
		out = append(out, xmlCase{Name: "environment", Error: &xmlResult{
			Message: "the cell did not run", Type: "environment", Text: xmlText([]string{c.Failed.Err, c.Failed.Hint})}})
	case c.Done != nil && c.Done.Err != "":
		out = append(out, xmlCase{Name: "environment", Error: &xmlResult{
			Message: "the cell ended early", Type: "environment", Text: xmlText([]string{c.Done.Err})}})
	case c.Done == nil && c.Started != nil:
		out = append(out, xmlCase{Name: "environment", Error: &xmlResult{Message: "the cell was not played to its end",
			Type: "environment"}})
	}
	g := c.Measured(metrics.Group{})
	bad := 0
	for _, q := range g {
		if q.Err != nil {
			bad++
		}
	}
	if budget := r.Started.Scenario.ErrorBudget; bad > 0 && float64(bad) > budget*float64(len(g)) {
		out = append(out, xmlCase{Name: "requests", Time: plainSeconds(spent(g).Seconds()), Error: &xmlResult{
			Message: fmt.Sprintf("%d of %d requests failed", bad, len(g)), Type: "requests", Text: xmlText(failures(c))}})
	}
	return out
}

func junitCase(c *metrics.Cell, v event.Verdict) xmlCase {
	g := metrics.Group{Conversation: v.Conversation, Step: v.Step}
	t := xmlCase{Name: terminal(v.Title()), File: terminal(v.File), Line: v.Line,
		Time: plainSeconds(spent(c.Measured(g)).Seconds())}
	res := &xmlResult{Text: xmlText(evidence(c, v))}
	because := string(v.Verdict) + ": " + reasonOf(v)
	switch j := metrics.Judge(v); {
	case j == metrics.Passed, j == metrics.Counted:
		return t
	case j == metrics.Skipped:
		res.Message, res.Text = terminal(reasonOf(v)), ""
		t.Skipped = res
	case j == metrics.Failed && v.Verdict.Undecided():
		res.Message, res.Type = terminal(because), string(v.Verdict)
		t.Failure = res
	case j == metrics.Failed:
		res.Message, res.Type = terminal(untrue(v)), "assertion"
		t.Failure = res
	case j == metrics.Unknown:
		res.Message, res.Type = terminal(because), string(v.Verdict)
		t.Error = res
	case j == metrics.Allowed:
		res.Message = terminal(because)
		t.Skipped = res
	default: // a warning: it is not a gate, and JUnit has no warnings
		res.Message = terminal("warning: " + untrue(v))
		t.Skipped = res
	}
	return t
}

func junitProperties(r *metrics.Run, c *metrics.Cell) *xmlProps {
	p := &xmlProps{}
	add := func(name, value string) {
		if value != "" {
			p.Property = append(p.Property, xmlProperty{terminal(name), terminal(value)})
		}
	}
	add("run", r.Started.ID)
	add("homellm", r.Started.Homellm)
	for _, l := range c.Labels() {
		add(l.Name, l.Value)
	}
	if c.Started != nil {
		add("engine", c.Started.Server.Engine)
		add("engine.version", c.Started.Server.Version)
		add("simulated", strconv.FormatBool(c.Started.Server.Simulated))
	}
	for _, phase := range figure.Phases() {
		g := metrics.Group{Phase: phase}
		if len(c.Measured(g)) == 0 {
			continue
		}
		for _, m := range metrics.Properties() {
			if v, why := m.Spread(c, g).Sound(m.At); why == "" {
				add("phases."+phase+"."+m.Name+"."+m.At, readable.Number(v))
			}
		}
	}
	for _, v := range c.Verdicts {
		for _, o := range v.Operands {
			if f, ok := o.Value.(float64); ok {
				add(v.Title()+": "+o.Path, readable.WithUnit(readable.Significant(f, 6), o.Unit))
			}
		}
	}
	if len(p.Property) == 0 {
		return nil
	}
	return p
}

// spent is the duration of a group's requests, without the pauses between them.
func spent(g []*event.Request) time.Duration {
	var out time.Duration
	for _, q := range g {
		if q.Sent != nil {
			out += q.Done - *q.Sent
		}
	}
	return out
}

// plainSeconds never uses an exponent, which several readers of JUnit reject.
func plainSeconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

// xmlText is lines of text with every control character made visible.
func xmlText(lines []string) string {
	var out []string
	for _, l := range lines {
		if l != "" {
			out = append(out, terminal(l))
		}
	}
	return strings.Join(out, "\n")
}
