package compare

import (
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// cannotTell is why a side could not have a metric, as was known before the measurement; "" if it could. A metric
// that a baseline does not hold was not requested from it.
func (s Source) cannotTell(g Gate) (why string) {
	if s.Cell == nil {
		return "the baseline holds none of it"
	}
	for _, path := range []string{g.Metric, g.Metric + "." + g.Stat} {
		if v := s.Figure(path); v.Unsupported {
			return v.Why
		}
	}
	if def, ok := metrics.OfPath(g.Metric); ok && s.Cell.Started != nil {
		return s.Cell.Started.Server.Unsupported[def.Support]
	}
	return ""
}

// unsupported says whether an unknown gate could not have a value on a side.
func (d *Delta) unsupported(sides [2]Source, samples [2]metrics.Sample) {
	if d.Verdict != event.Unknown {
		return
	}
	why := ""
	for i, s := range sides {
		if samples[i].Told() {
			continue
		}
		if why = s.cannotTell(d.Gate); why == "" {
			return
		}
	}
	if why != "" {
		d.Verdict, d.Why, d.More = event.Unsupported, why, 0
	}
}
