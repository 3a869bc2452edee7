package report

import (
	"bytes"
	"cmp"
	"regexp"
	"strings"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// table renders one screen for people: what was simulated first, the verdict last.
func table(b *bytes.Buffer, r *metrics.Run, opt Options) error {
	s := newScreen(b, opt)
	if what := simulated(r); what != "" {
		s.line("%s  %s", s.paint("SIMULATED", yellow), terminal(what)) // on one line, however narrow the screen is
		s.line("")
	}
	if err := s.overview(r); err != nil {
		return err
	}
	if c := r.AllCells(); c != nil {
		s.apart(terminal(r.Started.Scenario.Name+" · "+c.Name()), "")
		if err := s.assertions(c); err != nil {
			return err
		}
		s.line("")
	}
	cells, left := shownCells(r)
	for _, c := range cells {
		if err := s.cell(r, c); err != nil {
			return err
		}
		s.line("")
	}
	if left != "" {
		s.prose(0, left)
		s.line("")
	}
	for _, n := range r.Notes {
		if n.Code != "simulated" {
			s.prose(0, "note  "+n.Text)
		}
	}
	s.verdict(r)
	return nil
}

func (s *screen) cell(r *metrics.Run, c *metrics.Cell) error {
	s.apart(terminal(r.Started.Scenario.Name+" · "+c.Name()), measured(r.Started.Scenario, c))
	if on := playedOn(c); on != "" {
		s.prose(2, "on "+on)
	}
	switch {
	case c.Planned.Skip != "":
		s.prose(2, "skipped: "+c.Planned.Skip)
	case c.Failed != nil:
		s.prose(2, "did not run: "+c.Failed.Err)
		if c.Failed.Hint != "" {
			s.prose(2, "help: "+c.Failed.Hint)
		}
	case c.Done != nil && c.Done.Err != "":
		s.prose(2, "ended early: "+c.Done.Err)
	case c.Done == nil:
		s.prose(2, "not played to its end")
	}
	if len(c.Measured(metrics.Group{})) > 0 {
		if err := s.numbers(r, c); err != nil {
			return err
		}
	}
	for _, n := range c.Notes {
		s.prose(2, "note  "+n.Text)
	}
	return s.assertions(c)
}

func (s *screen) numbers(r *metrics.Run, c *metrics.Cell) error {
	g := cellGrid(r, c, false)
	if err := s.grid(g.head, g.rows, g.left); err != nil {
		return err
	}
	for _, l := range underTable(r, c) {
		s.prose(2, l)
	}
	for _, l := range g.reasons {
		s.prose(2, readable.Unknown+" "+l)
	}
	for i, l := range failures(c) {
		s.prose(2+2*min(i, 1), l)
	}
	return nil
}

// assertions lists every assertion of a cell, then the evidence of those that did not pass.
func (s *screen) assertions(c *metrics.Cell) error {
	if len(c.Verdicts) == 0 {
		return nil
	}
	s.line("")
	var rows [][]string
	var whole []event.Verdict
	for _, v := range c.Verdicts {
		j := metrics.Judge(v)
		row := []string{s.paint(label(v), colors[j]), v.Name, cmp.Or(v.Coordinates(), v.That), outcome(c, v), share(v)}
		switch {
		case why(j):
			row[3], row[4] = v.Why, ""
		case row[3] == "" && v.Verdict.Undecided(): // it fails the run nevertheless
			row[3] = string(v.Verdict)
		case row[3] == "":
			row[3] = readable.Unknown
		}
		rows = append(rows, row)
		if j == metrics.Failed || j == metrics.Unknown || j == metrics.Warned {
			whole = append(whole, v)
		}
	}
	s.fit(rows)
	var missing reasons
	for i, v := range c.Verdicts {
		if j := metrics.Judge(v); why(j) && rows[i][3] != terminal(v.Why) {
			rows[i][3] = readable.Unknown // leave out the reason here: the whole one follows
			if j != metrics.Unknown {
				missing.add(v.Title(), v.Why)
			}
		}
	}
	if err := s.grid(nil, s.without(rows), 4); err != nil {
		return err
	}
	for _, l := range missing.lines() {
		s.prose(2, readable.Unknown+" "+l)
	}
	for _, v := range whole {
		s.line("")
		j := metrics.Judge(v)
		head := heading(c, v)
		if mark := strings.ToUpper(label(v)); readable.Width(mark)+2+readable.Width(terminal(strings.Join(head,
			"   "))) <= s.width {
			s.line("%s  %s", s.paint(mark, colors[j]), terminal(strings.Join(head, "   ")))
		} else {
			s.line("%s  %s", s.paint(mark, colors[j]), terminal(head[0]))
			s.prose(2, strings.Join(head[1:], "   "))
		}
		for _, l := range evidence(c, v) {
			if remark.MatchString(l) {
				s.prose(2, l)
			} else {
				s.line("  %s", terminal(l))
			}
		}
	}
	return nil
}

// remark is a line of evidence in words, which may be wrapped. A source line must not be, because the marks below it
// would point elsewhere.
var remark = regexp.MustCompile(`^(why|difference|message|reply|note): `)

// fit shortens names, expressions and outcomes until a row fits the screen. The full text of what does not pass is
// below the list, the rest is in result.json.
func (s *screen) fit(rows [][]string) {
	wide := make([]int, 5)
	for _, row := range rows {
		for i := range row {
			if i > 0 {
				row[i] = terminal(row[i])
			}
			wide[i] = max(wide[i], readable.Width(row[i]))
		}
	}
	room := s.width - 2 - wide[0] - wide[4] - 2*4 // indent, fixed columns, and the gaps
	for _, least := range [][]int{{1: 24, 2: 36, 3: 16}, {1: 22, 2: 18, 3: 12}} {
		for i := 1; i <= 3; i++ {
			if need := wide[1] + wide[2] + wide[3]; need > room {
				wide[i] = max(min(wide[i], least[i]), wide[i]-(need-room))
			}
		}
	}
	for _, row := range rows {
		for i := 1; i <= 3; i++ {
			row[i] = readable.Shorten(row[i], wide[i])
		}
	}
}

// without omits the expressions if the screen has no room for them: those of what did not pass are below the list.
func (s *screen) without(rows [][]string) [][]string {
	var b bytes.Buffer
	if err := Columns(&b, nil, rows, 4); err != nil || widest(b.String())+1 <= s.width {
		return rows
	}
	out := make([][]string, len(rows))
	for i, row := range rows {
		out[i] = append(append([]string{}, row[:2]...), row[3:]...)
	}
	return out
}

func (s *screen) verdict(r *metrics.Run) {
	verdict, code, _ := r.Outcome()
	for _, f := range r.Findings() {
		if f.Code != exit.Pass && f.Code != exit.Fail {
			s.prose(0, string(f.Verdict)+": "+f.Reason)
		}
	}
	color := yellow
	switch code {
	case exit.Pass:
		color = green
	case exit.Fail, exit.Environment, exit.Requests:
		color = red
	}
	dir := s.dir
	if dir != "" && !strings.HasSuffix(dir, "/") {
		dir += "/"
	}
	s.apart(s.paint(strings.ToUpper(string(verdict)), color)+"  "+tally(r), terminal(dir))
}
