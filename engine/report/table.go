package report

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// screen is the terminal's report while it is being written.
type screen struct {
	b     *bytes.Buffer
	width int
	color bool
	dir   string
}

// table renders one screen for people: what was simulated first, the verdict last.
func table(b *bytes.Buffer, r *metrics.Run, opt Options) error {
	s := &screen{b: b, width: opt.Width, color: opt.Color, dir: opt.Dir}
	if s.width <= 0 {
		s.width = 100
	}
	if what := simulated(r); what != "" {
		s.line("%s  %s", s.paint("SIMULATED", yellow), terminal(what)) // on one line, however narrow the screen
		s.line("")
	}
	for _, c := range r.Cells {
		if err := s.cell(r, c); err != nil {
			return err
		}
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

func (s *screen) line(format string, args ...any) {
	s.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// apart prints two texts at the two edges of the screen, or below each other if they do not fit.
func (s *screen) apart(left, right string) {
	room := s.width - width(left) - width(right)
	switch {
	case right == "":
		s.line("%s", left)
	case room < 2:
		s.line("%s\n  %s", left, right)
	default:
		s.line("%s%*s%s", left, room, "", right)
	}
}

// prose prints text of others, broken between words where the screen ends.
func (s *screen) prose(indent int, text string) {
	line := ""
	for word := range strings.SplitSeq(terminal(text), " ") {
		if line != "" && width(line)+1+width(word)+indent > s.width {
			s.line("%*s%s", indent, "", line)
			line, indent = word, max(indent, 4)
			continue
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	s.line("%*s%s", indent, "", line)
}

func (s *screen) cell(r *metrics.Run, c *metrics.Cell) error {
	s.apart(terminal(r.Started.Scenario.Name+" · "+c.Name()), measured(r.Started.Scenario, c))
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
	for _, l := range afterRemoval(r, c) {
		s.prose(2, l)
	}
	for _, l := range g.reasons {
		s.prose(2, unknown+" "+l)
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
		row := []string{s.paint(labels[j], colors[j]), v.Name, v.That, compared(v), share(v)}
		switch {
		case why(j):
			row[3], row[4] = v.Why, ""
		case row[3] == "":
			row[3] = unknown
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
			rows[i][3] = unknown // not half a reason: the whole one follows
			if j != metrics.Unknown {
				missing.add(v.Name, v.Why)
			}
		}
	}
	if err := s.grid(nil, s.without(rows), 4); err != nil {
		return err
	}
	for _, l := range missing.lines() {
		s.prose(2, unknown+" "+l)
	}
	for _, v := range whole {
		s.line("")
		j := metrics.Judge(v)
		head := heading(c, v)
		if mark := strings.ToUpper(labels[j]); width(mark)+2+width(terminal(strings.Join(head, "   "))) <= s.width {
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

// remark is a line of evidence in words, which may be broken between them. A source line may not:
// the marks below it would point elsewhere.
var remark = regexp.MustCompile(`^(why|message|reply|note): `)

// why says whether a judgement is explained by a reason and not by numbers.
func why(j metrics.Judged) bool {
	return j == metrics.Unknown || j == metrics.Allowed || j == metrics.Skipped
}

// fit shortens names, expressions and outcomes until a row fits the screen. Nothing is lost:
// what does not pass is shown in full below the list, everything else in result.json.
func (s *screen) fit(rows [][]string) {
	wide := make([]int, 5)
	for _, row := range rows {
		for i := range row {
			if i > 0 {
				row[i] = terminal(row[i])
			}
			wide[i] = max(wide[i], width(row[i]))
		}
	}
	room := s.width - 2 - wide[0] - wide[4] - 2*4 // indent, what stays, and the gaps
	for _, least := range [][]int{{1: 24, 2: 36, 3: 16}, {1: 22, 2: 18, 3: 12}} {
		for i := 1; i <= 3; i++ {
			if need := wide[1] + wide[2] + wide[3]; need > room {
				wide[i] = max(min(wide[i], least[i]), wide[i]-(need-room))
			}
		}
	}
	for _, row := range rows {
		for i := 1; i <= 3; i++ {
			row[i] = Shorten(row[i], wide[i])
		}
	}
}

// without leaves out the expressions where the screen has no room for them beside the rest: those
// of what did not pass stand below the list.
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

// grid prints columns without lines, those of text to the left and those of numbers to the right.
func (s *screen) grid(head []string, rows [][]string, left int) error {
	text, err := fitted(s.width-1, head, rows, left)
	if err != nil {
		return err
	}
	for l := range strings.Lines(text) {
		s.line(" %s", strings.TrimRight(l, "\n"))
	}
	return nil
}

func escaped(row []string) []string {
	out := make([]string, len(row))
	for i, text := range row {
		if strings.HasPrefix(text, "\x1b[") {
			out[i] = text // painted by this package
			continue
		}
		out[i] = terminal(text)
	}
	return out
}

func (s *screen) verdict(r *metrics.Run) {
	verdict, code, _ := r.Outcome()
	for _, f := range r.Findings() {
		if f.Code != metrics.ExitPass && f.Code != metrics.ExitFail {
			s.prose(0, string(f.Verdict)+": "+f.Reason)
		}
	}
	color := yellow
	switch code {
	case metrics.ExitPass:
		color = green
	case metrics.ExitFail, metrics.ExitEnvironment, metrics.ExitRequests:
		color = red
	}
	dir := s.dir
	if dir != "" && !strings.HasSuffix(dir, "/") {
		dir += "/"
	}
	s.apart(s.paint(strings.ToUpper(string(verdict)), color)+"  "+tally(r), terminal(dir))
}

// Colours of the verdicts, as SGR numbers.
const (
	red    = 31
	green  = 32
	yellow = 33
)

var colors = map[metrics.Judged]int{
	metrics.Passed: green, metrics.Failed: red, metrics.Unknown: yellow, metrics.Allowed: yellow, metrics.Warned: yellow, metrics.Skipped: yellow,
}

func (s *screen) paint(text string, color int) string {
	if !s.color {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, text)
}

// width is how many columns a text takes; escape sequences take none.
func width(text string) int {
	return twwidth.WidthWithOptions(text, twwidth.Options{})
}

// Shorten cuts a text to so many columns and says so with an ellipsis.
func Shorten(text string, columns int) string {
	if width(text) <= columns {
		return text
	}
	out := ""
	for _, r := range text {
		if width(out+string(r)) > columns-1 {
			break
		}
		out += string(r)
	}
	return out + "…"
}
