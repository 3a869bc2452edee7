// Package otlp sends what a run measured to a collector of OpenTelemetry: each turn as a span, the run's figures as
// metrics, by the semantic conventions for generative AI.
//
// The input is an address and a folded run that has ended; the output is requests to that address. Nothing is sent
// while a run is measured, and no text of a prompt or a reply is.
package otlp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"homellm/engine/metrics"
)

// patience is the most time that sending a run may take.
const patience = 10 * time.Second

// Collector is where runs are sent.
type Collector struct {
	version  string // of homellm
	patience time.Duration
	resource []attribute // attributes from the environment
	spans    *exporter
	figures  *exporter
}

// NewCollector reads the address of a collector, such as http://127.0.0.1:4318, which may end in the path of a signal.
// Headers, such as a key, come from OTEL_EXPORTER_OTLP_HEADERS, because others can see a command line.
func NewCollector(address, version string, getenv func(string) string) (*Collector, error) {
	base, err := baseOf(address)
	if err != nil {
		return nil, err
	}
	c := &Collector{version: version, patience: patience}
	of, err := pairs(getenv, "OTEL_RESOURCE_ATTRIBUTES")
	if err != nil {
		return nil, err
	}
	for _, p := range of {
		c.resource = append(c.resource, textAttribute(p.key, p.value))
	}
	agent := "homellm/" + cmp.Or(version, "unknown")
	if c.spans, err = newExporter(base, "traces", agent, getenv); err != nil {
		return nil, err
	}
	c.figures, err = newExporter(base, "metrics", agent, getenv)
	return c, err
}

// baseOf is an address of a collector without a slash or the path of a signal at its end.
func baseOf(address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", errors.New("it is not an address such as http://127.0.0.1:4318")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("an address of a collector has no user, query or fragment; a key goes into " +
			"OTEL_EXPORTER_OTLP_HEADERS")
	}
	base := u.String()
	for _, signal := range []string{"/v1/traces", "/v1/metrics"} {
		base = strings.TrimSuffix(strings.TrimRight(base, "/"), signal)
	}
	return strings.TrimRight(base, "/"), nil
}

// Keys are the values of the headers that are sent along, which may be secret.
func (c *Collector) Keys() (out []string) {
	for _, e := range []*exporter{c.spans, c.figures} {
		for _, values := range e.header {
			out = append(out, values...)
		}
	}
	return out
}

// Send sends one run. It takes at most ten seconds. A collector that took only a part is an error that says so.
func (c *Collector) Send(ctx context.Context, run *metrics.Run) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	defer c.spans.close()
	defer c.figures.close()
	about := c.about(run)
	spans := sendSpans(ctx, about, run, c.spans.post)
	if _, silent := errors.AsType[*url.Error](spans); silent {
		// It cannot be reached: sending the other signal would fail in the same way.
		return c.failure(ctx, spans)
	}
	figures := c.figures.post(ctx, figures(about, run, time.Now()))
	switch {
	case spans != nil && figures != nil:
		return c.failure(ctx, fmt.Errorf("spans: %w; figures: %w", spans, figures))
	case spans != nil:
		return c.failure(ctx, fmt.Errorf("spans: %w", spans))
	case figures != nil:
		return c.failure(ctx, fmt.Errorf("figures: %w", figures))
	}
	return nil
}

// failure words an error for the user.
func (c *Collector) failure(ctx context.Context, err error) error {
	var by *url.Error
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("it was not accepted within %s", c.patience)
	case errors.As(err, &by):
		return by.Err // the address was given: it need not be said again
	}
	return err
}

// about describes the run, for everything that is sent of it: the attributes from the environment, except those that
// homellm knows better.
func (c *Collector) about(run *metrics.Run) message {
	s := run.Started
	known := []attribute{
		textAttribute(serviceName, "homellm"), textAttribute(serviceVersion, c.version), textAttribute(serviceInstance, s.ID),
		textAttribute("homellm.run.id", s.ID), textAttribute("homellm.scenario", s.Scenario.Name)}
	own := map[string]bool{}
	for _, a := range known {
		own[a.key] = true
	}
	others := slices.DeleteFunc(slices.Clone(c.resource), func(a attribute) bool { return own[a.key] })
	var out message
	out.attributes(resourceAttributes, others)
	out.attributes(resourceAttributes, known)
	return out
}
