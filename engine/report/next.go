package report

import (
	"fmt"
	"math"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// mostMoved names the figure that moved most among the gates that became worse, or else among those that became better,
// and the step that moved most; empty if none did.
func mostMoved(c compare.Comparison) string {
	for _, verdict := range []event.Outcome{compare.Worse, compare.Better} {
		var most, step *compare.Delta
		var where string
		for i := range c.Pairs {
			for k := range c.Pairs[i].Deltas {
				d := &c.Pairs[i].Deltas[k]
				if d.Verdict != verdict || d.Change == nil {
					continue
				}
				if most == nil || beyond(*d) > beyond(*most) {
					most, where = d, c.Pairs[i].Cell
				}
				if strings.HasPrefix(d.Gate.Metric, "steps.") && (step == nil || beyond(*d) > beyond(*step)) {
					step = d
				}
			}
		}
		if most == nil {
			continue
		}
		out := "moved most: " + movedFar(*most)
		if len(c.Pairs) > 1 {
			out += " (" + where + ")"
		}
		if step != nil && step != most {
			out += "; of the steps: " + movedFar(*step)
		}
		return out
	}
	return ""
}

// beyond returns a change as a multiple of its margin.
func beyond(d compare.Delta) float64 {
	if m := exceeds(d); m > 0 {
		return math.Abs(*d.Change) / m
	}
	return math.Inf(1)
}

func movedFar(d compare.Delta) string {
	row := compareRow(d)
	out := fmt.Sprintf("%s %s → %s, %s", d.Gate.Metric, row[2], row[3], row[columnChange])
	if times := beyond(d); !math.IsInf(times, 0) {
		out += ", " + readable.Significant(times, 2) + " times its margin"
	}
	return out
}

// nextSteps suggests commands that tell more than a comparison does.
func nextSteps(c compare.Comparison) []string {
	var out []string
	if len(c.Pairs) == 0 {
		return nil
	}
	p := c.Pairs[0]
	before, after := p.Sides[0].Cell, p.Sides[1].Cell
	if before != nil && after != nil && before.Run() != after.Run() {
		out = append(out, fmt.Sprintf("homellm results diff %s %s: every number of both, turn by turn",
			text.Quote(before.Run().Started.ID), text.Quote(after.Run().Started.ID)))
		if verdict, _, _ := c.Outcome(); verdict != event.Pass && before.Started != nil && after.Started != nil {
			a, b := before.Started.Server.Profile, after.Started.Server.Profile
			if a != "" && b != "" && a != b {
				out = append(out, fmt.Sprintf("homellm ab --a %s --b %s %s: both in turn in one run, so that what changes "+
					"between runs affects both", text.Quote(a), text.Quote(b), text.Quote(scenarioArgument(after.Run()))))
			}
		}
	}
	if after != nil {
		out = append(out, fmt.Sprintf("homellm history %s: since when it is so, over all runs",
			text.Quote(after.Run().Started.Scenario.Name)))
	}
	return out
}

// scenarioArgument names the scenario of a run on a command line.
func scenarioArgument(r *metrics.Run) string {
	if r.Started.Scenario.File != "" {
		return r.Started.Scenario.File
	}
	return r.Started.Scenario.Name
}

// mostMovedOfTwo names the figure of a step that moved most between two runs, among those whose values do not overlap;
// empty if there is none.
func mostMovedOfTwo(oldRun, newRun *metrics.Run) string {
	both, _ := pairs(oldRun, newRun)
	for _, wanted := range []string{"worse", "better"} {
		most, text := 0.0, ""
		for _, p := range both {
			for _, d := range stepDeltas(p) {
				a, whyA := d.old.Sound(d.stat)
				b, whyB := d.new.Sound(d.stat)
				if d.side() != wanted || whyA != "" || whyB != "" || a == 0 || math.Abs(b-a)/math.Abs(a) <= most {
					continue
				}
				most = math.Abs(b-a) / math.Abs(a)
				row := d.row()
				text = fmt.Sprintf("moved most: %s of %s, %s → %s, %s: all values are %s", row[1], d.where, row[2], row[3], row[5],
					wanted)
				if len(both) > 1 {
					text += " (" + p.after.Name() + ")"
				}
			}
		}
		if text != "" {
			return text
		}
	}
	return ""
}

// stepDeltas returns the figures of each step of a cell in both runs.
func stepDeltas(p pair) []delta {
	var out []delta
	seen := map[[2]string]bool{}
	for _, q := range p.after.Measured(metrics.Group{}) {
		key := [2]string{q.Conversation, q.Step}
		if seen[key] {
			continue
		}
		seen[key] = true
		g := metrics.Group{Conversation: q.Conversation, Step: q.Step}
		for _, m := range metrics.Deltas() {
			out = append(out, delta{"step " + q.Conversation + "/" + q.Step, m.Def, m.At.Stat, m.Spread(p.before, g),
				m.Spread(p.after, g)})
		}
	}
	return out
}

// nextOfTwo suggests commands that tell more than two runs side by side do.
func nextOfTwo(oldRun, newRun *metrics.Run) []string {
	return []string{
		fmt.Sprintf("homellm compare %s %s: is the difference more than noise?", text.Quote(oldRun.Started.ID),
			text.Quote(newRun.Started.ID)),
		fmt.Sprintf("homellm history %s: since when it is so, over all runs", text.Quote(newRun.Started.Scenario.Name)),
	}
}
