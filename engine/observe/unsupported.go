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
	case o.report.Proven() || o.told.cached || o.report.Doubtful:
	case o.report.Why != "":
		out["cache"] = o.report.Why
	default:
		out["cache"] = "server " + o.cell.Server.Name + " reports no cached tokens"
	}
	names := maps.Clone(o.told.timings)
	if o.counters.on {
		for _, t := range o.server.Side.Engine().Metrics.Timings {
			names[t.Metric] = true
		}
	}
	for i := range metrics.Defs {
		if d := &metrics.Defs[i]; d.Support == metrics.ServerTimings && !names[d.Name] {
			out[d.Name] = "the server says nothing of " + d.Name
		}
	}
	if !names["spec.draft_tokens"] {
		out[metrics.Speculation] = "the server says nothing of speculative decoding"
	}
	if len(names) == 0 {
		out[metrics.ServerTimings] = "the server says nothing of its own times"
	}
	return out
}
