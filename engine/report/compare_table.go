package report

import (
	"bytes"
	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"strings"
)

// compareTable renders a comparison for the terminal.
func compareTable(b *bytes.Buffer, c compare.Comparison, opt Options) error {
	s := newScreen(b, opt)
	verdict, _, reason := c.Outcome()
	color := map[event.Outcome]int{event.Pass: green, event.Fail: red}[verdict]
	if color == 0 {
		color = yellow
	}
	s.line("%s  %s", s.paint(strings.ToUpper(string(verdict)), color), terminal(reason))
	if moved := mostMoved(c); moved != "" {
		s.prose(2, moved)
	}
	s.line("")
	if what := simulatedSides(c); what != "" {
		s.line("%s  %s", s.paint("SIMULATED", yellow), terminal(what))
		s.line("")
	}
	for _, p := range c.Pairs {
		s.line("%s", terminal(p.Cell))
		names := sideNames(p)
		s.prose(2, "old  "+names[0])
		s.prose(2, "new  "+names[1])
		var rows [][]string
		for _, d := range p.Deltas {
			if uneventful(d) {
				continue
			}
			row := compareRow(d)
			if j := d.Judged(); j != metrics.Passed || d.Verdict == compare.Better {
				row[0] = s.paint(row[0], colors[j])
			}
			rows = append(rows, row)
		}
		if len(rows) > 0 {
			if err := s.grid(compareHead, rows, 2); err != nil {
				return err
			}
		}
		for _, r := range remarks(p) {
			s.prose(2, r)
		}
		s.line("")
	}
	for i, step := range nextSteps(c) {
		if i == 0 {
			s.line("next:")
		}
		s.prose(2, step)
	}
	return nil
}
