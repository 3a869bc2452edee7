package report

import (
	"bytes"
	"fmt"
	"homellm/engine/metrics"
	"io"
)

// Difference prints the measurements of two runs side by side, without a verdict: the compare command decides whether
// a difference is more than noise.
func Difference(w io.Writer, oldRun, newRun *metrics.Run, opt Options) error {
	return whole(difference)(w, [2]*metrics.Run{oldRun, newRun}, opt)
}

func difference(b *bytes.Buffer, runs [2]*metrics.Run, opt Options) error {
	oldRun, newRun := runs[0], runs[1]
	s := newScreen(b, opt)
	for _, r := range []struct {
		what string
		run  *metrics.Run
	}{{"old", oldRun}, {"new", newRun}} {
		verdict, _, _ := r.run.Outcome()
		line := fmt.Sprintf("%s  %s  %s  %s  %s", r.what, r.run.Started.Scenario.Name,
			r.run.Started.Started.UTC().Format("2006-01-02 15:04:05"), verdict, tally(r.run))
		if simulated(r.run) != "" {
			line += "  SIMULATED"
		}
		s.prose(0, line)
		for _, on := range servers(r.run) {
			s.prose(2, "on "+on)
		}
	}
	if moved := mostMovedOfTwo(oldRun, newRun); moved != "" {
		s.prose(0, moved)
	}
	for _, l := range differences(oldRun, newRun) {
		s.prose(2, l)
	}
	both, _ := pairs(oldRun, newRun)
	for _, p := range both {
		s.line("\n%s", terminal(p.after.Name()))
		var rows [][]string
		for _, d := range deltas(oldRun, newRun, p.before, p.after) {
			rows = append(rows, d.row())
		}
		if len(rows) > 0 {
			if err := s.grid(deltaHead, rows, 2); err != nil {
				return err
			}
		}
		for _, c := range p.verdictChanges() {
			s.prose(2, c[0]+": "+c[1]+" → "+c[2])
		}
	}
	s.line("\nnext:")
	for _, step := range nextOfTwo(oldRun, newRun) {
		s.prose(2, step)
	}
	return nil
}
