package engine_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// TestCacheByTime plays scenarios on a server that reports no cached tokens, and compares what its times say with what
// it found in its cache: the truth lies within the limits of every turn, and they are narrow where prompts are long.
func TestCacheByTime(t *testing.T) {
	turns := 0
	for _, name := range []string{"rag-long", "rag-small", "rag-head", "deep-technical", "ultra-long", "needle",
		"multilingual"} {
		plan := load(t, name+".yaml", shippedFile(t, name), library(t))
		synctest.Test(t, func(t *testing.T) {
			var g rig
			g.play(t, plan, sim.Config{NoCachedUsage: true, Faults: []sim.Fault{{Kind: "no_metrics"}}})
			ledger := g.ledger(t)
			rate, _ := metrics.Lookup("cache.hit_rate")
			cell := g.fold.Cells[0]
			for i, q := range cell.Requests {
				turns++
				e := ledger[i]
				truth := float64(e.CachedTokens) / float64(e.PromptTokens)
				v := rate.Each(cell, q)
				switch {
				case v.Range == nil || v.Source != "ttft_fit":
					t.Errorf("%s %s: %+v, and %d of %d were cached", name, q.Step, v, e.CachedTokens, e.PromptTokens)
				case truth < v.Range.Low || truth > v.Range.High:
					t.Errorf("%s %s: %+v, and %d of %d were cached, which is %.3f", name, q.Step, *v.Range, e.CachedTokens,
						e.PromptTokens, truth)
				case e.PromptTokens > 1500 && e.PromptTokens < 4000 && v.Range.High-v.Range.Low > 0.25:
					t.Errorf("%s %s: %+v is wide for %d tokens", name, q.Step, *v.Range, e.PromptTokens)
				}
			}
		})
	}
	if turns < 200 {
		t.Errorf("only %d turns were compared", turns)
	}
}

// TestCacheByTime_Judges passes a cache that works and fails one that is switched off, though neither server
// reports it.
func TestCacheByTime_Judges(t *testing.T) {
	for want, config := range map[event.Outcome]sim.Config{
		event.Pass: {NoCachedUsage: true, Faults: []sim.Fault{{Kind: "no_metrics"}}},
		event.Fail: {NoCachedUsage: true, Faults: []sim.Fault{{Kind: "no_metrics"}}, NoPrefixCache: true},
	} {
		plan := load(t, "rag-long.yaml", shippedFile(t, "rag-long"), library(t))
		synctest.Test(t, func(t *testing.T) {
			var g rig
			g.play(t, plan, config)
			judged := 0
			for _, v := range g.fold.Cells[0].Verdicts {
				if v.Name != "cache-survives-removal" && v.Name != "documents-are-cached" {
					continue
				}
				if judged++; v.Verdict != want {
					t.Errorf("%s is %s (%s), want %s", v.Name, v.Verdict, v.Why, want)
				}
			}
			for _, path := range []string{"phases.after_removal.cache.hit_rate.mean", "run.cache.hit_rate",
				"phases.after_removal.cache.efficiency.mean"} {
				v := g.fold.Cells[0].Lookup(figure.ScenarioScope, 0, "", "")(path)
				if want == event.Pass && (v.Range == nil || !strings.HasPrefix(v.Source, "ttft_fit")) {
					t.Errorf("%s: %+v", path, v)
				}
			}
			if _, code, why := g.fold.Outcome(); judged == 0 || code != map[event.Outcome]int{event.Fail: 1}[want] {
				t.Errorf("%d gates of the cache judged, exit %d (%s)", judged, code, why)
			}
		})
	}
}

// TestCacheByTime_Changes plays on servers whose speed is not what it was when the cold prompts were sent, or follows
// no curve: the truth still lies within the limits of nineteen of twenty turns, which are wider for it.
func TestCacheByTime_Changes(t *testing.T) {
	plan := load(t, "rag-small.yaml", shippedFile(t, "rag-small"), library(t))
	var tokens sync.Map // of the prompts, which are the same in all runs
	const cold = 40     // requests: self-tests, cold prompts and some turns
	for name, config := range map[string]sim.Config{
		"noise": {Jitter: 0.05},
		"throttled in a repeat": {Jitter: 0.01, Scale: func(_ time.Duration, n int) float64 {
			return 1 + 0.4*float64(min(n/cold, 1))
		}},
		"released in a repeat": {Jitter: 0.01, Scale: func(_ time.Duration, n int) float64 {
			return 1.4 - 0.4*float64(min(n/cold, 1))
		}},
		"slower and slower": {Jitter: 0.01, Scale: func(_ time.Duration, n int) float64 { return 1 + 0.01*float64(n) }},
		"a first prompt that costs": {Jitter: 0.01, Scale: func(_ time.Duration, n int) float64 {
			return 1 + 9/float64(1+n*n)
		}},
		"others at times": {Jitter: 0.02, Scale: func(_ time.Duration, n int) float64 {
			return 1 + 1.5*float64(n*n%7/5)
		}},
		"a stall now and then": {Jitter: 0.01, Scale: func(_ time.Duration, n int) float64 {
			return 1 + 0.8*float64(1-min(n%23, 1))
		}},
		"steps of 512": {Jitter: 0.01, MaxBatchedTokens: 512},
	} {
		t.Run(name, func(t *testing.T) {
			within, turns, width := 0, 0, 0.0
			for seed := range uint64(3) {
				config.Seed, config.NoCachedUsage, config.Faults = seed+1, true, []sim.Fault{{Kind: "no_metrics"}}
				synctest.Test(t, func(t *testing.T) {
					g := rig{tokens: &tokens}
					g.play(t, plan, config)
					ledger := g.ledger(t)
					rate, _ := metrics.Lookup("cache.hit_rate")
					for i, q := range g.fold.Cells[0].Requests {
						turns++
						r := event.Range{High: 1}
						if v := rate.Each(g.fold.Cells[0], q); v.Range != nil {
							r = *v.Range
						}
						width += r.High - r.Low
						if truth := float64(ledger[i].CachedTokens) / float64(ledger[i].PromptTokens); truth >= r.Low && truth <= r.High {
							within++
						}
					}
				})
			}
			t.Logf("%d of %d, %.3f wide", within, turns, width/float64(turns))
			if turns < 20 || 20*within < 19*turns {
				t.Errorf("%d of %d intervals hold the truth", within, turns)
			}
		})
	}
}
