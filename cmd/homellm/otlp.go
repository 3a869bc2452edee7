package main

import (
	"context"

	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/otlp"
	"homellm/engine/secret"
)

// collector returns the collector that runs are sent to; nil without --otlp.
func (f applyFlags) collector(p process) (*otlp.Collector, error) {
	if f.otlp == "" {
		return nil, nil
	}
	c, err := otlp.NewCollector(f.otlp, version(), p.getenv)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "--otlp: %w", err)
	}
	for _, key := range c.Keys() {
		if len(key) >= secret.Least {
			_ = secret.Add(key) // fails only for short keys
		}
	}
	return c, nil
}

// export sends a finished run to the collector. Errors are reported and do not change the verdict.
func (f applyFlags) export(ctx context.Context, p process, run *metrics.Run) {
	c, err := f.collector(p)
	if c == nil || err != nil {
		return
	}
	if run.Done != nil && run.Done.Interrupted != "" {
		p.say("the run was interrupted, so it is not sent to %s", f.otlp)
		return
	}
	if err := c.Send(ctx, run); err != nil {
		p.say("sending the run to %s: %v", f.otlp, err)
	}
}
