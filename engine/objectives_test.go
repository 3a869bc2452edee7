package engine_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// withObjectives adds objectives to the household, and a limit of each user's own share.
func withObjectives(run, slo string) []byte {
	file := household(run)
	return bytes.Replace(file, []byte("conversations:"), []byte("slo: {"+slo+"}\nconversations:"), 1)
}

// The share of turns that met an objective, and how many a second, are those of the simulator's ledger, for every order
// of play and also where requests fail.
func TestObjectives_EqualTheLedger(t *testing.T) {
	for name, c := range map[string]struct {
		run  string
		most float64 // ms to the first token
	}{
		"in sequence":          {"{repeats: 2, warmup: 1}", 20},
		"users together":       {"{play: together, users: 3, repeats: 2, think_time: 100ms}", 160},
		"users one by one":     {"{users: 2, repeats: 2}", 20},
		"two users by turn":    {"{play: by_turn, users: 2, repeats: 2}", 20},
		"with a failing reply": {"{play: together, users: 2, repeats: 2, warmup: 0}", 160},
	} {
		t.Run(name, func(t *testing.T) {
			file := withObjectives(c.run, fmt.Sprintf(`snappy: "turn.ttft_ms < %g && turn.tpot_ms < 60", never: turn.ttft_ms < 0.001`,
				c.most))
			most := c.most
			plan := load(t, "household.yaml", file, library(t))
			config := sim.Config{MaxNumSeqs: 1}
			if name == "with a failing reply" {
				config.Faults = []sim.Fault{{Kind: "reset", Token: 2, Prompt: "And which", Times: 1}}
			}
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, config)
				c, ledger := g.fold.Cells[0], g.ledger(t)
				met, turns := 0, 0
				var played time.Duration
				for _, repeat := range c.Repeats() {
					all := c.Measured(metrics.Group{Repeat: repeat})
					from, to := all[0].Due, all[0].Done
					for _, q := range all {
						from, to = min(from, q.Due), max(to, q.Done)
						if turns++; q.Err != nil {
							continue
						}
						truth := ledgerOf(t, *q, g.fold.Started.Started, &ledger)
						if d := metrics.Must("tpot_ms").Each(c, q); event.Milliseconds(truth.TTFT) < most && d.V.(float64) < 60 {
							met++
						}
					}
					played += to - from
				}
				if met == 0 || met == turns {
					t.Fatalf("%d of %d turns met the objective: it tells nothing apart", met, turns)
				}
				users, seconds := max(1, c.Planned.Users), played.Seconds()
				look := c.Lookup("scenario", 0, "", "")
				for path, want := range map[string]float64{
					"run.slo.snappy":                  float64(met) / float64(turns),
					"run.goodput_rps.snappy":          float64(met) / seconds,
					"run.goodput_per_user_rps.snappy": float64(met) / (seconds * float64(users)),
					"run.slo.never":                   0,
				} {
					if v := look(path); v.V != any(want) {
						t.Errorf("%s is %v (%s), want %v", path, v.V, v.Why, want)
					}
				}
			})
		})
	}
}

// What a server does not report is neither met nor missed: the share lies between the two, and an assertion that hangs
// on it is undecided. Assertions of a conversation see the share of one user in one repeat.
func TestObjectives_Unknown(t *testing.T) {
	file := withObjectives("{play: together, users: 2, repeats: 2, warmup: 0}", `cached: "turn.ttft_ms < 0.001 || turn.cache.hit_rate < 0.999"`)
	file = bytes.Replace(file, []byte("  - id: boats\n"),
		[]byte("  - id: boats\n    assert: [{name: own, that: conv.slo.cached == 1}]\n"), 1)
	file = append(file, "assert: [{name: most, that: run.slo.cached > 0.5, on_unknown: warn}, run.slo.cached >= 0]\n"...)
	plan := load(t, "household.yaml", file, library(t))
	for _, reports := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var g rig
			g.play(t, plan, sim.Config{NoCachedUsage: !reports})
			c := g.fold.Cells[0]
			got := map[string]event.Outcome{}
			for _, v := range c.Verdicts {
				got[v.Name] = v.Verdict
			}
			v := c.Lookup("scenario", 0, "", "")("run.slo.cached")
			said := fmt.Sprintln(v.V, v.Range, v.Unsupported, got["own"], got["most"], got["assert[2]"])
			want := "1 <nil> false pass pass pass\n"
			if !reports {
				want = "<nil> <nil> true unsupported unsupported pass\n"
			}
			if said != want {
				t.Errorf("reported %v: %s, want %s (%s)", reports, said, want, v.Why)
			}
		})
	}
}
