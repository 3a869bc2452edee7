package engine_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
	"homellm/engine/target"
)

// framed plays a small scenario whose replies have 24 tokens, 8 of them reasoning.
func framed(t *testing.T, g *rig, config sim.Config) {
	t.Helper()
	data := strings.ReplaceAll(string(scenarioWith("{warmup: 0, repeats: 1, isolation: {cache: none}}", "turn.ok")),
		"max_tokens: 8", "max_tokens: 24")
	config.Wire.ReasoningTokens = 8
	g.play(t, load(t, "small.yaml", []byte(data), library(t)), config)
}

// TestFramings compares the decode speed of replies in every framing with that of the same replies sent token by token:
// it is the same within 3 %, or an interval that contains it, or unknown.
func TestFramings(t *testing.T) {
	value := func(name string, r *event.Request) metrics.Value {
		d, _ := metrics.Lookup(name)
		return d.Each(&metrics.Cell{}, r)
	}
	for _, c := range []struct {
		fault string
		told  bool // the engine is asked to count the tokens of each event
		known bool // the speed is a number
	}{
		{"", false, true},
		{"late_end", false, true},
		{"late_end", true, true},
		{"bundle", false, false},
		{"bundle", true, true},
		{"whole_reasoning", false, false},
		{"whole_reasoning", true, true},
		{"hidden_reasoning", false, false},
		{"hidden_reasoning", true, true},
		{"buffer", false, false},
		{"buffer", true, false},
		{"coalesce", false, true},
	} {
		name := c.fault
		if c.told {
			name += ", counted"
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := rig{target: func(x *target.Target) {
					if c.told {
						x.Facts.Engine = "vllm"
					}
				}}
				var faults []sim.Fault
				if c.fault != "" {
					faults = []sim.Fault{{Kind: c.fault}}
				}

				var plain rig
				framed(t, &plain, sim.Config{})
				framed(t, &g, sim.Config{Faults: faults})
				truths := plain.requests()
				for i, r := range g.requests() {
					truth, ok := value("output_tps", &truths[i]).Number()
					if !ok {
						t.Fatal("the truth is unknown")
					}
					v := value("output_tps", &r)
					f, known := v.Number()
					switch {
					case known != c.known:
						t.Errorf("%s: %+v, known %v, want %v; the truth is %v", r.Step, v, known, c.known, truth)
					case known && (f < 0.97*truth || f > 1.03*truth):
						t.Errorf("%s: %v, the truth is %v", r.Step, f, truth)
					case !known && v.Range != nil && (v.Range.Low > truth || v.Range.High < truth):
						t.Errorf("%s: %v does not hold the truth, %v", r.Step, *v.Range, truth)
					}
				}
			})
		})
	}
}

// TestBuffered plays on a server that holds each reply back until it is whole: the times of its tokens are unknown, the
// turn and the run say why, and the server no longer counts as streaming.
func TestBuffered(t *testing.T) {
	for name, c := range map[string]struct {
		fault sim.Fault
		held  bool
		seen  bool // in the preflight already
	}{
		"an event each 0.2 ms":   {sim.Fault{Kind: "buffer"}, true, true},
		"all at once":            {sim.Fault{Kind: "coalesce", Count: 1000}, true, true},
		"behind the preflight":   {sim.Fault{Kind: "buffer", Prompt: "What is"}, true, false},
		"once behind preflight":  {sim.Fault{Kind: "coalesce", Count: 1000, Prompt: "What is"}, true, false},
		"as it is generated":     {sim.Fault{Kind: "role_early"}, false, false},
		"several tokens a piece": {sim.Fault{Kind: "bundle"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g rig
				framed(t, &g, sim.Config{Faults: []sim.Fault{c.fault}})
				cell := g.fold.Cells[0]
				if streams := slices.Contains(cell.Started.Server.Capabilities, "streaming"); streams == c.seen {
					t.Errorf("capabilities %q", cell.Started.Server.Capabilities)
				}
				notes := 0
				for _, n := range cell.Notes {
					if n.Code == "buffered" {
						notes++
					}
				}
				if (notes > 0) != c.held {
					t.Errorf("%d notes, held back: %v", notes, c.held)
				}
				for i, r := range g.requests() {
					if r.Buffered != c.held {
						t.Errorf("%s: buffered is %v", r.Step, r.Buffered)
					}
					if !c.held {
						continue
					}
					e := g.ledger(t)[len(g.ledger(t))-len(g.requests())+i]
					for _, m := range []string{"ttft_ms", "ttft_answer_ms", "output_tps", "tpot_ms", "icl_p50_ms", "stalls",
						"prefill_tps"} {
						d, _ := metrics.Lookup(m)
						v := d.Each(cell, &r)
						if v.Known() {
							t.Errorf("%s: %s is %v", r.Step, m, v.V)
						}
						if m == "ttft_ms" {
							first := event.Milliseconds(r.Chunks[0].At - *r.Sent)
							if v.Range == nil || v.Range.High != first || v.Range.Low > event.Milliseconds(e.Queue+e.Prefill) {
								t.Errorf("%s: time to first token %+v, the reply began after %v ms", r.Step, v.Range, first)
							}
						}
					}
					if d, _ := metrics.Lookup("e2e_ms"); !d.Each(cell, &r).Known() {
						t.Errorf("%s: the whole time is %+v", r.Step, d.Each(cell, &r))
					}
				}
			})
		})
	}
}

// TestCountedText counts the text behind a first piece of several tokens, where nothing else tells how many those were:
// with the server's tokeniser decode speed is a number, and otherwise an interval that contains the truth.
func TestCountedText(t *testing.T) {
	data := strings.ReplaceAll(string(scenarioWith("{warmup: 0, repeats: 1, isolation: {cache: none}}", "turn.ok")),
		"max_tokens: 8", "max_tokens: 96, ignore_eos: true")
	d, _ := metrics.Lookup("output_tps")
	for name, exact := range map[string]bool{"tokeniser": true, "no tokeniser": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := load(t, "small.yaml", []byte(data), library(t))
				var plain, g rig
				plain.play(t, plan, sim.Config{})
				g.target = func(x *target.Target) {
					if !exact {
						x.Side = nil
					}
				}
				g.play(t, plan, sim.Config{Faults: []sim.Fault{{Kind: "bundle", Count: 6}}})
				truths := plain.requests()
				for i, r := range g.requests() {
					truth, _ := d.Each(&metrics.Cell{}, &truths[i]).Number()
					v := d.Each(&metrics.Cell{}, &r)
					if (r.Later != nil) != exact {
						t.Fatalf("%s: the text is counted as %+v", r.Step, r.Later)
					}
					f, known := v.Number()
					switch {
					case known != exact:
						t.Errorf("%s: %+v of %+v, the truth is %v", r.Step, v, r.Later, truth)
					case known && (f < 0.97*truth || f > 1.03*truth):
						t.Errorf("%s: %v, the truth is %v", r.Step, f, truth)
					case !known && (v.Range == nil || v.Range.Low > truth || v.Range.High < truth):
						t.Errorf("%s: %v does not hold the truth, %v", r.Step, v.Range, truth)
					}
				}
			})
		})
	}
}
