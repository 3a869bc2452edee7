package observe

import (
	"maps"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// replyFacts is what replies to preflight requests report.
type replyFacts struct {
	replies   int
	usage     bool
	reasoning bool
	cached    bool
	timings   map[string]bool // names of metrics
}

// add records one reply.
func (t *replyFacts) add(e *event.Exchange) {
	t.replies++
	t.usage = t.usage || e.Usage.Prompt != nil && e.Usage.Completion != nil
	t.reasoning = t.reasoning || e.Usage.Reasoning != nil
	t.cached = t.cached || e.Usage.Cached != nil
	if t.timings == nil {
		t.timings = map[string]bool{}
	}
	for name := range e.Timings {
		t.timings[name] = true
	}
}

// Unsupported lists what the server does not report, with the reason, as seen before anything was measured. It leaves
// out figures that the server should report and did not, or reports with contradictions.
func (o *Observer) Unsupported() map[string]string {
	out := map[string]string{}
	if o.told.replies == 0 {
		return nil
	}
	if !o.told.usage {
		out["usage"] = noCounts
	}
	if seen, ok := o.flow.capability(); ok && !seen.OK {
		for _, name := range []string{"streaming", "tpot_ms", "output_tps"} {
			out[name] = seen.How
		}
	}
	if !o.told.reasoning {
		out["reasoning_tokens"] = "the server does not count reasoning tokens"
	}
	switch {
	case o.cell.Scenario.AtOnce() && o.report.Proven() && !o.report.InReply && !o.report.Off:
		out["cache"] = countedTogether
	case o.report.Proven() || o.told.cached || o.report.Doubtful:
	case o.report.Why != "":
		out["cache"] = o.report.Why
	default:
		out["cache"] = "server " + o.cell.Server.Name + " reports no cached tokens"
	}
	o.unsupportedAccount(out)
	return out
}

// unsupportedAccount adds what the server does not report of its own work. What only counters tell cannot be known of
// one of several requests at once.
func (o *Observer) unsupportedAccount(out map[string]string) {
	names, together := maps.Clone(o.told.timings), o.cell.Scenario.AtOnce()
	if o.counters.on {
		for _, t := range o.server.Side.Engine().Metrics.Timings {
			if together && !names[t.Metric] {
				out[t.Metric] = countedTogether
			}
			names[t.Metric] = true
		}
	}
	for i := range metrics.Defs {
		if d := &metrics.Defs[i]; d.Support == metrics.ServerTimings && !names[d.Name] {
			out[d.Name] = "the server says nothing of " + d.Name
		}
	}
	switch {
	case names["spec.draft_tokens"]:
	case together && o.counters.on && len(o.server.Side.Engine().Metrics.Counts) > 0:
		out[metrics.Speculation] = countedTogether
	default:
		out[metrics.Speculation] = "the server says nothing of speculative decoding"
	}
	switch {
	case names["cache.local_tokens"]:
	case !o.report.Tiers:
		out[metrics.Tiers] = "the server does not tell local from offloaded tokens of its cache"
	case together:
		out[metrics.Tiers] = countedTogether
	}
	if len(names) == 0 {
		out[metrics.ServerTimings] = "the server says nothing of its own times"
	}
}
