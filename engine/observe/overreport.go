package observe

import (
	"fmt"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// longestDraft is the most tokens that speculative decoding drafts at once.
const longestDraft = 64

// addDrafts records that the server's cache may hold more tokens than the request and its reply: drafts beyond the
// end of a reply are cached, and the template begins the next message with the same tokens.
func (o *Observer) addDrafts(r *event.Request) {
	o.drafted = max(o.drafted, min(int(r.Timings["spec.draft_tokens"]), longestDraft))
}

// checkCeiling withdraws the server's report of cached tokens for the rest of the run if it exceeds what any cache
// can hold, by more than a block and by more than the ceiling's uncertainty. It does not judge where other clients
// may have filled the cache, or the first prompt after an isolation.
func (o *Observer) checkCeiling(t Turn, r *event.Request) {
	by := o.cell.Scenario.Run.Cache
	if r.Err != nil || r.Cached == nil || r.Reusable == nil || r.Usage.Prompt == nil || t.most != nil ||
		by == "" || by == dsl.NotIsolated || o.traffic.shared > 0 || o.traffic.waiting > 0 || o.traffic.turn.Any() {
		return
	}
	slack := max(o.server.Block, 1) + o.drafted
	if r.ReusableSource != "tokens" {
		if r.Estimate == nil {
			return // the ceiling compares characters, and how precise that is is unknown
		}
		slack += int(2*r.Estimate.Spread*float64(*r.Usage.Prompt)) + 1
	}
	if *r.Cached <= *r.Reusable+slack {
		return
	}
	o.withdrawn = fmt.Sprintf("the server's report of cached tokens is withdrawn: it says %d in %s, where no cache can "+
		"have more than %d of the %d tokens of the prompt", *r.Cached, turnOf(r), *r.Reusable, *r.Usage.Prompt)
	o.notes.add(metrics.Withdrawn, "%s", o.withdrawn)
	r.Cached, r.CacheSource, r.CacheAssumed, r.CacheWhy = nil, "none", false, o.withdrawn
}
