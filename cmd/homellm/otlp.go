package main

import (
	"context"
	"strings"

	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/engine/otlp"
	"homellm/engine/secret"
)

// collector is where runs are sent; nil: nowhere.
func (f applyFlags) collector() (*otlp.Collector, error) {
	if f.otlp == "" {
		return nil, nil
	}
	c, err := otlp.NewCollector(f.otlp, version())
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "write it like http://127.0.0.1:4318", "--otlp: %w", err)
	}
	return c, nil
}

// export sends a run that has ended to the collector. What goes wrong there is told, and changes no verdict.
func (f applyFlags) export(ctx context.Context, p process, run *metrics.Run) {
	c, err := f.collector()
	if c == nil || err != nil {
		return
	}
	if run.Done != nil && run.Done.Interrupted != "" {
		p.say("the run was interrupted, so it is not sent to %s", f.otlp)
		return
	}
	for header := range strings.SplitSeq(p.getenv("OTEL_EXPORTER_OTLP_HEADERS"), ",") {
		if _, value, ok := strings.Cut(header, "="); ok && len(value) >= secret.Least {
			_ = secret.Add(value) // only a short one is refused
		}
	}
	if err := c.Send(ctx, run); err != nil {
		p.say("the run was not sent to %s: %v", f.otlp, err)
	}
}
