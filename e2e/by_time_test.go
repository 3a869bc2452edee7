//go:build e2e && unix

package e2e

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// byTime is how much is played, and which share of the intervals must contain the truth.
type byTime struct {
	repeats, turns int // with something cached, in each repeat
	longest        int // prompt, in tokens
	share          float64
}

// words are common ones: each is a token or two.
var words = strings.Fields("time year people way day man thing woman life child world school state family student group " +
	"country problem hand part place case week company system program question work number night point home water room " +
	"mother area money story fact month lot right study book eye job word business issue side kind head house service")

// partlyCached is a scenario of conversations whose turns repeat from 16 to 97 % of their prompts, and the
// expressions of their hit rates.
func partlyCached(b byTime) (scenario string, steps []string) {
	r := rand.New(rand.NewPCG(16, 97))
	text := func(n float64) string { // of about so many tokens
		out := make([]string, int(n/1.1))
		for i := range out {
			out[i] = words[r.IntN(len(words))]
		}
		return strings.Join(out, " ")
	}
	var y strings.Builder
	fmt.Fprintf(&y, "schema: homellm.scenario/v1\nname: growing\nrun: {repeats: %d, warmup: 0, error_budget: 5%%, "+
		"isolation: {cache: salt, scope: conversation}}\ndefaults: {timeout: 900s, request: {temperature: 0, seed: 1, "+
		"max_tokens: 2}}\nconversations:\n", b.repeats)
	for conversation := 0; len(steps) < b.turns; conversation++ {
		n := 300 + 0.4*float64(b.longest)*r.Float64()
		fmt.Fprintf(&y, "  - id: c%d\n    history: live\n    steps:\n      - {id: c%ds0, ask: %s}\n", conversation, conversation,
			text(n))
		for k := 1; len(steps) < b.turns; k++ {
			next := max(n/(0.16+0.79*r.Float64()), 500)
			if next > float64(b.longest) {
				break
			}
			id := fmt.Sprintf("c%ds%d", conversation, k)
			fmt.Fprintf(&y, "      - {id: %s, ask: %s}\n", id, text(next-n))
			steps, n = append(steps, id), next
		}
	}
	return y.String(), steps
}

// TestLlamaServer_CacheByTime compares hit rates derived from TTFT with llama-server's own report, which a proxy hides
// from homellm.
func TestLlamaServer_CacheByTime(t *testing.T) {
	b := byTime{repeats: 2, turns: 20, longest: 1500, share: 0.9}
	if os.Getenv("HOMELLM_E2E_FURTHER") != "" {
		b = byTime{repeats: 5, turns: 44, longest: 2600, share: 0.95}
	}
	timed, all := b.play(t, record(t, startLlamaServer(t), nil))
	if timed < all*9/10 {
		t.Errorf("%d of %d turns have hit rates by time", timed, all)
	}
}

// TestVLLM_CacheByTime is the same on vLLM, whose times scatter by a quarter on two cores: homellm may say that it
// cannot tell.
func TestVLLM_CacheByTime(t *testing.T) {
	further(t)
	address := startVLLM(t, "--served-model-name", "small") // the name that the proxy uses
	b := byTime{repeats: 5, turns: 44, longest: 2600, share: 0.95}
	b.play(t, record(t, address, counted(t, address)))
}

// play compares a run's hit rates by time with the engine's own report, and returns how many turns have one.
func (b byTime) play(t *testing.T, r *recorder) (timed, all int) {
	t.Helper()
	p := build(t)
	scenario, steps := partlyCached(b)
	file := p.write(t, "growing.yaml", scenario)
	turns := p.play(t, file, "--url", plain(t, r.address), "--repeats", fmt.Sprint(b.repeats))
	accounts := r.last(t, len(turns))
	fold := &metrics.Run{}
	for _, e := range p.events(t, "out") {
		fold.Add(e)
	}
	rate, cell := metrics.Must("cache.hit_rate"), fold.Cells[0]
	within, width := 0, 0.0
	var long []float64 // widths of prompts of about 2,000 tokens
	why := ""
	for i, q := range cell.Requests {
		if q.Err != nil && q.Err.Class == "empty" {
			continue // the model said nothing, and its conversation ended there
		}
		if q.Err != nil {
			t.Errorf("%s: %s: %s", q.Step, q.Err.Class, q.Err.Message)
			continue
		}
		a, v := accounts[i], rate.Each(cell, q)
		truth := float64(a.cached) / float64(a.prompt)
		if !slices.Contains(steps, q.Step) {
			continue
		}
		said := event.Range{High: 1} // nothing
		switch {
		case v.Range != nil && v.Source == "ttft_fit":
			said = *v.Range
			timed++
		case v.Why == "":
			t.Errorf("%s, repeat %d: there is no hit rate, and nothing says why", q.Step, q.Repeat)
		}
		all++
		width += said.High - said.Low
		if 1800 <= a.prompt && a.prompt <= 2200 {
			long, why = append(long, said.High-said.Low), v.Why
		}
		if said.Low <= truth && truth <= said.High {
			within++
			continue
		}
		t.Logf("%s, repeat %d: %.3f to %.3f, and %d of %d were cached, which is %.3f", q.Step, q.Repeat, said.Low, said.High,
			a.cached, a.prompt, truth)
	}
	t.Logf("%d of %d intervals hold the truth, %d of them say something; they are %.3f wide", within, all, timed,
		width/float64(all))
	if len(long) > 0 {
		t.Logf("%d prompts of 1,800 to 2,200 tokens: intervals are %.3f wide in the median, %.3f at most; %s", len(long),
			stats.Median(long), slices.Max(long), why)
	}
	// by chance the share is lower, but hardly by more than two standard deviations
	least := b.share*float64(all) - 2*math.Sqrt(b.share*(1-b.share)*float64(all))
	if float64(within) < least {
		t.Errorf("%d of %d intervals hold the truth, at least %.0f have to", within, all, least)
	}
	if all*10 < b.repeats*b.turns*9 {
		t.Errorf("%d turns were played of %d", all, b.repeats*b.turns)
	}
	return timed, all
}
