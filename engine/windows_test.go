package engine_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// Conversations that have begun are finished, none begins when the time is over, and each belongs to the window in
// which it began, for every order of play.
func TestWindows(t *testing.T) {
	for name, run := range map[string]string{
		"one by one":         "{duration: 6s}",
		"by turn":            "{play: by_turn, duration: 6s, isolation: {scope: conversation}}",
		"users together":     "{play: together, users: 3, duration: 6s, ramp: 1s}",
		"users who think":    "{play: together, users: 2, duration: 40s, think_time: {mean: 1s, distribution: uniform}}",
		"users share a salt": "{play: together, users: 2, duration: 6s, isolation: {scope: repeat}}",
		"one after another":  "{users: 2, duration: 6s}",
	} {
		t.Run(name, func(t *testing.T) {
			plan := load(t, "household.yaml", household(run), library(t))
			length := plan.Duration
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{MaxNumSeqs: 2, LedgerEntries: 10_000})
				c, ledger := g.fold.Cells[0], g.ledger(t)
				type play struct {
					repeat, user, number int
					conversation         string
				}
				turns, first := map[play]int{}, map[play]time.Duration{}
				for _, r := range g.requests() {
					entry := ledgerOf(t, r, g.fold.Started.Started, &ledger)
					if !plan.Cells[0].Scenario.Raced() {
						compareTruth(t, r, entry)
					}
					if r.Warmup {
						continue
					}
					p := play{r.Repeat, r.User, r.Play, r.Conversation}
					if turns[p]++; turns[p] == 1 {
						first[p] = r.Due
					}
				}
				windows := map[int]bool{}
				for p, n := range turns {
					if n != map[string]int{"boats": 3, "pumps": 2}[p.conversation] {
						t.Errorf("%+v has %d turns", p, n)
					}
					at := int((first[p]-c.Windows.From)/(length/10)) + 1
					if at != p.repeat {
						t.Errorf("%+v began in window %d", p, at)
					}
					windows[at] = true
				}
				if len(windows) != 10 || len(c.Repeats()) != 10 {
					t.Errorf("%d windows", len(windows))
				}
				_, last, _ := c.Window()
				took := max(length, last-c.Windows.From)
				if len(c.Verdicts) == 0 || c.Verdicts[0].Evaluated < 5 {
					t.Errorf("verdicts %+v", c.Verdicts)
				}
				allPass(t, g.fold)
				all := c.Measured(metrics.Group{})
				look := c.Lookup("scenario", 0, "", "")
				want := float64(len(all)) / took.Seconds()
				if v := look("run.requests_per_s"); v.V != any(want) {
					t.Errorf("%v requests a second (%s), want %v", v.V, v.Why, want)
				}
				var ended [10]float64 // requests in each window
				for _, r := range all {
					ended[min(int((r.Done-c.Windows.From-1)/(length/10)), 9)]++
				}
				s, sum := c.Sample("run.requests_per_s"), 0.0
				for i, v := range s.Values {
					seconds := (length / 10).Seconds()
					if i == 9 {
						seconds = (took - 9*length/10).Seconds()
					}
					if math.Abs(v*seconds-ended[i]) > 1e-9 {
						t.Errorf("%v requests in window %d, want the %v that ended in it", v*seconds, i+1, ended[i])
					}
					sum += v * seconds
				}
				if int(sum+0.5) != len(all) || len(s.Values) != 10 {
					t.Errorf("%v requests in %d windows, want %d", sum, len(s.Values), len(all))
				}
			})
		})
	}
}

// What a server that slows down does to a run is found, with the size of the simulator's own account, and nothing where
// it keeps its speed.
func TestWindows_Drift(t *testing.T) {
	file := household(`{play: together, users: 2, duration: 20s, isolation: {scope: conversation}}`)
	file = append(file, "assert: [{name: steady, that: run.drift.ttft_ms < 5 && run.drift.output_tps > -1}]\n"...)
	for name, slows := range map[string]bool{"it keeps its speed": false, "it slows down": true} {
		t.Run(name, func(t *testing.T) {
			plan := load(t, "household.yaml", file, library(t))
			config := sim.Config{LedgerEntries: 100_000}
			if slows {
				config.Scale = func(elapsed time.Duration, _ int) float64 { return 1 + 3*elapsed.Minutes() }
			}
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, config)
				c, ledger := g.fold.Cells[0], g.ledger(t)
				waits := map[int][]float64{}
				for _, r := range c.Measured(metrics.Group{}) {
					entry := ledgerOf(t, *r, g.fold.Started.Started, &ledger)
					waits[r.Repeat] = append(waits[r.Repeat], event.Milliseconds(entry.TTFT))
				}
				var slopes []float64
				for i := 1; i <= 10; i++ {
					for j := i + 1; j <= 10; j++ {
						rise := metrics.NewDist(waits[j]).Mean - metrics.NewDist(waits[i]).Mean
						slopes = append(slopes, rise/float64(j-i))
					}
				}
				slices.Sort(slopes)
				want := slopes[len(slopes)/2] * 9
				v := c.Lookup("scenario", 0, "", "")("run.drift.ttft_ms")
				got, _ := v.Number()
				if !v.Known() || got != want {
					t.Errorf("the drift is %v (%s), want %v", v.V, v.Why, want)
				}
				if slows != (got > 5) {
					t.Errorf("it drifts by %v ms", got)
				}
				steady := c.Verdicts[len(c.Verdicts)-1]
				if outcome := map[bool]event.Outcome{true: event.Fail, false: event.Pass}[slows]; steady.Verdict != outcome {
					t.Errorf("steady: %s (%s), want %s", steady.Verdict, steady.Why, outcome)
				}
				if n := len(c.Drifts()); n != 3 {
					t.Errorf("%d drifts are shown, want those of the first token, of tokens and of the decode speed", n)
				}
			})
		})
	}
}

// A server that refuses everything is not flooded until the time is over, and one that has gone ends the cell.
func TestWindows_Refused(t *testing.T) {
	for kind, want := range map[string]struct {
		most  int
		ended bool
	}{"status": {60, false}} {
		plan := load(t, "household.yaml", household("{duration: 6s, warmup: 0}"), library(t))
		synctest.Test(t, func(t *testing.T) {
			var g rig
			g.play(t, plan, sim.Config{Faults: []sim.Fault{{Kind: kind, Status: 500}}})
			if n := len(g.requests()); n == 0 || n > want.most {
				t.Errorf("%s: %d requests in 20s", kind, n)
			}
			if c := g.fold.Cells[0]; (c.Done == nil || c.Done.Err != "") != want.ended {
				t.Errorf("%s: %+v", kind, c.Done)
			}
		})
	}
}

// A run that is ended says which windows it lacks; when it is resumed, the cell is played again from its beginning.
func TestWindows_Ended(t *testing.T) {
	plan := load(t, "household.yaml", withObjectives("{duration: 20s}", "snappy: turn.ttft_ms < 1000"), library(t))
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { end(engine.Interrupted{Signal: "SIGINT"}) })
		g := rig{ctx: ctx}
		g.play(t, plan, sim.Config{LedgerEntries: 10_000})
		c := g.fold.Cells[0]
		const want = "played for 9s of 20s: windows 5 to 10 have no values"
		if got := c.WithoutValues(); got != want || c.Done != nil {
			t.Errorf("%q, want %q; %+v", got, want, c.Done)
		}
		if v := c.Lookup("scenario", 0, "", "")("run.slo.snappy"); v.V != any(1.0) {
			t.Errorf("the turns so far met the objective: %v (%s)", v.V, v.Why)
		}
		s := c.Sample("conversations.boats.total_ms")
		if len(s.Values) != len(c.Repeats())-1 || s.Unknown != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// An assertion with abort ends the time as soon as its turn, or its conversation, is judged: conversations that have
// begun are finished, users who think begin none, and the windows after that have no values.
func TestWindows_Abort(t *testing.T) {
	const thinking = "{play: together, users: 8, duration: 240s, think_time: {mean: 8s, distribution: uniform}}"
	const second = `ask: And which is not?, assert: [{name: ends, that: "turn.ok && repeat != 4", abort: true}]}`
	const whole = `[{name: ends, that: "conv.turns > 0 && repeat != 4", abort: true}]`
	for name, c := range map[string]struct {
		run, step, conversation string
		judged                  time.Duration // at most this long after the turn: until then others may begin
	}{
		"a step of many":     {thinking, second, "[conv.turns > 0]", 250 * time.Millisecond},
		"a conversation":     {thinking, "ask: And which is not?}", whole, 250 * time.Millisecond},
		"a step, one by one": {"{duration: 240s}", second, "[conv.turns > 0]", 0},
		"a conversation by turn": { // it goes on after the next turn of the other one
			"{play: by_turn, duration: 240s, think_time: 1s}", "ask: And which is not?}", whole, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			file := strings.Replace(string(household(c.run)), "ask: And which is not?}", c.step, 1)
			file = strings.Replace(file, "[conv.turns > 0]", c.conversation, 1)
			plan := load(t, "household.yaml", []byte(file), library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{LedgerEntries: 10_000})
				fold, cell := g.fold, g.fold.Cells[0]
				type play struct {
					repeat, user, number int
					conversation         string
				}
				turns, first := map[play]int{}, map[play]time.Duration{}
				var failed time.Duration // when the first turn that fails it has ended
				for _, r := range cell.Measured(metrics.Group{}) {
					p := play{r.Repeat, r.User, r.Play, r.Conversation}
					if turns[p]++; turns[p] == 1 {
						first[p] = r.Due
					}
					if r.Repeat == 4 && r.Step == "pump_two" && failed == 0 {
						failed = r.Done
					}
				}
				if failed == 0 {
					t.Fatal("window 4 has no turn that fails")
				}
				for p, n := range turns {
					if n != map[string]int{"boats": 3, "pumps": 2}[p.conversation] {
						t.Errorf("%+v has %d turns", p, n)
					}
					if first[p] > failed+c.judged {
						t.Errorf("%+v begins at %v, and the assertion failed at %v", p, first[p], failed)
					}
				}
				_, last, _ := cell.Window()
				lost := fmt.Sprintf("played for %v of 4m0s: windows ", (last - cell.Windows.From).Round(time.Second))
				if got := cell.WithoutValues(); !strings.HasPrefix(got, lost) || last > failed+time.Minute {
					t.Errorf("%q, want %q", got, lost)
				}
				if fold.Done == nil || fold.Done.Aborted != "assertion ends failed and has abort: true" {
					t.Errorf("%+v", fold.Done)
				}
				if _, code, _ := fold.Outcome(); code != 1 || len(cell.Verdicts) == 0 {
					t.Errorf("exit code %d, verdicts %+v", code, cell.Verdicts)
				}
			})
		})
	}
}
